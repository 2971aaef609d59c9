"""Overlap disagreement: how much two restorations of one scene differ that were cut into tiles at different places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.bands import band_numbers
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.restoring import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

_ROWS = 256


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How much two rasters differ.

    Parameters
    ----------
    root_mean_square, largest
        Of the differences, in stored values; 0 where nothing is data in both.
    equal
        Share of the values that are the same to the bit.
    count
        Number of values compared.
    """

    root_mean_square: float
    largest: float
    equal: float
    count: int


def measure_disagreement(
    source: str | Path,
    other: str | Path,
    *,
    bands: tuple[int | str, ...] | None = None,
    progress: ProgressCallback = silent,
) -> Disagreement:
    """Compare two restorations of one scene, pixel by pixel where both have data.

    Parameters
    ----------
    source, other
        What :meth:`Scene.open` takes: the same scene restored with the same weights, in tiles of other sizes or at
        other places. A restoration that does not depend on its tiles gives 0.
    bands
        Which bands, by number from 1 or by name; None takes all but alpha.
    progress
        Told after each strip.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if they have other sizes or numbers of bands, or what reading raises.
    """
    first, second = Scene.open(source), Scene.open(other)
    if first.grid.shape != second.grid.shape or len(first.bands) != len(second.bands):
        raise InputError(
            ErrorCode.GEOMETRY,
            "the two rasters have other sizes or numbers of bands",
            where=second.path,
            remedy="Give two restorations of one scene",
        )
    numbers = band_numbers(first, bands) if bands else tuple(band.number for band in first.image_bands)
    height, width = first.grid.shape
    squares, largest, equal, count = 0.0, 0.0, 0, 0
    with sparing(), first.reader() as reader, second.reader() as other_reader:
        for top in range(0, height, _ROWS):
            window = Window(top, min(top + _ROWS, height), 0, width)
            here, there = reader.read(numbers, window), other_reader.read(numbers, window)
            both = here.valid & there.valid
            difference = here.values[both].astype(np.float64) - there.values[both].astype(np.float64)
            squares += float(np.square(difference).sum())
            largest = max(largest, float(np.abs(difference).max(initial=0.0)))
            equal += int((difference == 0).sum())
            count += difference.size
            progress(Progress("comparing", window.bottom, height, "rows"))
    return Disagreement((squares / max(count, 1)) ** 0.5, largest, equal / max(count, 1), count)
