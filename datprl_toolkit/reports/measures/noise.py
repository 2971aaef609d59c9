"""Noise: flat regions found without help, their bias and standard deviation, and the noise power spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datprl_toolkit.reports.measures.filters import box_mean, pick_apart, smooth

if TYPE_CHECKING:
    from collections.abc import Sequence

FloatArray = npt.NDArray[np.float64]

TREND_TERMS = 6  # of a polynomial of second order in two variables


@dataclass(frozen=True, slots=True)
class Region:
    """A square of one image.

    Parameters
    ----------
    frame
        Index of the slice, tile or picture.
    row, column
        Its upper left pixel.
    size
        Its side, in pixels.
    """

    frame: int
    row: int
    column: int
    size: int

    def cut(self, image: FloatArray) -> FloatArray:
        """Return the region of an image, (size, size)."""
        return image[self.row : self.row + self.size, self.column : self.column + self.size]


@dataclass(frozen=True, slots=True)
class NoisePower:
    """A noise power spectrum, averaged over all directions.

    Parameters
    ----------
    frequency
        Centre of each ring, in cycles per unit of the spacing, up to the Nyquist frequency of the coarser axis.
    power
        Mean power in each ring, in (unit of the values)^2 x (unit of the spacing)^2.
    variance
        Integral of the two-dimensional spectrum over all frequencies, in (unit of the values)^2.
    mean_frequency
        First moment of `power`; NaN where there is no noise at all.
    """

    frequency: FloatArray
    power: FloatArray
    variance: float
    mean_frequency: float


def find_flat_regions(
    image: FloatArray, valid: npt.NDArray[np.bool_], *, size: int, low: float, high: float, count: int, frame: int = 0
) -> list[tuple[float, Region]]:
    """Find the squares of an image whose large-scale structure is smallest.

    The score is the standard deviation of the image after a Gaussian of a sixth of the square's side. The noise
    itself has little part in it: choosing by the least standard deviation would choose the quietest noise.

    Parameters
    ----------
    image, valid
        (H, W), and where it holds an image.
    size
        Side of a square, in pixels.
    low, high
        Mean values between which a square must lie; all its smoothed values lie there too.
    count
        At most this many, none overlapping another.
    frame
        Index that the regions get.

    Returns
    -------
    Score, in the unit of the values, and region, the flattest first.
    """
    if min(image.shape) < size:
        return []
    blurred = smooth(image, size / 6)
    usable = valid & (blurred >= low) & (blurred <= high)
    whole = box_mean(usable.astype(np.float64), size) > 1 - 0.5 / size**2
    level = blurred - blurred[usable].mean() if usable.any() else blurred  # so that squares of it stay exact
    variance = np.maximum(box_mean(level**2, size) - box_mean(level, size) ** 2, 0.0)
    score = np.where(whole, np.sqrt(variance), np.inf)
    places = pick_apart(score, distance=size, count=count)
    return [(float(score[row, column]), Region(frame, row, column, size)) for row, column in places]


def detrended(patch: FloatArray) -> FloatArray:
    """Return a square patch without its mean and its slow variation: a polynomial of second order fitted to it."""
    axis = np.linspace(-1.0, 1.0, patch.shape[0])
    y, x = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    coefficients = np.linalg.lstsq(terms, patch.ravel(), rcond=None)[0]
    rest: FloatArray = patch - (terms @ coefficients).reshape(patch.shape)
    return rest


def region_noise(patch: FloatArray) -> tuple[float, float]:
    """Return mean and standard deviation of a square patch, the latter about its slow variation."""
    rest = detrended(patch)
    return float(patch.mean()), float(np.sqrt((rest**2).sum() / (patch.size - TREND_TERMS)))


def noise_power_spectrum(patches: Sequence[FloatArray], spacing: tuple[float, float]) -> NoisePower:
    """Return the noise power spectrum of square patches of flat image.

    ``NPS(u, v) = dx dy / (Nx Ny) <|DFT(patch - trend)|^2>`` (ICRU Report 87, 2012; Siewerdsen, Cunningham, Jaffray,
    Medical Physics 29, 2002), so that its integral over all frequencies is the variance. The trend is a polynomial of
    second order, whose 6 degrees of freedom are made up for by ``Nx Ny / (Nx Ny - 6)``.

    Parameters
    ----------
    patches
        (N, N) each, of one size, in the unit of the values.
    spacing
        Distance between rows and between columns, such as in mm.
    """
    size = patches[0].shape[0]
    rests = np.stack([detrended(patch) for patch in patches])
    correction = size**2 / (size**2 - TREND_TERMS)
    area = spacing[0] * spacing[1]
    spectrum = (np.abs(np.fft.fft2(rests)) ** 2).mean(axis=0) * area / size**2 * correction
    rows, columns = (np.fft.fftfreq(size, step) for step in spacing)
    step = 1.0 / (size * max(spacing))
    rings = np.rint(np.hypot(rows[:, None], columns[None, :]) / step).astype(np.int64)
    last = size // 2
    numbers = range(1, last + 1)  # the ring 0 is the mean, which was taken away
    power = np.array([spectrum[rings == number].mean() for number in numbers])
    frequency = step * np.arange(1, last + 1)
    total = float(power.sum())
    return NoisePower(
        frequency=frequency,
        power=power,
        variance=float(spectrum.sum() / (size**2 * area)),
        mean_frequency=float((frequency * power).sum() / total) if total > 0 else float("nan"),
    )
