"""A lattice of nodes over an image: each has a context of its own, and in between they are interpolated.

What a context holds enters a block linearly: a vector that scales or shifts channels, or a matrix that mixes them. So
it can be interpolated at every pixel inside the network, for one run of it, where blending what several contexts
restore would take a run for each. The weights depend on the place in the image alone, and so not on any tiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Lattice:
    """Where the nodes lie in an image, in the middle of equal parts of it, and which parts of it a batch holds.

    Parameters
    ----------
    rows, columns
        Number of nodes along each axis; they are counted row by row.
    height, width
        Size of the image in pixels.
    corners
        Row and column in the image of the first pixel of each part in the batch, or of all alike.
    steps
        1 and 1; -1 along an axis that is flipped, so that the first pixel is the last.
    """

    rows: int
    columns: int
    height: int
    width: int
    corners: tuple[tuple[int, int], ...] = ((0, 0),)
    steps: tuple[int, int] = (1, 1)

    @property
    def nodes(self) -> tuple[tuple[float, float], ...]:
        """Row and column of each node, from the upper left corner of the image."""
        return tuple(
            ((row + 0.5) * self.height / self.rows, (column + 0.5) * self.width / self.columns)
            for row in range(self.rows)
            for column in range(self.columns)
        )

    def at(self, places: Sequence[tuple[int, int]]) -> Lattice:
        """Return the lattice for parts of what is the only part now, their first pixels at `places` in it."""
        ((top, left),) = self.corners
        corners = ((top + self.steps[0] * row, left + self.steps[1] * column) for row, column in places)
        return replace(self, corners=tuple(corners))

    def of(self, images: slice) -> Lattice:
        """Return the lattice for some images of the batch."""
        return self if len(self.corners) == 1 else replace(self, corners=self.corners[images])

    def mirrored(self, axes: Sequence[int], size: tuple[int, int]) -> Lattice:
        """Return the lattice for the parts, each of `size` (height, width), mirrored along axes -2, -1 or both."""
        down, across = (-2 in axes, -1 in axes)
        beyond = (down * self.steps[0] * (size[0] - 1), across * self.steps[1] * (size[1] - 1))
        corners = tuple((top + beyond[0], left + beyond[1]) for top, left in self.corners)
        steps = (-self.steps[0] if down else self.steps[0], -self.steps[1] if across else self.steps[1])
        return replace(self, corners=corners, steps=steps)

    def spread(self, height: int, width: int, device: torch.device) -> Spread:
        """Return how much each node counts at every pixel of the batch, whose images are of one size."""
        down = [_weights(top, self.steps[0], height, self.height, self.rows) for top, _ in self.corners]
        across = [_weights(left, self.steps[1], width, self.width, self.columns) for _, left in self.corners]
        return Spread.of_all(torch.stack(down).to(device), torch.stack(across).to(device))


@dataclass(frozen=True, slots=True)
class Spread:
    """How much each node of a lattice counts at every pixel: the product of a weight down and one across.

    Parameters
    ----------
    down
        (images or 1, rows of nodes, H); over the nodes the weights add up to 1.
    across
        (images or 1, columns of nodes, W).
    first
        Row and column of the first node that counts; `down` and `across` have those that do.
    columns
        Number of columns of the whole lattice.
    """

    down: Tensor
    across: Tensor
    first: tuple[int, int]
    columns: int

    @classmethod
    def of_all(cls, down: Tensor, across: Tensor) -> Spread:
        """Keep of the weights of all nodes those that count somewhere."""
        rows, columns = (each.amax(dim=(0, 2)).nonzero().flatten() for each in (down, across))
        first, last = (int(rows[0]), int(columns[0])), (int(rows[-1]), int(columns[-1]))
        kept = down[:, first[0] : last[0] + 1], across[:, first[1] : last[1] + 1]
        return cls(*kept, first, across.shape[1])

    def on(self, height: int, width: int) -> Spread:
        """Return the weights on a coarser level of the network: their means over the pixels that it joins."""
        down, across = (
            each.view(*each.shape[:2], length, -1).mean(dim=-1)
            for each, length in ((self.down, height), (self.across, width))
        )
        return replace(self, down=down, across=across)

    def part(self, images: slice, rows: slice) -> Spread:
        """Return the weights in some rows of pixels of some images."""
        down, across = (each if len(each) == 1 else each[images] for each in (self.down, self.across))
        return replace(self, down=down[:, :, rows], across=across)

    def mix(self, values: Tensor) -> Tensor:
        """Interpolate a vector of each node, (nodes, channels), to (images or 1, channels, H, W)."""
        (images, rows, height), (_, columns, width) = self.down.shape, self.across.shape
        lattice = values.view(-1, self.columns, values.shape[1]).float()
        kept = lattice[self.first[0] : self.first[0] + rows, self.first[1] : self.first[1] + columns]
        # From pixel to pixel the weights vary by less than bfloat16 resolves.
        with torch.autocast(values.device.type, enabled=False):
            lines = torch.einsum("nkw,rkc->nrwc", self.across, kept).flatten(2)
            # With the few rows that count, going over the pixels once for each is quicker than a matrix product.
            mixed = self.down[:, 0, :, None] * lines[:, 0, None, :]
            for row in range(1, rows):
                mixed = torch.addcmul(mixed, self.down[:, row, :, None], lines[:, row, None, :])
        return mixed.view(images, height, width, -1).permute(0, 3, 1, 2).to(values.dtype)

    def blend(self, make: Callable[[int], Tensor]) -> Tensor:
        """Blend what is made with each node that counts, (images, channels, H, W), by its number."""
        blended: Tensor | None = None
        for row in range(self.down.shape[1]):
            for column in range(self.across.shape[1]):
                weight = (self.down[:, row, :, None] * self.across[:, column, None, :])[:, None]
                made = make((self.first[0] + row) * self.columns + self.first[1] + column)
                part = weight.to(made.dtype) * made
                blended = part if blended is None else blended + part
        if blended is None:
            raise ValueError("an image without pixels has no nodes")
        return blended


def everywhere(values: Tensor, spread: Spread | None) -> Tensor:
    """Return vectors, (images or 1, channels) or of each node, so that they fit features (images, channels, H, W)."""
    return values[:, :, None, None] if spread is None else spread.mix(values)


def _weights(first: int, step: int, pixels: int, length: int, count: int) -> Tensor:
    """Return the weight of each of `count` nodes along an axis, (count, pixels): their sum is 1 at every pixel."""
    pixel = first + step * torch.arange(pixels, dtype=torch.float64)
    place = ((pixel + 0.5) / length * count - 0.5).clamp(0, count - 1)
    distance = (place - torch.arange(count, dtype=torch.float64)[:, None]).abs()
    return (1 - distance).clamp_min(0).float()
