"""The context: what the network computes from the whole image, made into a value that images can share.

Two things in the network depend on all pixels at once: the prompt, and one global statistic in every block (the
channel attention map of a Restormer block, the pooled vector of a NAFNet block). Cut into tiles or slices, each
piece would have its own, and neighbours would disagree. A `Context` holds them, computed once from one image or
from a set, so that every piece is restored with the same. In a scene whose parts differ it can be a field: a context at
each node of a lattice, interpolated in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.network.lattice import Lattice, Spread
    from datprl_toolkit.network.prompts import PromptChoice

Sums = tuple[Tensor, ...]
"""Sums over pixels, each (images, ...): what a global statistic is computed from, and what can be merged."""


@dataclass(frozen=True, slots=True)
class Context:
    """Prompt and global statistics, frozen.

    Parameters
    ----------
    prompt
        (nodes, tokens, dimension), the first axis 1 unless it is a field; None for a network without prompt pools.
    statistics
        One tensor per block, (nodes, ...), in the order in which the blocks run.
    task, domain
        What was chosen from each pool, for whoever wants to know.
    lattice
        Where the nodes of a field lie in the images that are restored with it.
    """

    prompt: Tensor | None
    statistics: tuple[Tensor, ...]
    task: PromptChoice | None = None
    domain: PromptChoice | None = None
    lattice: Lattice | None = None

    def at(self, places: Sequence[tuple[int, int]]) -> Context:
        """Return the context for a batch of parts of one image, their first pixels at `places` (row, column) in it."""
        return self if self.lattice is None else replace(self, lattice=self.lattice.at(places))

    def of(self, images: slice) -> Context:
        """Return the context for some images of a batch."""
        return self if self.lattice is None else replace(self, lattice=self.lattice.of(images))

    def mirrored(self, axes: Sequence[int], size: tuple[int, int]) -> Context:
        """Return the context for the images mirrored along some of their last two axes, of `size` (height, width)."""
        return self if self.lattice is None else replace(self, lattice=self.lattice.mirrored(axes, size))

    def to(self, device: torch.device | str) -> Context:
        """Return the context on `device`."""
        return replace(
            self,
            prompt=None if self.prompt is None else self.prompt.to(device),
            statistics=tuple(statistic.to(device) for statistic in self.statistics),
            task=None if self.task is None else self.task.to(device),
            domain=None if self.domain is None else self.domain.to(device),
        )


@dataclass(frozen=True, slots=True)
class Grouping:
    """From which of a set of images each node of a field has its context.

    Parameters
    ----------
    shares
        (nodes, images), how much each image counts; those of a node add up to 1.
    follows
        (images,), the node whose context each image itself is run with.
    """

    shares: Tensor
    follows: Tensor

    @classmethod
    def whole(cls, images: int) -> Grouping:
        """Return the grouping of one node that all images count for."""
        return cls(torch.full((1, images), 1 / images), torch.zeros(images, dtype=torch.long))

    def to(self, device: torch.device | str) -> Grouping:
        """Return the grouping on `device`."""
        return Grouping(self.shares.to(device), self.follows.to(device))

    def thinned(self) -> Grouping:
        """Return the grouping of every other image; a node that is left with none has all of them."""
        shares = self.shares[:, ::2]
        shares = torch.where(shares.sum(dim=1, keepdim=True) > 0, shares, torch.ones_like(shares))
        return Grouping(shares / shares.sum(dim=1, keepdim=True), self.follows[::2])

    def merge(self, parts: Tensor) -> Tensor:
        """Make one of the parts (images, ...) for each node."""
        merged: Tensor = torch.tensordot(self.shares.to(parts.dtype), parts, dims=1)
        return merged

    def own(self, values: Tensor) -> Tensor:
        """Return for each image what its node has, (images, ...); of a single node once for all."""
        return values if len(values) == 1 else values[self.follows]


class StatisticsSource(Protocol):
    """Where a block gets its global statistic from."""

    def spread(self, features: Tensor) -> Spread | None:
        """Return how the statistics and the prompts are spread over features (images, channels, H, W); None if not."""

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Return the statistic of the block that asks.

        Parameters
        ----------
        measure
            Sums over the pixels of each image of the batch. Not called where the statistic is known already.
        finish
            Makes the statistic from the sums.
        """


class OwnStatistics:
    """Each image of the batch has its own statistics, as published."""

    def spread(self, features: Tensor) -> None:
        """Return None: there are no nodes."""

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Measure each image and keep them apart."""
        return finish(measure())


class MergedStatistics:
    """The images of the batch that belong together share statistics, as if they were one image; they are recorded."""

    def __init__(self, grouping: Grouping) -> None:
        self.grouping = grouping
        self.recorded: list[Tensor] = []

    def spread(self, features: Tensor) -> None:
        """Return None: every image of the set follows one node."""

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Merge the sums of the images before the statistic of each node is made from them."""
        statistic = finish(tuple(self.grouping.merge(part) for part in measure()))
        self.recorded.append(statistic)
        return self.grouping.own(statistic)


class FrozenStatistics:
    """The statistics of a context, in the order in which the blocks ask for them.

    Parameters
    ----------
    context
        The context.
    images
        What is restored with it, (images, 3, H, W), H and W on the network's grid.
    """

    def __init__(self, context: Context, images: Tensor) -> None:
        self._remaining = iter(context.statistics)
        lattice = context.lattice
        height, width = images.shape[-2:]
        self._spread = None if lattice is None else lattice.spread(height, width, images.device)

    def spread(self, features: Tensor) -> Spread | None:
        """Return how much each node counts at every place of the features."""
        height, width = features.shape[-2:]
        return None if self._spread is None else self._spread.on(height, width)

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Return the recorded statistic; nothing is measured."""
        statistic = next(self._remaining, None)
        if statistic is None:
            msg = "the context has fewer statistics than the network has blocks: it is another network's"
            raise ValueError(msg)
        return statistic
