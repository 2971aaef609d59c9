"""What a finished job hands back, whatever its domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

SHOWN_PERCENTILES = (1.0, 99.0)
"""Of the values of a picture, what is shown as black and white."""


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


def shown_range(*pictures: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the values shown as black and white so that nothing is lost in any of several pictures.

    The range of the input alone would not do: the ground under haze that was taken away is darker than all of it.

    Parameters
    ----------
    pictures
        Values of any shape, of one unit; those that are not finite, and pictures without any that are, count for
        nothing.

    Returns
    -------
    The lowest 1st and the highest 99th percentile; (0, 1) without any values, and a range of 1 above a single one.
    """
    finite = [picture[np.isfinite(picture)] for picture in pictures]
    ends = [np.percentile(values.astype(np.float64), SHOWN_PERCENTILES) for values in finite if values.size]
    if not ends:
        return 0.0, 1.0
    low, high = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    return low, high if high > low else low + 1.0
