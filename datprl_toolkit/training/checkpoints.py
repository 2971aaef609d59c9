"""Checkpoints: everything that a run needs to continue as if it had never stopped."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.files import staged_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "datprl-training-1"


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; the one before stays until this one is whole."""
    with staged_file(path, overwrite=True) as temporary:
        torch.save({"format": FORMAT, **state}, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; tensors and plain values only, nothing in it is executed.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is none, ``E_CORRUPT`` if it cannot be read or is something else.
    """
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no checkpoint to resume from", where=path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(ErrorCode.CORRUPT, f"the checkpoint cannot be read: {reason}", where=path) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(ErrorCode.CORRUPT, "the file is no checkpoint of this recipe", where=path)
    return state
