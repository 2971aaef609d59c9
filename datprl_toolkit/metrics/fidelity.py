"""PSNR and SSIM as published: on the rounded 8-bit image, in float64, without a border crop."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, OptionError

WINDOW = 11
SIGMA = 1.5
PEAK = 255.0

FloatOrInteger = npt.NDArray[np.floating] | npt.NDArray[np.integer]
Float64Array = npt.NDArray[np.float64]


def psnr(image: FloatOrInteger, reference: FloatOrInteger) -> float:
    """Peak signal-to-noise ratio of two images, in dB.

    Parameters
    ----------
    image, reference
        (H, W) or (H, W, C), either integers 0 to 255 or floats in [0, 1], which are clipped and rounded to 8 bit.

    Returns
    -------
    ``10 log10(255**2 / MSE)`` over all pixels and channels; infinity for equal images.

    Raises
    ------
    OptionError
        ``E_OPTION`` if the shapes differ.
    """
    first, second = _pair(image, reference)
    error = float(np.mean((first - second) ** 2))
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(PEAK**2 / error))


def ssim(image: FloatOrInteger, reference: FloatOrInteger) -> float:
    """Structural similarity of two images (Wang et al., IEEE TIP 13, 2004).

    Gaussian window of 11x11 pixels with sigma 1.5, constants 0.01 and 0.03, mean over the pixels whose window lies
    wholly inside the image, then over the channels.

    Parameters
    ----------
    image, reference
        As for :func:`psnr`, at least 11 pixels high and wide.

    Raises
    ------
    OptionError
        ``E_OPTION`` if the shapes differ or the images are smaller than the window.
    """
    first, second = _pair(image, reference)
    if min(first.shape[:2]) < WINDOW:
        raise OptionError(ErrorCode.OPTION, f"SSIM needs images of {WINDOW}x{WINDOW} pixels or more, not {first.shape}")
    if first.ndim == 2:
        return _ssim_channel(first, second)
    channels = range(first.shape[2])
    return float(np.mean([_ssim_channel(first[..., c], second[..., c]) for c in channels]))


def _pair(image: FloatOrInteger, reference: FloatOrInteger) -> tuple[Float64Array, Float64Array]:
    if image.shape != reference.shape or image.ndim not in (2, 3) or image.size == 0:
        raise OptionError(
            ErrorCode.OPTION,
            f"two images of the same shape (H, W) or (H, W, C) are needed, not {image.shape} and {reference.shape}",
        )
    return _eight_bit(image), _eight_bit(reference)


def _eight_bit(image: FloatOrInteger) -> Float64Array:
    """Return values 0 to 255 in float64."""
    if np.issubdtype(image.dtype, np.integer):
        return image.astype(np.float64)
    rounded: Float64Array = np.rint(np.clip(image.astype(np.float64), 0.0, 1.0) * PEAK)
    return rounded


def _ssim_channel(first: Float64Array, second: Float64Array) -> float:
    """Return the mean SSIM of two channels (H, W)."""
    small, large = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean_1, mean_2 = _filter(first), _filter(second)
    variance_1 = _filter(first * first) - mean_1**2
    variance_2 = _filter(second * second) - mean_2**2
    covariance = _filter(first * second) - mean_1 * mean_2
    numerator = (2 * mean_1 * mean_2 + small) * (2 * covariance + large)
    denominator = (mean_1**2 + mean_2**2 + small) * (variance_1 + variance_2 + large)
    return float(np.mean(numerator / denominator))


def _filter(image: Float64Array) -> Float64Array:
    """Apply the Gaussian window where it fits wholly: (H - 10, W - 10)."""
    position = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-(position**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    height, width = image.shape[0] - WINDOW + 1, image.shape[1] - WINDOW + 1
    rows = sum(weight * image[i : i + height] for i, weight in enumerate(kernel))
    filtered: Float64Array = np.asarray(sum(weight * rows[:, i : i + width] for i, weight in enumerate(kernel)))
    return filtered
