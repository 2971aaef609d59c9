"""Scores of images and of sets, and how sure the mean of a set is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 2000
CHUNK = 4_000_000  # indices drawn at once
IDENTICAL_PSNR = 100.0
"""What an image that equals the truth counts in a mean, in dB, so that means stay finite."""


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Figures of one image, by the name of the metric.

    Parameters
    ----------
    name
        Of the image.
    restored
        Figures of the restored image. PSNR is infinite where it equals the truth; a figure that has no meaning for
        an image, such as the bias over no pixel, is NaN.
    degraded
        The same figures of the image before it was restored; empty where that is not known.
    """

    name: str
    restored: Mapping[str, float]
    degraded: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over the images, and the ends of its 95 % confidence interval; NaN for fewer than two images."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of one set.

    Parameters
    ----------
    restored
        Mean of the restored images.
    degraded, change
        Mean of the degraded images, and of the differences restored minus degraded, image by image; None where
        the degraded images are not known.
    """

    restored: Interval
    degraded: Interval | None
    change: Interval | None


@dataclass(frozen=True, slots=True)
class SetScore:
    """Figures of one set of images.

    Parameters
    ----------
    name
        Of the set.
    unit
        Of the metrics that have the unit of the values, such as "HU"; empty for pictures.
    images
        Figures of each image.
    summary
        Figures of the set, by the name of the metric.
    """

    name: str
    unit: str
    images: tuple[ImageScore, ...]
    summary: Mapping[str, Summary]


def score_set(name: str, unit: str, images: Sequence[ImageScore], *, seed: int, resamples: int = RESAMPLES) -> SetScore:
    """Summarise the figures of a set: means, and bootstrap intervals over the images."""
    metrics = tuple(images[0].restored)
    summary = {metric: _summarise(metric, images, seed, resamples) for metric in metrics}
    return SetScore(name, unit, tuple(images), summary)


def bootstrap(
    values: npt.NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Return the mean and its percentile bootstrap interval (Efron 1979).

    The values are drawn anew with replacement `resamples` times; the interval holds the central `level` of the
    means. NaN are left out. The result follows from the values and the seed alone.

    Parameters
    ----------
    values
        (N,), one figure for each image.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // known.size)
    means = np.concatenate(
        [
            known[generator.integers(known.size, size=(min(step, resamples - first), known.size))].mean(axis=1)
            for first in range(0, resamples, step)
        ]
    )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def _summarise(metric: str, images: Sequence[ImageScore], seed: int, resamples: int) -> Summary:
    def interval(values: npt.NDArray[np.float64]) -> Interval:
        return bootstrap(values, seed=seed, resamples=resamples)

    after = _column([score.restored[metric] for score in images])
    if not images[0].degraded:
        return Summary(interval(after), None, None)
    before = _column([score.degraded[metric] for score in images])
    return Summary(interval(after), interval(before), interval(after - before))


def _column(values: Sequence[float]) -> npt.NDArray[np.float64]:
    column = np.array(values, dtype=np.float64)
    return np.where(np.isposinf(column), IDENTICAL_PSNR, column)
