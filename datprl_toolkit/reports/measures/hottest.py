"""Uptake in the hottest regions of a PET: found before, measured at the same places after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

ISOCONTOUR = 0.41  # of the maximum (Boellaard et al., EANM guidelines 2.0, 2015)
PEAK_RADIUS = 6.2035  # mm: a sphere of 1 ml (Wahl et al., PERCIST, 2009)


@dataclass(frozen=True, slots=True)
class HotRegion:
    """The voxels around a hot one that belong together.

    Parameters
    ----------
    mask
        (slices, rows, columns) of the box that was searched.
    hottest
        Slice, row and column of the hottest voxel within the box.
    """

    mask: BoolArray
    hottest: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Uptake:
    """Largest, mean and peak value in a region, in the unit of the values; peak is NaN where its sphere does not fit.

    Parameters
    ----------
    maximum
        Largest value.
    mean
        Mean over the region.
    peak
        Largest mean over a sphere of 1 ml whose centre lies in the region.
    """

    maximum: float
    mean: float
    peak: float


def find_hottest(
    candidates: Sequence[tuple[float, int, int, int]],
    places: Sequence[float],
    spacing: tuple[float, float],
    *,
    apart: float,
    count: int,
) -> list[tuple[int, int, int]]:
    """Choose the hottest voxels of a volume that lie apart from each other.

    Parameters
    ----------
    candidates
        Value, slice, row, column: the hottest voxels of each slice.
    places
        Position of each slice along the normal, in mm.
    spacing
        Distance between rows and between columns, in mm.
    apart
        Least distance between two of them, in mm.
    count
        At most this many.

    Returns
    -------
    Slice, row, column; the hottest first.
    """
    chosen: list[tuple[int, int, int]] = []
    for value, index, row, column in sorted(candidates, reverse=True):
        if value <= 0 or len(chosen) == count:
            break
        here = np.array([places[index], row * spacing[0], column * spacing[1]])
        others = [np.array([places[i], r * spacing[0], c * spacing[1]]) for i, r, c in chosen]
        if all(np.linalg.norm(here - other) >= apart for other in others):
            chosen.append((index, row, column))
    return chosen


def hot_region(box: FloatArray, hottest: tuple[int, int, int]) -> HotRegion:
    """Return the voxels of at least 41 percent of the hottest one that touch it by faces, directly or through others.

    Parameters
    ----------
    box
        (slices, rows, columns) of the values before.
    hottest
        Slice, row and column of the voxel in the box from which the region grows.
    """
    eligible = box >= ISOCONTOUR * box[hottest]
    mask = np.zeros(box.shape, dtype=np.bool_)
    mask[hottest] = True
    while True:
        grown = _grown(mask) & eligible
        if np.array_equal(grown, mask):
            return HotRegion(mask, hottest)
        mask = grown


def _grown(mask: BoolArray) -> BoolArray:
    """Return the mask with all neighbours across a face."""
    grown = mask.copy()
    for axis in range(mask.ndim):
        first, last = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
        first[axis], last[axis] = slice(None, -1), slice(1, None)
        grown[tuple(last)] |= mask[tuple(first)]
        grown[tuple(first)] |= mask[tuple(last)]
    return grown


def uptake(box: FloatArray, region: HotRegion, spacing: tuple[float, float, float]) -> Uptake:
    """Measure a region.

    Parameters
    ----------
    box
        Values of the box in which the region was found, before or after.
    region
        The region.
    spacing
        Distance between slices, rows and columns, in mm.
    """
    inside = box[region.mask]
    return Uptake(float(inside.max()), float(inside.mean()), _peak(box, region.mask, spacing))


def _peak(box: FloatArray, mask: BoolArray, spacing: tuple[float, float, float]) -> float:
    """Return the largest mean over a sphere of 1 ml; voxels count by whether their centre lies in it."""
    reach = [int(PEAK_RADIUS // step) for step in spacing]
    axes = [np.arange(-n, n + 1) * step for n, step in zip(reach, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    offsets = np.argwhere(z**2 + y**2 + x**2 <= PEAK_RADIUS**2) - np.array(reach)
    centres = np.argwhere(mask)
    fits = ((centres >= reach) & (centres < np.array(box.shape) - reach)).all(axis=1)
    if not fits.any():
        return float("nan")
    points = centres[fits][:, None] + offsets[None]
    return float(box[points[..., 0], points[..., 1], points[..., 2]].mean(axis=1).max())
