"""The log of a run as TensorBoard events, beside ``metrics.jsonl``: while it runs, or afterwards from the file."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol

from datprl_toolkit.errors import ErrorCode, InputError, missing_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "tensorboard"


class ScalarWriter(Protocol):
    """What writes numbers against steps."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write one number."""

    def flush(self) -> None:
        """Put everything on the disk."""


class TensorBoardLog:
    """Writes each line of a run's log as scalars.

    Parameters
    ----------
    folder
        Folder of the run; events go to its subfolder ``tensorboard``. What an earlier writer left there stays, as
        when a run is resumed.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            package = "tensorboard"
            raise missing_package(package, "train", "to write TensorBoard events") from error
        make: Any = SummaryWriter
        self._writer: ScalarWriter = make(log_dir=str(folder / FOLDER))

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Write one line of the log."""
        for tag, value in scalars(line):
            self._writer.add_scalar(tag, value, int(line["step"]))
        self._writer.flush()


def scalars(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield name and value of every finite number in a line of the log but the step; nested names get slashes."""
    for name, value in line.items():
        if isinstance(value, dict):
            yield from scalars(value, f"{prefix}{name}/")
        elif _is_number(value) and (prefix or name != "step"):
            yield f"{prefix}{name}", float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def write_events(folder: Path, log: str = "metrics.jsonl") -> int:
    """Write the events of a run from its log; returns the number of lines.

    Raises
    ------
    InputError
        ``E_MISSING`` if the folder has no log, ``E_CORRUPT`` if a line of it is no JSON.
    """
    path = folder / log
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "the folder holds no log of a run", where=path)
    lines = path.read_text(encoding="utf-8").splitlines()
    events = TensorBoardLog(folder)
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
            step_known = "step" in line
        except (ValueError, TypeError) as error:
            raise InputError(ErrorCode.CORRUPT, f"line {number} of the log is no JSON", where=path) from error
        if step_known:
            events(line)
    return len(lines)
