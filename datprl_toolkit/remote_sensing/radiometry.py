"""Radiometric consistency: whether a restored scene, averaged back to the pixels of its source, has their values.

An enlarged scene may show details that its source cannot prove, but a sensor would still see the same radiance over
each of the source's pixels: the mean of the pixels that stand for one of them must be its value (Wald's protocol,
Wald et al., Photogrammetric Engineering & Remote Sensing 63, 1997, first property). Without an enlargement the bias of
a band says the same of the scene as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.scene_pair import match_scenes
from datprl_toolkit.remote_sensing.windows import fine, split, whole
from datprl_toolkit.restoring import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import Pixels

_SIDE = 512  # of the windows of the source that are compared at once


@dataclass(frozen=True, slots=True)
class BandRadiometry:
    """What became of one band, in stored values over the source's pixels.

    Parameters
    ----------
    number, name
        Of the source's band, counted from 1.
    restored
        False for a band that was only copied or interpolated.
    count
        Number of pixels of the source that were compared; without any the other figures are NaN.
    mean
        Of the source.
    bias
        Mean of the averaged result minus that of the source.
    rmse
        Root mean square of their differences.
    correlation
        Pearson's coefficient; NaN where one of them is constant.
    """

    number: int
    name: str
    restored: bool
    count: int
    mean: float
    bias: float
    rmse: float
    correlation: float

    @property
    def bias_percent(self) -> float:
        """The bias in per cent of the mean of the source; NaN where that is 0."""
        return 100.0 * self.bias / self.mean if self.mean else float("nan")


@dataclass(frozen=True, slots=True)
class Radiometry:
    """The radiometric consistency of a restored scene.

    Parameters
    ----------
    factor
        Enlargement: `factor` x `factor` pixels of the result were averaged.
    bands
        One entry for each band but alpha.
    """

    factor: int
    bands: tuple[BandRadiometry, ...]

    @property
    def largest_bias_percent(self) -> float:
        """The largest absolute bias of any restored band in per cent; NaN if none could be measured."""
        measured = [abs(band.bias_percent) for band in self.bands if band.restored and np.isfinite(band.bias_percent)]
        return max(measured, default=float("nan"))


def measure_radiometry(before: Path, after: Path, *, progress: ProgressCallback = silent) -> Radiometry:
    """Average a restored scene back to the pixels of its source and compare.

    Parameters
    ----------
    before, after
        The source, and what was made from it: of the same size, or 2, 3 or 4 times as large.
    progress
        Told after each window.

    Returns
    -------
    Figures for each band. A pixel counts where it is data, and so is every pixel of the result that stands for it.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if the scenes do not belong together, or what reading raises.
    """
    pair = match_scenes(before, after)
    alpha = pair.before.alpha
    numbers = [number for number in pair.written if number != alpha]
    places = [pair.place(number) for number in numbers]
    sums = [_Sums() for _ in numbers]
    windows = list(split(whole(pair.before.grid.shape), _SIDE))
    with sparing(), pair.before.reader() as first, pair.after.reader() as second:
        for done, window in enumerate(windows, start=1):
            source = first.read(numbers, window)
            mean, complete = _averaged(second.read(places, fine(window, pair.factor)), pair.factor)
            for band, total in enumerate(sums):
                both = source.valid[band] & complete[band]
                total.add(source.values[band][both].astype(np.float64), mean[band][both])
            progress(Progress("comparing", done, len(windows), "windows"))
    names = {band.number: band.description or band.colour for band in pair.before.bands}
    return Radiometry(
        pair.factor,
        tuple(
            total.result(number, names[number], restored=number in pair.restored)
            for number, total in zip(numbers, sums, strict=True)
        ),
    )


def _averaged(pixels: Pixels, factor: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the means of `factor` x `factor` pixels, and where all of these are data."""
    bands, height, width = pixels.values.shape
    blocks = (bands, height // factor, factor, width // factor, factor)
    values = np.where(pixels.valid, pixels.values, np.zeros((), pixels.values.dtype)).reshape(blocks)
    mean: npt.NDArray[np.float64] = values.mean(axis=(2, 4), dtype=np.float64)
    complete: npt.NDArray[np.bool_] = np.all(pixels.valid.reshape(blocks), axis=(2, 4))
    return mean, complete


@dataclass(slots=True)
class _Sums:
    """Sums over the pixels of one band; moments are taken around the first value, so that they stay exact."""

    count: int = 0
    origin: float = 0.0
    totals: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(6))

    def add(self, source: npt.NDArray[np.float64], result: npt.NDArray[np.float64]) -> None:
        if not source.size:
            return
        if not self.count:
            self.origin = float(source[0])
        x, y, change = source - self.origin, result - self.origin, result - source
        self.totals += [x.sum(), y.sum(), x @ x, y @ y, x @ y, change @ change]
        self.count += source.size

    def result(self, number: int, name: str, *, restored: bool) -> BandRadiometry:
        if not self.count:
            return BandRadiometry(number, name, restored, 0, *[float("nan")] * 4)
        x, y, xx, yy, xy, squares = (float(total) / self.count for total in self.totals)
        spread = max(xx - x * x, 0.0) * max(yy - y * y, 0.0)
        correlation = (xy - x * y) / spread**0.5 if spread > 0 else float("nan")
        return BandRadiometry(number, name, restored, self.count, x + self.origin, y - x, squares**0.5, correlation)
