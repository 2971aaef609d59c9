"""The stages in which the shipped weights were trained: each setting is one, and each network holds the last."""

from __future__ import annotations

import argparse
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.training import TrainingConfig, override, training_preset
from datprl_toolkit.training.warm_start import start_from
from datprl_toolkit.weights import find_weights, read_card
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("train_small")


def configurations(recipe: ModuleType, tmp_path: Path) -> list[TrainingConfig]:
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=None)
    configs = []
    for number, settings in enumerate(recipe.STAGES):
        command = recipe.command(arguments, tmp_path, settings, tmp_path / "before" if number else None)
        given = (part.split("=", 1) for before, part in itertools.pairwise(command) if before == "--set")
        configs.append(override(training_preset("small"), {name: json.loads(value) for name, value in given}))
    return configs


def test_every_setting_is_one_and_each_stage_can_start_from_the_last(recipe: ModuleType, tmp_path: Path) -> None:
    networks = [DatprlNetwork(config.network) for config in configurations(recipe, tmp_path)]
    for earlier, later in itertools.pairwise(networks):
        start_from(later, earlier, "earlier")


def test_the_last_stage_is_what_is_shipped(recipe: ModuleType, tmp_path: Path) -> None:
    card, config = read_card(find_weights("small")), configurations(recipe, tmp_path)[-1]
    assert card.config == config.network == preset("small")
    for name in ("steps", "crop", "batch_size", "learning_rate", "identity", "task_shares", "task_weights"):
        assert card.training[name] == getattr(config, name)


def test_a_stage_that_was_killed_is_resumed(recipe: ModuleType, tmp_path: Path) -> None:
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=7)
    assert "--resume" not in recipe.command(arguments, tmp_path, {}, None)
    (tmp_path / "checkpoint.pt").touch()
    command = recipe.command(arguments, tmp_path, {}, None)
    assert command[-1] == "--resume"
    assert "steps=7" in command
