"""Weights: safetensors with a card, found by name or path, converted from the published checkpoints."""

from datprl_toolkit.weights.card import TASK_DOMAINS, Domain, TaskCard, WeightsCard
from datprl_toolkit.weights.store import (
    FOLDER_VARIABLE,
    find_weights,
    list_weights,
    load_weights,
    read_card,
    save_weights,
)

__all__ = [
    "FOLDER_VARIABLE",
    "TASK_DOMAINS",
    "Domain",
    "TaskCard",
    "WeightsCard",
    "find_weights",
    "list_weights",
    "load_weights",
    "read_card",
    "save_weights",
]
