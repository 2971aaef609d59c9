"""Parallel-beam projection, filtered back-projection and OSEM on a square grid.

Own code, small on purpose: scikit-image's ``radon`` turns the whole image for every view (minutes for a CT
series) and has no matched adjoint, which OSEM needs. The same split of each pixel over the two detector bins that
it falls between serves projection and back-projection, so the pair is matched exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import csr_matrix

    from datprl_toolkit.degradations.arrays import AnyFloatArray, FloatArray

# A pixel is looked at in 2x2 parts: whole pixels would leave stripes in oblique views.
PARTS = tuple((row, column) for row in (-0.25, 0.25) for column in (-0.25, 0.25))
FILTERS = ("ramp", "shepp-logan", "cosine", "hann")


@dataclass(frozen=True, slots=True)
class ParallelBeam:
    """Views of a square image from equally spaced angles over 180 degrees.

    Parameters
    ----------
    size
        Height and width of the image, in pixels. The detector spans its diagonal with bins of one pixel.
    views
        Number of angles.
    pixel
        Side of a pixel, in the unit of length in which line integrals are wanted (cm for attenuation in 1/cm).
    """

    size: int
    views: int
    pixel: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 2 or self.views < 1 or self.pixel <= 0:
            raise OptionError(
                ErrorCode.OPTION,
                f"a size of 2 or more, a view and a pixel above 0 are needed, not {self}",
            )

    @property
    def bins(self) -> int:
        """Number of detector bins."""
        return int(np.ceil(self.size * np.sqrt(2))) + 3

    def positions(self, view: int, shift: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
        """Return where each pixel falls on the detector: (size, size), in bins.

        `shift` moves every pixel by a part of its side (rows, columns), to look at a part of it.
        """
        theta = np.pi * view / self.views
        middle = (self.size - 1) / 2
        axis = np.arange(self.size) - middle
        rows, columns = axis + shift[0], axis + shift[1]
        down = (rows * np.sin(theta) + (self.bins - 1) / 2).astype(np.float32)
        across = (columns * np.cos(theta)).astype(np.float32)
        return np.asarray(down[:, None] + across[None])

    def project(self, image: AnyFloatArray) -> FloatArray:
        """Return line integrals (views, bins) of `image` (size, size), in its unit times that of `pixel`."""
        self._check(image, (self.size, self.size))
        values = image.astype(np.float64).ravel()
        sinogram = np.empty((self.views, self.bins), np.float32)
        for view in range(self.views):
            profile = np.zeros(self.bins)
            for part in PARTS:
                lower, share = _neighbours(self.positions(view, part))
                profile += np.bincount(lower, values * (1 - share), minlength=self.bins)
                profile += np.bincount(lower + 1, values * share, minlength=self.bins)
            # A bin is one pixel wide: the sum of the pixels over it, times their side, is the mean line integral.
            sinogram[view] = profile * (self.pixel / len(PARTS))
        return sinogram

    def filtered_back_projection(self, sinograms: AnyFloatArray, window: str = "ramp") -> FloatArray:
        """Reconstruct images from line integrals.

        Kak and Slaney, *Principles of Computerized Tomographic Imaging*, 1988, section 3.3: the ramp filter is
        made from its band-limited response in space, so that the mean is right.

        Parameters
        ----------
        sinograms
            (views, bins), or (N, views, bins) for several at once, which is faster for each.
        window
            What the ramp is multiplied with up to the Nyquist frequency: one of :data:`FILTERS`.

        Returns
        -------
        float32 (size, size) or (N, size, size), in the unit of the integrals divided by that of `pixel`.
        """
        return self.back_project(self.filter(sinograms, window))

    def filter(self, sinograms: AnyFloatArray, window: str = "ramp") -> FloatArray:
        """Apply the ramp filter, times a window, to line integrals (..., views, bins)."""
        self._check(sinograms, (self.views, self.bins))
        length = 1 << int(np.ceil(np.log2(2 * self.bins)))
        response = _ramp_response(length, window) / self.pixel
        spectrum = np.fft.rfft(sinograms, n=length, axis=-1) * response
        return np.fft.irfft(spectrum, n=length, axis=-1)[..., : self.bins].astype(np.float32)

    def back_project(self, filtered: AnyFloatArray) -> FloatArray:
        """Smear filtered integrals (views, bins) or (N, views, bins) back: pi times the mean over the angles."""
        self._check(filtered, (self.views, self.bins))
        stack = filtered[None] if filtered.ndim == 2 else filtered
        # Eight positions per bin by linear interpolation, then the nearest: one look-up for each pixel.
        fine = 8
        grid = np.arange(self.bins * fine) / fine
        lower = np.minimum(grid.astype(np.intp), self.bins - 2)
        share = (grid - lower)[:, None].astype(np.float32)
        image = np.zeros((self.size * self.size, stack.shape[0]), np.float32)
        for view in range(self.views):
            profile = stack[:, view].T
            table = profile[lower] * (1 - share) + profile[lower + 1] * share
            nearest = (self.positions(view) * np.float32(fine) + np.float32(0.5)).astype(np.int32)
            image += np.take(table, nearest.ravel(), axis=0)
        image *= np.float32(np.pi / self.views)
        images = np.ascontiguousarray(image.T).reshape(-1, self.size, self.size)
        return images[0] if filtered.ndim == 2 else images

    def system_matrix(self) -> csr_matrix:
        """Return the sparse matrix (views * bins, size * size) of the projection, made once and kept.

        Meant for images of about 128x128; larger ones need gigabytes.
        """
        return _system_matrix(self)

    def _check(self, array: AnyFloatArray, shape: tuple[int, int]) -> None:
        if array.shape[-2:] != shape:
            raise OptionError(ErrorCode.OPTION, f"an array of the shape {shape} is needed, not {array.shape}")


def ordered_subsets(
    beam: ParallelBeam,
    counts: AnyFloatArray,
    *,
    sensitivity: AnyFloatArray,
    background: AnyFloatArray,
    iterations: int = 2,
    subsets: int = 12,
) -> FloatArray:
    """Reconstruct emission counts by OSEM (Hudson and Larkin, IEEE TMI 13, 1994).

    Parameters
    ----------
    beam
        Geometry; `subsets` must divide its views.
    counts
        Measured counts (views, bins).
    sensitivity
        Expected counts of a ray through unit activity over one unit of `beam.pixel` (views, bins): calibration
        times attenuation.
    background
        Expected randoms and scatter (views, bins), above 0 wherever a ray sees nothing else.

    Returns
    -------
    float32 (size, size), not negative, in the unit of activity that `sensitivity` refers to.
    """
    if beam.views % subsets:
        raise OptionError(ErrorCode.OPTION, f"{subsets} subsets do not divide {beam.views} views", where="subsets")
    parts = []
    for chosen, part, transposed in _subset_matrices(beam, subsets):
        gain = sensitivity.ravel()[chosen].astype(np.float64)
        norm = transposed @ gain
        parts.append((part, transposed, gain, norm, counts.ravel()[chosen], background.ravel()[chosen]))
    image = np.ones(beam.size * beam.size)
    for _ in range(iterations):
        for part, transposed, gain, norm, measured, noise in parts:
            expected = gain * (part @ image) + noise
            ratio = np.divide(measured, expected, out=np.zeros_like(expected), where=expected > 0)
            image *= np.divide(transposed @ (gain * ratio), norm, out=np.zeros_like(norm), where=norm > 0)
    return image.reshape(beam.size, beam.size).astype(np.float32)


def _neighbours(positions: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Return the lower of the two bins that each position falls between, and the share of the upper one."""
    flat = positions.ravel()
    lower = flat.astype(np.intp)
    return lower, (flat - lower).astype(np.float32)


@lru_cache(maxsize=2)
def _subset_matrices(beam: ParallelBeam, subsets: int) -> list[tuple[npt.NDArray[np.intp], csr_matrix, csr_matrix]]:
    """Return, for each subset of the views, its rows in a sinogram, their projection, and its transpose."""
    matrix = beam.system_matrix()
    rows = np.arange(beam.views * beam.bins).reshape(beam.views, beam.bins)
    chosen = [rows[first::subsets].ravel() for first in range(subsets)]
    return [(index, matrix[index], matrix[index].T.tocsr()) for index in chosen]


def _ramp_response(length: int, window: str) -> npt.NDArray[np.float64]:
    """Return the frequency response of the ramp filter for unit spacing, times a window."""
    if window not in FILTERS:
        raise OptionError(
            ErrorCode.OPTION, f"the filter is one of {', '.join(FILTERS)}, not '{window}'", where="window"
        )
    position = np.fft.fftfreq(length, 1 / length).astype(int)
    kernel = np.zeros(length)
    kernel[0] = 0.25
    odd = position % 2 == 1
    kernel[odd] = -1.0 / (np.pi * position[odd]) ** 2
    frequency = np.fft.rfftfreq(length)  # up to 0.5, the Nyquist frequency
    shape = {
        "ramp": np.ones_like(frequency),
        "shepp-logan": np.sinc(frequency),
        "cosine": np.cos(np.pi * frequency),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * frequency),
    }[window]
    response: npt.NDArray[np.float64] = np.fft.rfft(kernel).real * shape
    return response


@lru_cache(maxsize=2)
def _system_matrix(beam: ParallelBeam) -> csr_matrix:
    from scipy.sparse import coo_matrix

    pixels = np.arange(beam.size * beam.size)
    blocks = []
    for view in range(beam.views):
        rows, columns, weights = [], [], []
        for part in PARTS:
            lower, share = _neighbours(beam.positions(view, part))
            rows += [lower, lower + 1]
            columns += [pixels, pixels]
            weights += [1 - share, share]
        data = np.concatenate(weights) * np.float32(beam.pixel / len(PARTS))
        index = (np.concatenate(rows), np.concatenate(columns))
        blocks.append(coo_matrix((data, index), shape=(beam.bins, pixels.size)).tocsr())
    from scipy.sparse import vstack

    stacked: csr_matrix = vstack(blocks, format="csr")
    return stacked
