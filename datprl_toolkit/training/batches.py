"""Balanced batches over tasks: reproducible, and resumable at any step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from datprl_toolkit.training.crops import Pair, PairMaker


@dataclass(frozen=True, slots=True)
class Batch:
    """One training batch.

    Parameters
    ----------
    degraded, clean
        (B, 3, size, size) in [0, 1].
    tasks
        Name of the task of each image.
    keys
        Key of each clean image, under which its text feature is found.
    """

    degraded: Tensor
    clean: Tensor
    tasks: tuple[str, ...]
    keys: tuple[str, ...]


class EndlessOrder:
    """Indices of a set, shuffled anew for each pass, without end; it can be continued from a count."""

    def __init__(self, length: int, seed: Sequence[int]) -> None:
        self.length, self.seed = length, tuple(seed)
        self.count = 0
        self._epoch = -1
        self._order: npt.NDArray[np.intp] = np.empty(0, np.intp)

    def next(self) -> int:
        """Return the next index."""
        epoch, position = divmod(self.count, self.length)
        if epoch != self._epoch:
            self._order = np.random.default_rng([*self.seed, epoch]).permutation(self.length)
            self._epoch = epoch
        self.count += 1
        return int(self._order[position])


class TaskPairs:
    """Pairs of one task from several makers, each drawn with its weight."""

    def __init__(self, makers: Sequence[tuple[float, PairMaker]], seed: Sequence[int]) -> None:
        usable = [(weight, maker) for weight, maker in makers if weight > 0 and len(maker) > 0]
        weights = np.array([weight for weight, _ in usable])
        self.probabilities = weights / weights.sum()
        self.makers = [maker for _, maker in usable]
        self.orders = [EndlessOrder(len(maker), [*seed, i]) for i, maker in enumerate(self.makers)]

    def make(self, size: int, generator: np.random.Generator, candidates: int = 1) -> Pair:
        """Make the next pair: of several crops of one image, the one that the degradation changed most."""
        part = int(generator.choice(len(self.makers), p=self.probabilities))
        index = self.orders[part].next()
        pairs = [self.makers[part].make(index, size, generator) for _ in range(candidates)]
        return max(pairs, key=lambda pair: float(np.abs(pair.degraded - pair.clean).mean()))

    @property
    def counts(self) -> list[int]:
        """How far each maker has come."""
        return [order.count for order in self.orders]

    @counts.setter
    def counts(self, values: Sequence[int]) -> None:
        for order, value in zip(self.orders, values, strict=True):
            order.count = value


class BalancedBatches:
    """Draws batches with the same number of images from each task.

    A batch of B over N tasks has B // N of each, and one more of B % N tasks that are drawn anew each time; with
    fewer images than tasks, one of each of B tasks. Where `shares` differ, tasks have images in proportion. Crops
    are flipped and turned by multiples of 90 degrees. A small share, `identity` or that of the task in `identities`,
    has the clean image as input too, so that clean images stay as they are. A share `tinted` of the colour images has
    its colours multiplied by gains, input and target alike, as under another light or sensor; a share `grey` has none.

    Of a task with several `candidates` that many crops of the drawn image are made, and the one that the degradation
    changed most is taken: flat ground teaches nothing about sharpening.

    Everything random about batch number n follows from the seed and n, and from how often each maker was drawn,
    so that :attr:`state` is a few numbers.
    """

    def __init__(
        self,
        tasks: Mapping[str, Sequence[tuple[float, PairMaker]]],
        batch_size: int,
        *,
        seed: int = 42,
        identity: float = 0.05,
        shares: Mapping[str, float] | None = None,
        candidates: Mapping[str, int] | None = None,
        identities: Mapping[str, float] | None = None,
        tinted: float = 0.0,
        grey: float = 0.0,
    ) -> None:
        self.tasks, self.tinted, self.grey = tuple(tasks), tinted, grey
        self.shares, self.candidates = dict(shares or {}), dict(candidates or {})
        self.identities = dict(identities or {})
        self.pairs = {task: TaskPairs(makers, [seed, i]) for i, (task, makers) in enumerate(tasks.items())}
        self.batch_size, self.seed, self.identity = batch_size, seed, identity
        self.step = 0

    def next(self, size: int, count: int | None = None) -> Batch:
        """Return the next batch, with `count` (by default the batch size) crops of `size` x `size` pixels."""
        generator = np.random.default_rng([self.seed, 7, self.step])
        self.step += 1
        names = balanced_draw(self.tasks, count or self.batch_size, generator, self.shares)
        degraded = np.empty((len(names), 3, size, size), np.float32)
        clean = np.empty_like(degraded)
        keys = []
        for place, task in enumerate(names):
            pair = self.pairs[task].make(size, generator, self.candidates.get(task, 1))
            identity = self.identities.get(task, self.identity)
            given = pair.clean if generator.random() < identity else pair.degraded
            turn, flip = int(generator.integers(4)), bool(generator.integers(2))
            gains = _gains(generator, self.tinted) if pair.clean.ndim == 3 else None
            grey = self.grey > 0.0 and generator.random() < self.grey
            degraded[place], clean[place] = (
                _oriented(_without_colour(_tint(image, gains), grey=grey), turn, flip=flip)
                for image in (given, pair.clean)
            )
            keys.append(pair.key)
        return Batch(torch.from_numpy(degraded), torch.from_numpy(clean), tuple(names), tuple(keys))

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps to continue exactly here."""
        return {"step": self.step, "counts": {task: pairs.counts for task, pairs in self.pairs.items()}}

    @state.setter
    def state(self, values: Mapping[str, Any]) -> None:
        self.step = int(values["step"])
        for task, counts in values["counts"].items():
            self.pairs[task].counts = counts


def balanced_draw(
    tasks: Sequence[str], batch_size: int, generator: np.random.Generator, shares: Mapping[str, float] | None = None
) -> list[str]:
    """Return the task of each image of a batch, in the order of the tasks.

    Systematic sampling: a task with the share s of the total S has ``batch_size * s / S`` images, rounded down or
    up, and exactly that many on the mean. A task that is not in `shares` has the share 1.
    """
    order = generator.permutation(len(tasks))
    share = np.array([(shares or {}).get(tasks[int(i)], 1.0) for i in order])
    ends = np.cumsum(share) / share.sum() * batch_size
    # The last end is exact, so that rounding errors cannot lose an image.
    ends[-1] = batch_size
    marks = generator.random() + np.arange(batch_size)
    drawn = order[np.searchsorted(ends, marks, side="right")]
    return [tasks[int(i)] for i in sorted(drawn)]


def _gains(generator: np.random.Generator, share: float) -> npt.NDArray[np.float32] | None:
    """Draw a gain for each colour: darker or brighter as a whole, and a tint; None for the rest of the images."""
    if share == 0.0 or generator.random() >= share:
        return None
    return (generator.uniform(0.65, 1.2) * generator.uniform(0.88, 1.12, 3)).astype(np.float32)


def _tint(image: npt.NDArray[np.float32], gains: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    """Multiply the colours by their gains, within [0, 1]."""
    return image if gains is None else np.clip(image * gains, 0.0, 1.0)


def _without_colour(image: npt.NDArray[np.float32], *, grey: bool) -> npt.NDArray[np.float32]:
    """Return the mean of the colours as a grey image, if it is wanted."""
    return image.mean(axis=2) if grey and image.ndim == 3 else image


def _oriented(image: npt.NDArray[np.float32], turn: int, *, flip: bool) -> npt.NDArray[np.float32]:
    """Turn and flip a crop, and return it as (3, size, size)."""
    turned = np.rot90(image[:, ::-1] if flip else image, turn)
    return turned.transpose(2, 0, 1) if turned.ndim == 3 else np.broadcast_to(turned, (3, *turned.shape))
