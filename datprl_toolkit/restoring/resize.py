"""Bicubic enlargement, as it stands before the network in super-resolution."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from datprl_toolkit.errors import ErrorCode, OptionError

LARGEST_SCALE = 8

Float = TypeVar("Float", np.float32, np.float64)


def enlarge(image: npt.NDArray[Float], scale: int) -> npt.NDArray[Float]:
    """Interpolate an image to `scale` times its size, with half-pixel centres.

    Parameters
    ----------
    image
        (C, H, W), any range.
    scale
        Whole factor from 1 to 8.

    Returns
    -------
    (C, scale * H, scale * W), by the cubic kernel with a = -0.5 (Keys 1981), as image libraries and the
    published training data use it.
    """
    if not 1 <= scale <= LARGEST_SCALE:
        raise OptionError(ErrorCode.OPTION, f"an image is enlarged by 1 to {LARGEST_SCALE}, not {scale}", where="scale")
    if scale == 1:
        return image
    tensor = torch.from_numpy(np.ascontiguousarray(image))[None]
    # Only with antialias does torch use a = -0.5; where pixels grow, it changes nothing else.
    larger = functional.interpolate(
        tensor, scale_factor=float(scale), mode="bicubic", align_corners=False, antialias=True
    )
    enlarged: npt.NDArray[Float] = larger[0].numpy()
    return enlarged
