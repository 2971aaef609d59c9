"""What arrays the network takes: batches of one size on its grid, images of the types that pictures have."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.intensity import IntensityProfile

FloatArray = npt.NDArray[np.float32]


def pad_to_grid(images: FloatArray, grid: int) -> FloatArray:
    """Pad the last two axes at the end, by reflection, to multiples of the grid."""
    height, width = images.shape[-2:]
    padding = (-height % grid, -width % grid)
    if padding == (0, 0):
        return images
    # One pixel has nothing to reflect; its edge is all there is.
    mode: Literal["reflect", "symmetric"] = "reflect" if min(height, width) > 1 else "symmetric"
    widths = [(0, 0)] * (images.ndim - 2) + [(0, padding[0]), (0, padding[1])]
    return np.pad(images, widths, mode=mode)


def profile_of_image(image: npt.NDArray[np.generic]) -> IntensityProfile:
    """Return the profile of an ordinary image: the whole range of its type."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] != 3) or 0 in image.shape:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"an image is an array of (H, W) or (H, W, 3), not {image.shape}",
            remedy="Move the channels to the last axis and drop any beyond three",
        )
    if image.dtype == np.uint8:
        return IntensityProfile("uint8", 0, 255, "1")
    if image.dtype == np.uint16:
        return IntensityProfile("uint16", 0, 65535, "1")
    if np.issubdtype(image.dtype, np.floating):
        return IntensityProfile("unit", 0.0, 1.0, "1")
    raise InputError(
        ErrorCode.UNSUPPORTED,
        f"an image has the type uint8, uint16 or a floating-point type, not {image.dtype}",
        remedy="Scale it to one of these first",
    )


def check_batch(images: FloatArray) -> None:
    """Raise ``E_UNSUPPORTED`` unless images are (N, 1 or 3, H, W), with at least one pixel."""
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise InputError(ErrorCode.UNSUPPORTED, f"a batch has the shape (N, 1 or 3, H, W), not {images.shape}")
