"""Measure pairs of images, one after the other, so that no series and no scene has to fit into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datprl_toolkit.reports.measures import (
    Edge,
    NoisePower,
    Region,
    SliceSteps,
    edge_spread,
    find_edges,
    find_flat_regions,
    noise_power_spectrum,
    region_noise,
)
from datprl_toolkit.reports.report import Change, EdgePair, Histogram, RegionNoise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BINS = 160
CHANGE_BINS = 4096
SHOWN_SHARE = 0.998
REGIONS_PER_IMAGE, MOST_REGIONS = 3, 24
EDGES_PER_IMAGE, MOST_EDGES = 4, 12
FLATTEST = 5  # regions whose median structure is what "flat" means in this series
FLATNESS = 3.0  # times that, up to which a region still counts as flat


@dataclass(frozen=True, slots=True)
class Images:
    """One image before and after.

    Parameters
    ----------
    before, after
        (H, W), in the unit of the values.
    valid
        (H, W), where both hold an image.
    """

    before: FloatArray
    after: FloatArray
    valid: BoolArray


@dataclass(slots=True)
class Values:
    """Counts values and changes of image after image.

    Parameters
    ----------
    low, high
        Values between which they are counted; those beyond are counted in the first and the last bin.
    step
        Distance between values that can occur, such as 1 HU: a bin holds a whole number of them, or the histogram
        would show a comb. 0 where any value can occur.
    """

    low: float
    high: float
    step: float = 0.0
    _width: float = field(init=False)
    _before: FloatArray = field(init=False)
    _after: FloatArray = field(init=False)
    _changes: FloatArray = field(default_factory=lambda: np.zeros(CHANGE_BINS))
    _pixels: int = 0
    _changed: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _largest: float = 0.0
    _largest_at: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        self._width = (self.high - self.low) / BINS
        if self.step > 0:
            self._width = float(self.step * np.ceil(self._width / self.step))
        bins = max(1, int(np.ceil((self.high - self.low) / self._width - 1e-9)))
        self._before, self._after = np.zeros(bins), np.zeros(bins)

    def add(self, frame: int, images: Images) -> float:
        """Count one image, by its index; return its root mean square change."""
        before, after = images.before[images.valid], images.after[images.valid]
        change = after - before
        self._before += self._count(before)
        self._after += self._count(after)
        self._pixels += change.size
        self._changed += int(np.count_nonzero(change))
        square = float(change @ change)
        self._sum += float(change.sum())
        self._squares += square
        self._find_largest(frame, images)
        scaled = np.abs(change) * (CHANGE_BINS / (self.high - self.low))
        places = np.minimum(scaled, CHANGE_BINS - 1).astype(np.int64)
        self._changes += np.bincount(places, minlength=CHANGE_BINS)
        return float(np.sqrt(square / change.size)) if change.size else 0.0

    def _find_largest(self, frame: int, images: Images) -> None:
        change = np.where(images.valid, images.after - images.before, 0.0)
        row, column = divmod(int(np.argmax(np.abs(change))), change.shape[1])
        if abs(change[row, column]) > abs(self._largest):
            self._largest, self._largest_at = float(change[row, column]), (frame, row, column)

    def _count(self, values: FloatArray) -> FloatArray:
        bins = len(self._before)
        # A whole number that was computed may lie a last bit below itself.
        places = np.clip(np.floor((values - self.low) / self._width + 1e-6), 0, bins - 1)
        counts: FloatArray = np.bincount(places.astype(np.int64), minlength=bins).astype(np.float64)
        return counts

    def change(self) -> Change:
        """Return how values changed."""
        pixels = max(1, self._pixels)
        step = (self.high - self.low) / CHANGE_BINS
        reached = np.searchsorted(np.cumsum(self._changes), SHOWN_SHARE * self._changes.sum())
        # Never so small a scale that rounding would look like a change.
        shown = max((int(reached) + 1) * step, 1e-3 * (self.high - self.low))
        return Change(
            pixels=self._pixels,
            changed=self._changed,
            mean=self._sum / pixels,
            rms=float(np.sqrt(self._squares / pixels)),
            largest=self._largest,
            largest_at=self._largest_at,
            shown=shown,
        )

    def histogram(self) -> Histogram:
        """Return how often values occur."""
        edges = self.low + self._width * np.arange(len(self._before) + 1, dtype=np.float64)
        return Histogram(edges, self._before, self._after)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for in images, and with which size.

    Parameters
    ----------
    flat_size, edge_size
        Side of a flat region and of the square around an edge, in pixels; the latter odd.
    flat_low, flat_high
        Mean values between which flat regions lie.
    low, high
        Values between which edges lie: beyond them nothing was restored.
    least_step
        Least difference of the two sides of an edge.
    spacing
        Distance between rows and between columns.
    """

    flat_size: int
    edge_size: int
    flat_low: float
    flat_high: float
    low: float
    high: float
    least_step: float
    spacing: tuple[float, float]


def measure_noise(
    images: Iterable[tuple[int, Images]], search: Search, place: Callable[[Region], str]
) -> tuple[tuple[RegionNoise, ...], tuple[NoisePower, NoisePower] | None, tuple[EdgePair, ...]]:
    """Find flat regions and edges in a sample of images, and measure both before and after.

    They are looked for in the mean of both images, so that neither has an advantage.

    Parameters
    ----------
    images
        Index and images.
    search
        What is looked for.
    place
        Names a region for a person.

    Returns
    -------
    The regions, the flattest first; their noise power spectra; the edges.
    """
    found: list[tuple[float, Region, FloatArray, FloatArray]] = []
    edges: list[EdgePair] = []
    for index, pair in images:
        both = 0.5 * (pair.before + pair.after)
        flat = find_flat_regions(
            both, pair.valid, size=search.flat_size, low=search.flat_low, high=search.flat_high,
            count=REGIONS_PER_IMAGE, frame=index,
        )  # fmt: skip
        found.extend((score, region, region.cut(pair.before), region.cut(pair.after)) for score, region in flat)
        edges.extend(_measure_edges(index, both, pair, search, place))
    kept = _flattest(found)
    regions = tuple(_region(region, before, after, place) for _, region, before, after in kept)
    if not kept:
        return (), None, tuple(edges[:MOST_EDGES])
    spectra = (
        noise_power_spectrum([before for _, _, before, _ in kept], search.spacing),
        noise_power_spectrum([after for _, _, _, after in kept], search.spacing),
    )
    return regions, spectra, tuple(sorted(edges, key=lambda each: each.before.misfit)[:MOST_EDGES])


def _flattest(
    found: Sequence[tuple[float, Region, FloatArray, FloatArray]],
) -> list[tuple[float, Region, FloatArray, FloatArray]]:
    """Return the regions that are about as flat as the flattest ones."""
    ordered = sorted(found, key=lambda each: each[0])[:MOST_REGIONS]
    if not ordered:
        return []
    limit = FLATNESS * float(np.median([score for score, *_ in ordered[:FLATTEST]]))
    return [each for each in ordered if each[0] <= limit]


def _region(region: Region, before: FloatArray, after: FloatArray, place: Callable[[Region], str]) -> RegionNoise:
    mean_before, noise_before = region_noise(before)
    mean_after, noise_after = region_noise(after)
    return RegionNoise(region, place(region), mean_before, mean_after, noise_before, noise_after)


def _measure_edges(
    index: int, both: FloatArray, pair: Images, search: Search, place: Callable[[Region], str]
) -> list[EdgePair]:
    found = find_edges(
        both, pair.valid, size=search.edge_size, low=search.low, high=search.high,
        least_step=search.least_step, count=EDGES_PER_IMAGE, frame=index,
    )  # fmt: skip
    pairs = []
    for edge in found:
        common = edge_spread(edge.cut(both), edge.angle, search.spacing)
        if common is None:
            continue
        ends = (common.low, common.high)
        before = edge_spread(edge.cut(pair.before), edge.angle, search.spacing, ends)
        after = edge_spread(edge.cut(pair.after), edge.angle, search.spacing, ends)
        if before is not None and after is not None:
            pairs.append(EdgePair(edge, place(_square(edge)), before, after))
    return pairs


def _square(edge: Edge) -> Region:
    return Region(edge.frame, edge.row - edge.size // 2, edge.column - edge.size // 2, edge.size)


def add_steps(steps: SliceSteps, images: Images, low: float, high: float, *, follows: bool) -> None:
    """Add the next slice, compared where its values before lie inside the window."""
    inside = images.valid & (images.before > low) & (images.before < high)
    steps.add(images.before, images.after, inside, follows=follows)


def spread_evenly(total: int, count: int) -> list[int]:
    """Return at most `count` of `total` indices: the middle of each of equal parts."""
    number = min(total, count)
    return [(2 * part + 1) * total // (2 * number) for part in range(number)]
