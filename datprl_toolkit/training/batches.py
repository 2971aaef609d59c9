"""Balanced batches over tasks: reproducible, and resumable at any step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.training import crops
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.tasks import NOISY
from datprl_toolkit.training.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from torch import Tensor

    from datprl_toolkit.training.crops import Pair, PairMaker
    from datprl_toolkit.training.prepared import PreparedData


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
    its colours multiplied by gains, input and target alike, as under another light or sensor.

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
    ) -> None:
        self.tasks, self.tinted = tuple(tasks), tinted
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
            degraded[place], clean[place] = (
                _oriented(_tint(image, gains), turn, flip=flip) for image in (given, pair.clean)
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


def task_makers(
    data: PreparedData,
    tasks: Sequence[str],
    *,
    varied_haze: float = 0.0,
    bright_ground: float = 0.0,
    dense_clouds: float = 0.0,
    faint_noise: Mapping[str, float] | None = None,
) -> dict[str, list[tuple[float, PairMaker]]]:
    """Return what makes pairs for each of `tasks` from prepared data.

    `varied_haze` is the share of the crops in haze or under clouds that are varied, `bright_ground` that of the crops
    in measured haze whose ground is made bright, `dense_clouds` that of the crops under simulated clouds whose clouds
    are to be left, `faint_noise` for CT and PET that of the crops which keep only a part of their noise.

    Raises
    ------
    InputError
        ``E_EMPTY`` if the prepared data lack what a task needs.
    """
    known = _all_makers(data.sources, varied_haze, bright_ground, dense_clouds, faint_noise or {})
    if "folders" in data.manifest:
        from datprl_toolkit.training.folders import folder_makers

        known = folder_makers(data)
    missing = [task for task in tasks if not any(len(maker) for _, maker in known.get(task, []))]
    if missing:
        raise InputError(
            ErrorCode.EMPTY,
            f"the prepared data have nothing for {', '.join(missing)}",
            remedy="Prepare them again with those images, or train other tasks",
        )
    return {task: known[task] for task in tasks}


def _all_makers(
    sources: Mapping[str, Source],
    varied_haze: float,
    bright_ground: float,
    dense_clouds: float,
    faint: Mapping[str, float],
) -> dict[str, list[tuple[float, PairMaker]]]:
    """Weights: real pairs often enough to be learnt, simulated ones often enough not to be learnt by heart."""
    empty = Source("", {"clean": [], "layer": [], "kernel": [], "opacity": [], "depth": []})

    def get(name: str) -> Source:
        return sources.get(name, empty)

    photos, sky = get("photos"), get("sky_fields")
    faint_ct, faint_pet = (faint.get(task, 0.0) for task in NOISY)
    smaller, smaller_roads = get(VARIANTS["photos"]), get(VARIANTS["remote_roads"])
    ground = [(0.3, get("remote_roads")), (0.2, get("remote_scenes")), (0.3, get("rice1")), (0.2, get("remote_tiles"))]
    return {
        "natural_super_resolution": [(0.65, crops.StoredPairs(photos)), (0.35, crops.StoredPairs(smaller))],
        "natural_deraining": [
            (0.4, crops.StoredPairs(get("rain"))),
            (0.35, crops.SimulatedRain(photos, get("rain_layers_real")["layer"])),
            (0.25, crops.SimulatedRain(photos, get("rain_layers_simulated")["layer"])),
        ],
        "natural_deblurring": [
            (0.08, crops.StoredPairs(get("shake_pairs"))),
            (0.62, crops.SimulatedShake(photos, get("shake_kernels")["kernel"])),
            (0.3, crops.SimulatedShake(smaller, get("shake_kernels")["kernel"])),
        ],
        "mri_super_resolution": [
            (0.4, crops.StoredPairs(get("mri"), floor=0.03 * 65535)),
            (0.6, crops.StoredPairs(get(VARIANTS["mri"]), floor=0.03 * 65535)),
        ],
        "ct_denoising": [
            (0.65, crops.CtNoise(get("ct"), faint=faint_ct)),
            (0.35, crops.CtNoise(get(VARIANTS["ct"]), faint=faint_ct)),
        ],
        "pet_synthesis": [
            (0.7, crops.PetCounts(get("pet"), faint=faint_pet)),
            (0.3, crops.PetCounts(get(VARIANTS["pet"]), faint=faint_pet)),
        ],
        "remote_sensing_super_resolution": [
            (0.4, crops.TiledPairs(get("remote_tiles"))),
            (0.2, crops.StoredPairs(get("remote_roads"))),
            (0.15, crops.StoredPairs(smaller_roads)),
            (0.25, crops.StoredPairs(get("remote_scenes"))),
        ],
        "cloud_removal": [
            (0.5, crops.StoredPairs(get("rice2"), thinned=varied_haze)),
            *((0.5 * weight * (1 - dense_clouds), crops.SimulatedClouds(source, sky)) for weight, source in ground),
            *((0.5 * weight * dense_clouds, crops.DenseClouds(source, sky)) for weight, source in ground),
        ],
        "dehazing": [
            (0.5, crops.StoredPairs(get("rice1"), thinned=varied_haze, brightened=bright_ground)),
            *((0.4 * weight, crops.SimulatedHaze(source, sky, brightened=varied_haze)) for weight, source in ground),
            # Its deserts are what RICE1 has too little of.
            (0.1, crops.SimulatedHaze(get("rice2"), sky, brightened=varied_haze)),
        ],
    }


def _gains(generator: np.random.Generator, share: float) -> npt.NDArray[np.float32] | None:
    """Draw a gain for each colour: darker or brighter as a whole, and a tint; None for the rest of the images."""
    if share == 0.0 or generator.random() >= share:
        return None
    return (generator.uniform(0.65, 1.2) * generator.uniform(0.88, 1.12, 3)).astype(np.float32)


def _tint(image: npt.NDArray[np.float32], gains: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    """Multiply the colours by their gains, within [0, 1]."""
    return image if gains is None else np.clip(image * gains, 0.0, 1.0)


def _oriented(image: npt.NDArray[np.float32], turn: int, *, flip: bool) -> npt.NDArray[np.float32]:
    """Turn and flip a crop, and return it as (3, size, size)."""
    turned = np.rot90(image[:, ::-1] if flip else image, turn)
    return turned.transpose(2, 0, 1) if turned.ndim == 3 else np.broadcast_to(turned, (3, *turned.shape))
