"""A context kept in a file, so that a run that is resumed, or another process, uses the very same one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from safetensors import safe_open
from safetensors.torch import save

from datprl_toolkit.network import Context
from datprl_toolkit.network.prompts import PromptChoice

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_STATISTIC = "statistics."
_CHOICES = ("task", "domain")


def save_context(context: Context | None, path: Path, task: str | None = None) -> None:
    """Write a context, or that there is none, as safetensors; `task` is the one that was asked for."""
    tensors = {} if context is None else _tensors(context)
    metadata = {"context": "none" if context is None else "scene"} | ({} if task is None else {"task": task})
    path.write_bytes(save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, metadata))


def task_of(path: Path) -> str | None:
    """Return the task that was asked for when a context was made; None if the network chose."""
    with safe_open(path, framework="pt") as file:
        task: str | None = file.metadata().get("task")
    return task


def load_context(path: Path) -> Context | None:
    """Read what :func:`save_context` wrote, on the CPU."""
    with safe_open(path, framework="pt") as file:
        if file.metadata()["context"] == "none":
            return None
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    statistics = [name for name in tensors if name.startswith(_STATISTIC)]
    return Context(
        prompt=tensors.get("prompt"),
        statistics=tuple(tensors[f"{_STATISTIC}{place}"] for place in range(len(statistics))),
        task=_choice(tensors, "task"),
        domain=_choice(tensors, "domain"),
    )


def _tensors(context: Context) -> dict[str, Tensor]:
    tensors = {f"{_STATISTIC}{place}": tensor for place, tensor in enumerate(context.statistics)}
    if context.prompt is not None:
        tensors["prompt"] = context.prompt
    for name in _CHOICES:
        choice: PromptChoice | None = getattr(context, name)
        if choice is not None:
            tensors |= {f"{name}.{field.name}": getattr(choice, field.name) for field in fields(choice)}
    return tensors


def _choice(tensors: dict[str, Tensor], name: str) -> PromptChoice | None:
    names = [field.name for field in fields(PromptChoice)]
    if f"{name}.{names[0]}" not in tensors:
        return None
    return PromptChoice(**{entry: tensors[f"{name}.{entry}"] for entry in names})
