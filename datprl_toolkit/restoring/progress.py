"""Progress of a long job, told to whoever started it; the same call is where a job can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job has come.

    Parameters
    ----------
    step
        What is being done, for a person: "sampling context", "restoring", "writing".
    done, total
        Counted in `unit`.
    unit
        What is counted: "slices", "tiles", "images".
    """

    step: str
    done: int
    total: int
    unit: str


ProgressCallback = Callable[[Progress], None]
"""Called after each piece of work; an exception that it raises cancels the job, which then leaves nothing behind."""


def silent(progress: Progress) -> None:
    """Tell nobody."""
