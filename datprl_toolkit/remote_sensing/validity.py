"""Which pixels are data, and what the network is shown in place of those that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from datprl_toolkit.remote_sensing.storage import as_stored

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]

FILL_RADIUS = 32
"""Distance in pixels over which the fill fades from the nearest valid value to the level of the scene.

A fill at a pixel depends on nothing further away than this. A tile that is read with this many pixels more than
its halo therefore sees exactly the fill that the whole scene would have, which keeps tiles and scene equal.
"""


def valid_elements(
    values: AnyArray, nodata: float | None = None, *, mask: npt.NDArray[np.uint8] | None = None
) -> BoolArray:
    """Tell which elements are data.

    An element is invalid if it is not finite, if it equals `nodata`, or if `mask` is 0 at its pixel. Each band
    is judged by itself: a pixel whose red alone is nodata keeps its green and blue.

    Parameters
    ----------
    values
        (C, H, W), as stored.
    nodata
        Value that marks absent data; NaN is allowed.
    mask
        (H, W); 0 is invalid. A mask band, an alpha band, or both multiplied.
    """
    valid: BoolArray = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    stored = as_stored(nodata, values.dtype)
    if stored is not None and stored == stored:  # NaN differs from itself, and is not finite anyway
        valid &= values != stored
    if mask is not None:
        valid &= mask[None] != 0
    return valid


def fill_invalid(
    values: npt.NDArray[np.float64], valid: BoolArray, level: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Replace invalid elements by something the network finds unremarkable.

    The nearest valid value continues the image across the edge, so that the convolutions see no step there;
    further away it fades to `level`, so that single edge pixels do not become long streaks.

    Parameters
    ----------
    values, valid
        (C, H, W).
    level
        (C,): the mean of each band over the scene.

    Returns
    -------
    (C, H, W). Valid elements are those of `values`.
    """
    if valid.all():
        return values
    filled = values.copy()
    previous: tuple[BoolArray, npt.NDArray[np.float64], npt.NDArray[np.int32]] | None = None
    for band in range(values.shape[0]):
        band_valid = valid[band]
        if band_valid.all():
            continue
        if not band_valid.any():
            filled[band] = level[band]
            continue
        if previous is None or not np.array_equal(previous[0], band_valid):
            previous = (band_valid, *_nearest(band_valid))
        _, weight, (rows, columns) = previous
        nearest = values[band][rows, columns]
        filled[band] = np.where(band_valid, values[band], level[band] + weight * (nearest - level[band]))
    return filled


def _nearest(valid: BoolArray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Return the weight of the nearest valid pixel, falling to 0 at the radius, and its row and column."""
    distance, index = ndimage.distance_transform_edt(~valid, return_indices=True)
    weight = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / FILL_RADIUS, 1.0))
    return weight, index
