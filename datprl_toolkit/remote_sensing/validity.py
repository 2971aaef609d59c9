"""Which pixels are data, and what the network is shown in place of those that are not."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    stored = as_stored(nodata, values.dtype)
    valid: BoolArray = np.ones(values.shape, bool) if stored is None else values != values.dtype.type(stored)
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
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
    previous: tuple[BoolArray, _Fade] | None = None
    for band in range(values.shape[0]):
        band_valid = valid[band]
        if band_valid.all():
            continue
        filled[band][~band_valid] = level[band]
        if not band_valid.any():
            continue
        if previous is None or not np.array_equal(previous[0], band_valid):
            previous = (band_valid, _fade(band_valid))
        fade = previous[1]
        filled[band][fade.place] += fade.weight * (values[band][fade.nearest] - level[band])
    return filled


class _Fade(NamedTuple):
    """The invalid pixels within the radius: where they and their nearest valid pixels are, and what those weigh."""

    place: tuple[npt.NDArray[np.intp], ...]
    nearest: tuple[npt.NDArray[np.int32], ...]
    weight: npt.NDArray[np.float64]


def _fade(valid: BoolArray) -> _Fade:
    """Find the nearest valid pixel of each invalid one within the radius, at which its weight has fallen to 0."""
    index = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    place = np.nonzero(~valid)
    nearest = index[:, place[0], place[1]]
    distance = np.sqrt(np.square(nearest - np.stack(place), dtype=np.float64).sum(axis=0))
    within = distance < FILL_RADIUS
    weight = 0.5 + 0.5 * np.cos(np.pi * (distance[within] / FILL_RADIUS))
    return _Fade(tuple(axis[within] for axis in place), tuple(nearest[:, within]), weight)
