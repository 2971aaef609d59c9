"""Small filters in numpy alone, so that a report needs no further package."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def smooth(image: FloatArray, sigma: float) -> FloatArray:
    """Return the image after a Gaussian of `sigma` pixels, (H, W); the edge is continued by reflection."""
    radius = max(1, int(np.ceil(3 * sigma)))
    position = np.arange(-radius, radius + 1)
    kernel = np.exp(-(position**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    result = image
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius, radius)
        padded = np.pad(result, padding, mode="symmetric")
        length = image.shape[axis]
        result = sum(
            (weight * _shifted(padded, axis, start, length) for start, weight in enumerate(kernel)),
            start=np.zeros_like(image),
        )
    return result


def _shifted(image: FloatArray, axis: int, start: int, length: int) -> FloatArray:
    part = slice(start, start + length)
    return image[part] if axis == 0 else image[:, part]


def box_mean(image: FloatArray, size: int) -> FloatArray:
    """Return the mean of every `size` x `size` window that fits, (H - size + 1, W - size + 1), by its upper left."""
    total = np.pad(np.cumsum(np.cumsum(image, axis=0), axis=1), ((1, 0), (1, 0)))
    sums = total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    means: FloatArray = sums / size**2
    return means


def pick_apart(score: FloatArray, *, distance: int, count: int) -> list[tuple[int, int]]:
    """Return the places of up to `count` smallest finite scores, no two closer than `distance` in rows and columns."""
    remaining = score.copy()
    places: list[tuple[int, int]] = []
    while len(places) < count:
        place = int(np.argmin(remaining))
        row, column = divmod(place, remaining.shape[1])
        if not np.isfinite(remaining[row, column]):
            break
        places.append((row, column))
        top, left = max(0, row - distance + 1), max(0, column - distance + 1)
        remaining[top : row + distance, left : column + distance] = np.inf
    return places
