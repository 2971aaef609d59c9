"""Strips: a block's wide intermediate results are made for some rows at a time, so that they stay in the cache.

Between its convolutions a block holds several times as many channels as between blocks, and but for the 3x3
depthwise convolutions everything in it happens at one pixel. Made for the whole image, what is in between goes to
memory and back at every step, and on a processor that takes longer than the arithmetic. Made for a strip of rows it
never leaves the cache. The strips of an image come from the top down, and the last rows of one are kept for the 3x3
convolutions of the next, so that nothing is made twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datprl_toolkit.network.onednn import product, runs_eagerly_on_cpu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STRIP_VALUES = 2**20
"""Values in the widest intermediate result of a strip: 4 MiB in float32. Smaller ones cost more than they save."""
LEAST_ROWS = 4


@dataclass(frozen=True, slots=True)
class Strip:
    """Rows of one image, or a whole batch.

    Parameters
    ----------
    images
        Which images of the batch.
    top, bottom
        The rows that the strip is for.
    height
        Rows of the image.
    """

    images: slice
    top: int
    bottom: int
    height: int

    @property
    def whole(self) -> bool:
        """Whether the strip has all rows."""
        return self.bottom - self.top == self.height

    @property
    def fresh_rows(self) -> slice:
        """The rows of :meth:`fresh`."""
        return slice(self.top + 1 if self.top else 0, self.bottom + 1)

    @property
    def core_rows(self) -> slice:
        """The rows that the strip is for."""
        return slice(self.top, self.bottom)

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns of zeros that a 3x3 convolution adds to what :class:`Widening` gives."""
        return (1, 1) if self.whole else (0, 1)

    def fresh(self, features: Tensor) -> Tensor:
        """Return the rows that the strip needs, with those next to it, and no earlier strip has needed."""
        return features[self.images, :, self.fresh_rows]

    def core(self, features: Tensor) -> Tensor:
        """Return the strip's rows of features (images, channels, H, W)."""
        return features[self.images, :, self.core_rows]

    def own(self, values: Tensor) -> Tensor:
        """Return what belongs to the strip's images of values that are given once or for each image."""
        return values if len(values) == 1 else values[self.images]


def plan_strips(features: Tensor, channels: int) -> list[Strip]:
    """Cut features (images, any, H, W) into strips, those of an image from the top down.

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
    if not runs_eagerly_on_cpu(features) or images * height <= rows:
        return [Strip(slice(None), 0, height, height)]
    number = -(-height // rows)
    # Spread evenly, so that none is left with a single row, which would ask for no fresh one.
    edges = [height * place // number for place in range(number + 1)]
    return [
        Strip(slice(image, image + 1), top, bottom, height)
        for image in range(images)
        for top, bottom in pairwise(edges)
    ]


class Widening:
    """A 1x1 convolution before a 3x3 one, for the strips of images in order: every row is made once.

    Parameters
    ----------
    weight
        1x1 kernels, (channels out, channels in, 1, 1).
    """

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._rows = torch.empty(0)
        self._end = 0

    def __call__(self, fresh: Tensor, strip: Strip) -> Tensor:
        """Return the rows of a strip and, unless it is whole, one more above and below, zeros outside the image.

        Parameters
        ----------
        fresh
            (images, channels in, rows, W): what :meth:`Strip.fresh` gives. The result is valid until the next call.
        """
        if strip.whole:
            return pointwise(fresh, self._weight)
        wide = product(fresh.permute(0, 2, 3, 1), self._weight.flatten(1))
        _, rows, width, channels = wide.shape
        if strip.top == 0:
            # A later strip may have one row more than the first.
            self._rows = wide.new_empty(strip.bottom + 3, width, channels)
            self._rows[0] = 0
        else:
            self._rows[:2] = self._rows[self._end - 2 : self._end]
        first = 2 if strip.top else 1
        self._rows[first : first + rows] = wide[0]
        self._end = strip.bottom - strip.top + 2
        if strip.bottom == strip.height:
            self._rows[self._end - 1] = 0
        return self._rows[None, : self._end].permute(0, 3, 1, 2)


def add_in_strips(
    strips: Sequence[Strip], features: Tensor, change: Callable[[Strip], Tensor], *, in_place: bool = False
) -> Tensor:
    """Return `features` with what a function makes of each strip of them added.

    In place, too, a strip is read before it is changed, and no later one needs what it was.
    """
    if len(strips) == 1:
        return features + change(strips[0])
    result = features if in_place else torch.empty_like(features, memory_format=torch.channels_last)
    for strip in strips:
        torch.add(strip.core(features), change(strip), out=strip.core(result))
    return result


def pointwise(features: Tensor, weight: Tensor) -> Tensor:
    """Convolve with 1x1 kernels (channels out, channels in, 1, 1), as the matrix product that it is."""
    return product(features.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
