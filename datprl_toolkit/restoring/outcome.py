"""What a finished job hands back, whatever its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Comparison:
    """One slice or an overview of a scene before and after, kept so that a person can look at it.

    Parameters
    ----------
    before, after
        (H, W) or (H, W, 3), float32, in `unit`; NaN where there are no data. `before` has the size of `after`:
        where the image was enlarged it is the interpolated input.
    low, high
        Values shown as black and white.
    unit
        Unit of the values, such as "HU".
    title
        What is shown, without patient data or paths, such as "slice 32 of 64".
    """

    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]
    low: float
    high: float
    unit: str
    title: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job made.

    Parameters
    ----------
    output
        The folder, file or store that was written.
    summary
        One line for a person, such as "64 slices restored".
    warnings
        One line for each thing a person should know, each beginning with its stable code, such as
        "W_MISSING_SLICE: ...".
    comparisons
        What a preview shows.
    partial
        True if a part of the input could not be read and the output lacks it; the warnings say which.
    """

    output: Path
    summary: str
    warnings: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    partial: bool = False
