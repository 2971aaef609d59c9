"""Small helpers that the degradations share: array types, checks and smooth random fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, OptionError

FloatArray = npt.NDArray[np.float32]
AnyFloatArray = npt.NDArray[np.floating]


def check_image(image: AnyFloatArray, name: str = "image") -> None:
    """Raise ``E_OPTION`` unless `image` is (H, W) or (H, W, C), not empty, and finite."""
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise OptionError(
            ErrorCode.OPTION, f"an image has the shape (H, W) or (H, W, C), not {image.shape}", where=name
        )
    if not np.isfinite(image).all():
        raise OptionError(ErrorCode.OPTION, "the image has values that are not finite numbers", where=name)


def check_fraction(value: float, name: str) -> None:
    """Raise ``E_OPTION`` unless `value` is in (0, 1]."""
    if not 0.0 < value <= 1.0:
        raise OptionError(ErrorCode.OPTION, f"{name} is a share above 0 and up to 1, not {value}", where=name)


def as_float32(image: AnyFloatArray) -> FloatArray:
    """Return `image` as a float32 array that shares no memory with what the caller holds if it was changed."""
    return np.ascontiguousarray(image, dtype=np.float32)


def over_channels(field: AnyFloatArray, image: AnyFloatArray) -> AnyFloatArray:
    """Give a field (H, W) the trailing axis that multiplies it with every channel of `image`."""
    return field if image.ndim == 2 else field[..., None]


def fractal_field(shape: tuple[int, int], exponent: float, generator: np.random.Generator) -> FloatArray:
    """Random field with the power spectrum ``1 / f**exponent``, scaled to rise from 0 to 1.

    Spectral synthesis (Voss, *Fractals in nature*, 1988): white Gaussian noise is filtered in the Fourier
    domain. The field is cut from one twice as large, so that its opposite edges do not match.

    Parameters
    ----------
    shape
        Height and width of the result.
    exponent
        Steepness of the power spectrum; 2 is rough, 4 is smooth.
    generator
        Source of randomness.
    """
    height, width = 2 * shape[0], 2 * shape[1]
    # Radial frequency in cycles per pixel of a square pixel; the mean has no part in the field.
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(generator.standard_normal((height, width))) * frequency ** (-exponent / 2)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, s=(height, width))[: shape[0], : shape[1]]
    return unit_range(field)


def unit_range(field: AnyFloatArray) -> FloatArray:
    """Scale an array linearly so that its smallest value is 0 and its largest 1; a constant becomes 0."""
    low, high = float(field.min()), float(field.max())
    if high == low:
        return np.zeros(field.shape, np.float32)
    return as_float32((field - low) / (high - low))
