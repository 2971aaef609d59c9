"""Windows of the source brought onto the finer grid of the target, the same for a tile as for the whole scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from datprl_toolkit.remote_sensing.validity import fill_invalid
from datprl_toolkit.remote_sensing.windows import fine
from datprl_toolkit.restoring.resize import enlarge as enlarge_cubic

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import Pixels
    from datprl_toolkit.restoring.tiling import Window

REACH = 2
"""Pixels of the source beyond the edge of a window that its enlargement depends on: half the cubic kernel."""


def enlarge_nearest(values: npt.NDArray[np.generic], factor: int) -> npt.NDArray[np.generic]:
    """Enlarge (..., H, W) by repeating every pixel: for masks, and for what must not be mixed."""
    if factor == 1:
        return values
    return np.repeat(np.repeat(values, factor, axis=-2), factor, axis=-1)


def enlarge_pixels(
    pixels: Pixels, level: npt.NDArray[np.float64], held: Window, wanted: Window, factor: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
    """Bring a window of the source onto the grid of the target.

    Parameters
    ----------
    pixels, held
        The window and where it lies in the source.
    level
        (C,): what a fill fades to.
    wanted
        Window of the target.
    factor
        Enlargement.

    Returns
    -------
    Filled and interpolated values, float64; the nearest stored values; and where there are data; (C, h, w) each.
    """
    rows, columns = wanted.relative_to(fine(held, factor)).slices
    filled = fill_invalid(pixels.values.astype(np.float64), pixels.valid, level)
    smooth = filled if factor == 1 else _smooth(filled, factor, exact=pixels.values.dtype.kind == "f")
    valid = cast("npt.NDArray[np.bool_]", enlarge_nearest(pixels.valid, factor))
    return (
        smooth[:, rows, columns],
        enlarge_nearest(pixels.values, factor)[:, rows, columns],
        valid[:, rows, columns],
    )


def _smooth(values: npt.NDArray[np.float64], factor: int, *, exact: bool) -> npt.NDArray[np.float64]:
    """Interpolate; what will become whole numbers is freed of its last bits.

    Those depend on where in the window a pixel lies, and at a half they would decide a whole step.
    """
    larger = cast("npt.NDArray[np.float64]", enlarge_cubic(values, factor))
    return larger if exact else np.round(larger, 6)
