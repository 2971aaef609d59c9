"""Regions and lines drawn over an image: which pixels they hold, and what is measured there. No window is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datprl_toolkit.reports.measures import NoisePower

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PROFILE_STEP = 0.5  # of a pixel, between the samples of a line profile
SMALLEST_PATCH = 8  # pixels; below that a spectrum has too few rings to be read


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is measured in a region, in the unit of the values.

    Parameters
    ----------
    pixels
        Number of pixels whose centre lies in the region.
    mean, sd, minimum, maximum
        Of the values; the standard deviation is that of a sample (N - 1).
    """

    pixels: int
    mean: float
    sd: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Uptake:
    """SUV in a region of a PET: largest, mean, and the largest mean over a sphere of 1 ml (NaN if it does not fit)."""

    maximum: float
    mean: float
    peak: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Values along a line.

    Parameters
    ----------
    distance
        From the start of the line, in world units such as mm.
    values
        Interpolated between pixels, NaN outside the image.
    """

    distance: FloatArray
    values: FloatArray


def to_pixels(vertices: npt.ArrayLike, scale: npt.ArrayLike, translate: npt.ArrayLike) -> FloatArray:
    """Return points of the world, (N, 2), as rows and columns; (0, 0) is the centre of the first pixel."""
    world = np.asarray(vertices, dtype=np.float64)[:, -2:]
    pixels: FloatArray = (world - np.asarray(translate)[-2:]) / np.asarray(scale)[-2:]
    return pixels


def region_mask(vertices: FloatArray, kind: str, shape: tuple[int, int]) -> BoolArray:
    """Return which pixels lie in a region.

    Parameters
    ----------
    vertices
        (N, 2), rows and columns: corners of a polygon, or of the frame around an ellipse.
    kind
        "ellipse", or any other for a polygon.
    shape
        Rows and columns of the image.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    if kind == "ellipse":
        centre = vertices.mean(axis=0)
        axes = np.stack([(vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2], axis=1)
        if abs(np.linalg.det(axes)) < np.finfo(float).eps:
            return np.zeros(shape, dtype=np.bool_)
        along = np.linalg.solve(axes, np.stack([rows - centre[0], columns - centre[1]]).reshape(2, -1))
        inside: BoolArray = (along**2).sum(axis=0).reshape(shape) <= 1.0
        return inside
    return _in_polygon(rows, columns, vertices)


def _in_polygon(rows: FloatArray, columns: FloatArray, vertices: FloatArray) -> BoolArray:
    """Return which points lie in a polygon, by the number of edges to their right."""
    inside = np.zeros(rows.shape, dtype=np.bool_)
    for (row, column), (next_row, next_column) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        if row == next_row:
            continue
        crosses = (rows < row) != (rows < next_row)
        inside ^= crosses & (columns < column + (rows - row) * (next_column - column) / (next_row - row))
    return inside


def statistics(values: npt.NDArray[Any], mask: BoolArray) -> Statistics | None:
    """Measure the finite values in a region; None if there are none."""
    inside = values[mask].astype(np.float64)
    inside = inside[np.isfinite(inside)]
    if inside.size == 0:
        return None
    sd = float(inside.std(ddof=1)) if inside.size > 1 else 0.0
    return Statistics(inside.size, float(inside.mean()), sd, float(inside.min()), float(inside.max()))


def suv(
    box: FloatArray, mask: BoolArray, middle: int, spacing: tuple[float, float, float], factor: float
) -> Uptake | None:
    """Measure SUV in a region of one slice; the peak looks into the slices beside it.

    Parameters
    ----------
    box
        (slices, rows, columns) around the slice, in the unit of the series.
    mask
        (rows, columns).
    middle
        Index of the slice within the box.
    spacing
        Between slices, rows and columns, in mm.
    factor
        From the unit of the series to SUV.
    """
    from datprl_toolkit.reports.measures import HotRegion, uptake

    if not mask.any() or not np.isfinite(box).all():
        return None
    whole = np.zeros(box.shape, dtype=np.bool_)
    whole[middle] = mask
    row, column = np.unravel_index(int(np.where(mask, box[middle], -np.inf).argmax()), mask.shape)
    found = uptake(box, HotRegion(whole, (middle, int(row), int(column))), spacing)
    return Uptake(found.maximum * factor, found.mean * factor, found.peak * factor)


def line_profile(values: npt.NDArray[Any], start: FloatArray, end: FloatArray, spacing: tuple[float, float]) -> Profile:
    """Return the values along a line, (row, column) to (row, column), by bilinear interpolation."""
    length = float(np.hypot(*(end - start)))
    share = np.linspace(0.0, 1.0, max(2, int(np.ceil(length / PROFILE_STEP)) + 1))
    rows, columns = (start[:, None] + np.outer(end - start, share)).astype(np.float64)
    world = float(np.hypot(*((end - start) * np.abs(spacing))))
    return Profile(share * world, _bilinear(values.astype(np.float64), rows, columns))


def _bilinear(values: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    height, width = values.shape
    outside = (rows < 0) | (rows > height - 1) | (columns < 0) | (columns > width - 1)
    top = np.clip(np.floor(rows).astype(int), 0, max(height - 2, 0))
    left = np.clip(np.floor(columns).astype(int), 0, max(width - 2, 0))
    down, across = np.clip(rows - top, 0, 1), np.clip(columns - left, 0, 1)
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    above_line = values[top, left] * (1 - across) + values[top, right] * across
    below_line = values[below, left] * (1 - across) + values[below, right] * across
    return np.where(outside, np.nan, above_line * (1 - down) + below_line * down)


def noise_power(values: npt.NDArray[Any], vertices: FloatArray, spacing: tuple[float, float]) -> NoisePower | None:
    """Return the noise power spectrum of the largest square in the middle of a region's frame.

    None if the square has fewer than 8 pixels a side, or holds a value that is not finite.
    """
    from datprl_toolkit.reports.measures import noise_power_spectrum

    low = np.maximum(np.ceil(vertices.min(axis=0)).astype(int), 0)
    high = np.minimum(np.floor(vertices.max(axis=0)).astype(int) + 1, values.shape)
    size = int((high - low).min())
    if size < SMALLEST_PATCH:
        return None
    row, column = low + (high - low - size) // 2
    patch = values[row : row + size, column : column + size].astype(np.float64)
    if not np.isfinite(patch).all():
        return None
    return noise_power_spectrum([patch], (abs(spacing[0]), abs(spacing[1])))
