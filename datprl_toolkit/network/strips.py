"""Strips: a block's wide intermediate results are made for some rows at a time, so that they stay in the cache.

Between its convolutions a block holds several times as many channels as between blocks, and but for the 3x3
depthwise convolutions everything in it happens at one pixel. Made for the whole image, what is in between goes to
memory and back at every step, and on a processor that takes longer than the arithmetic. Made for a strip of rows,
with one more row at either side for the 3x3 convolution, it never leaves the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STRIP_VALUES = 2**20
"""Values in the widest intermediate result of a strip: 4 MiB in float32. A quarter of that is half as fast."""
LEAST_ROWS = 4
HALO = 1
"""Rows that a 3x3 convolution sees at either side."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows of one image, or a whole batch.

    Parameters
    ----------
    images
        Which images of the batch.
    top, bottom
        The rows that the strip is for.
    read_top, read_bottom
        The same with the halo, as far as the image reaches.
    """

    images: slice
    top: int
    bottom: int
    read_top: int
    read_bottom: int

    def read(self, features: Tensor) -> Tensor:
        """Return the rows with their halo of features (images, channels, H, W)."""
        return features[self.images, :, self.read_top : self.read_bottom]

    def core(self, features: Tensor) -> Tensor:
        """Return the rows without their halo of features (images, channels, H, W)."""
        return features[self.images, :, self.top : self.bottom]

    def crop(self, features: Tensor) -> Tensor:
        """Cut the halo off what was made from `read`."""
        return features[:, :, self.top - self.read_top : self.bottom - self.read_top]

    def own(self, values: Tensor) -> Tensor:
        """Return what belongs to the strip's images of values that are given once or for each image."""
        return values if len(values) == 1 else values[self.images]


def plan_strips(features: Tensor, channels: int) -> list[Strip]:
    """Cut features (images, any, H, W) into strips.

    Gradients need all intermediate results anyway, and a GPU hides the way to memory: then the whole batch is one.

    Parameters
    ----------
    features
        What the strips are of.
    channels
        Channels of the widest intermediate result.
    """
    images, _, height, width = features.shape
    rows = max(LEAST_ROWS, STRIP_VALUES // (channels * width))
    if features.device.type != "cpu" or torch.is_grad_enabled() or images * height <= rows:
        return [Strip(slice(None), 0, height, 0, height)]
    return [
        Strip(slice(image, image + 1), top, min(top + rows, height), max(top - HALO, 0), min(top + rows + HALO, height))
        for image in range(images)
        for top in range(0, height, rows)
    ]


def over_strips(strips: Sequence[Strip], features: Tensor, function: Callable[[Strip], Tensor]) -> Tensor:
    """Put together what a function makes of each strip of `features`; it keeps their number of channels."""
    if len(strips) == 1:
        return function(strips[0])
    first = function(strips[0])
    result = torch.empty(features.shape, dtype=first.dtype, memory_format=torch.channels_last)
    for strip in strips:
        strip.core(result).copy_(first if strip is strips[0] else function(strip))
    return result


def pointwise(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve with 1x1 kernels (channels out, channels in, 1, 1), as the matrix product that it is."""
    return functional.linear(features.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def depthwise(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve each channel with its own 3x3 kernel."""
    return functional.conv2d(features, weight, bias, padding=1, groups=weight.shape[0])
