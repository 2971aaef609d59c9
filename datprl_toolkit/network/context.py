"""The context: what the network computes from the whole image, made into a value that images can share.

Two things in the network depend on all pixels at once: the prompt, and one global statistic in every block (the
channel attention map of a Restormer block, the pooled vector of a NAFNet block). Cut into tiles or slices, each
piece would have its own, and neighbours would disagree. A `Context` holds them, computed once from one image or
from a set, so that every piece is restored with the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.network.prompts import PromptChoice

Sums = tuple[Tensor, ...]
"""Sums over pixels, each (images, ...): what a global statistic is computed from, and what can be merged."""


@dataclass(frozen=True, slots=True)
class Context:
    """Prompt and global statistics, frozen.

    Parameters
    ----------
    prompt
        (1, tokens, dimension); None for a network without prompt pools.
    statistics
        One tensor per block, (1, ...), in the order in which the blocks run.
    task, domain
        What was chosen from each pool, for whoever wants to know.
    """

    prompt: Tensor | None
    statistics: tuple[Tensor, ...]
    task: PromptChoice | None = None
    domain: PromptChoice | None = None

    def to(self, device: torch.device | str) -> Context:
        """Return the context on `device`."""
        return replace(
            self,
            prompt=None if self.prompt is None else self.prompt.to(device),
            statistics=tuple(statistic.to(device) for statistic in self.statistics),
            task=None if self.task is None else self.task.to(device),
            domain=None if self.domain is None else self.domain.to(device),
        )


class StatisticsSource(Protocol):
    """Where a block gets its global statistic from."""

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

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Measure each image and keep them apart."""
        return finish(measure())


class MergedStatistics:
    """All images of the batch share statistics, as if they were one image; they are recorded."""

    def __init__(self) -> None:
        self.recorded: list[Tensor] = []

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Add up the sums of all images before the statistic is made from them."""
        statistic = finish(tuple(part.sum(dim=0, keepdim=True) for part in measure()))
        self.recorded.append(statistic)
        return statistic


class FrozenStatistics:
    """The statistics of a context, in the order in which the blocks ask for them."""

    def __init__(self, context: Context) -> None:
        self._remaining = iter(context.statistics)

    def resolve(self, measure: Callable[[], Sums], finish: Callable[[Sums], Tensor]) -> Tensor:
        """Return the recorded statistic; nothing is measured."""
        statistic = next(self._remaining, None)
        if statistic is None:
            msg = "the context has fewer statistics than the network has blocks: it is another network's"
            raise ValueError(msg)
        return statistic
