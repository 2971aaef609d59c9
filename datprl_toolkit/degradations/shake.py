"""Camera shake: random smooth trajectories as blur kernels, applied in linear light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.degradations.arrays import AnyFloatArray, FloatArray, as_float32, check_image
from datprl_toolkit.errors import ErrorCode, OptionError

if TYPE_CHECKING:
    import numpy.typing as npt


def shake_kernel(extent: float, generator: np.random.Generator, size: int = 31) -> FloatArray:
    """Draw the blur kernel of a hand-held exposure.

    The path of the image on the sensor is a random walk with inertia: a constant drift, plus acceleration noise
    that is smoothed by a spring to the middle (hand tremor). It is scaled to `extent`, centred on its centre of
    mass, and drawn with bilinear weights at equal steps of time.

    Parameters
    ----------
    extent
        Largest width or height of the path, in pixels; below `size` - 2.
    generator
        Source of randomness.
    size
        Height and width of the kernel, odd.

    Returns
    -------
    float32 (size, size), not negative, sum 1.
    """
    if size % 2 == 0 or not 0.0 <= extent <= size - 2:
        raise OptionError(
            ErrorCode.OPTION, f"an odd size and an extent up to size - 2 are needed, not {size} and {extent}"
        )
    path = _tremor_path(256, generator)
    path *= extent / max(float(np.ptp(path, axis=0).max()), 1e-9)
    path -= path.mean(axis=0)
    # The centre of mass is not the middle of the extent; a shift by whole pixels keeps the path inside.
    limit = (size - 1) / 2 - 0.5
    path -= np.maximum(path.max(axis=0) - limit, 0.0) + np.minimum(path.min(axis=0) + limit, 0.0)
    return _draw(path + (size - 1) / 2, size)


def blur_linear_light(
    image: AnyFloatArray,
    kernel: AnyFloatArray,
    *,
    transfer: str = "srgb",
    noise: float = 0.0,
    generator: np.random.Generator | None = None,
) -> FloatArray:
    """Blur an image as light is blurred: linearised, convolved, encoded again; then add sensor noise.

    Parameters
    ----------
    image
        (H, W) or (H, W, C) in [0, 1].
    kernel
        (k, k), odd, sum 1. The edge is continued by mirroring.
    transfer
        ``"srgb"`` (IEC 61966-2-1) where the values are encoded for display, ``"linear"`` where they are
        proportional to light already.
    noise
        Standard deviation of Gaussian noise that is added to the encoded values; needs `generator`.

    Returns
    -------
    float32 array of the shape of `image`, in [0, 1].
    """
    check_image(image)
    if transfer not in ("srgb", "linear"):
        raise OptionError(ErrorCode.OPTION, f"the transfer is 'srgb' or 'linear', not '{transfer}'", where="transfer")
    light = srgb_to_linear(image) if transfer == "srgb" else image
    blurred = np.clip(convolve_mirrored(light, kernel), 0.0, 1.0)
    encoded = linear_to_srgb(blurred) if transfer == "srgb" else blurred
    if noise > 0:
        if generator is None:
            raise OptionError(ErrorCode.OPTION, "noise needs a generator", where="noise")
        encoded = encoded + noise * generator.standard_normal(encoded.shape)
    return as_float32(np.clip(encoded, 0.0, 1.0))


def convolve_mirrored(image: AnyFloatArray, kernel: AnyFloatArray) -> npt.NDArray[np.float64]:
    """Convolve each channel with `kernel` (odd sizes) through the Fourier domain; the edge is mirrored."""
    up, left = kernel.shape[0] // 2, kernel.shape[1] // 2
    margins = ((up, up), (left, left)) + ((0, 0),) * (image.ndim - 2)
    padded = np.pad(image.astype(np.float64), margins, mode="symmetric")
    size = padded.shape[:2]
    response = np.fft.rfft2(kernel, s=size)
    response = response if image.ndim == 2 else response[..., None]
    full = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * response, s=size, axes=(0, 1))
    # The corner of the kernel is its origin: the valid part begins at kernel size - 1.
    return full[2 * up :, 2 * left :]


def srgb_to_linear(image: AnyFloatArray) -> npt.NDArray[np.float64]:
    """Decode sRGB values in [0, 1] to linear light in [0, 1] (IEC 61966-2-1)."""
    x = image.astype(np.float64)
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(light: AnyFloatArray) -> npt.NDArray[np.float64]:
    """Encode linear light in [0, 1] as sRGB values in [0, 1] (IEC 61966-2-1)."""
    x = light.astype(np.float64)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)


def _tremor_path(steps: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return positions (steps, 2) of a particle with drift, inertia and random pushes."""
    inertia = generator.uniform(0.9, 0.985)
    drift = generator.standard_normal(2) * generator.uniform(0.0, 1.0) * 0.5
    pushes = generator.standard_normal((steps, 2))
    velocity = np.zeros((steps, 2))
    current = generator.standard_normal(2)
    for step in range(steps):
        # The factor keeps the variance of the velocity at one whatever the inertia.
        current = inertia * current + np.sqrt(1 - inertia**2) * pushes[step]
        velocity[step] = current + drift
    return np.cumsum(velocity, axis=0)


def _draw(path: npt.NDArray[np.float64], size: int) -> FloatArray:
    """Spread each point of a path over its four neighbouring pixels."""
    kernel = np.zeros((size, size))
    corner = np.floor(path).astype(int)
    share = path - corner
    for row in (0, 1):
        for column in (0, 1):
            weight = np.abs(1 - row - share[:, 0]) * np.abs(1 - column - share[:, 1])
            rows = np.clip(corner[:, 0] + row, 0, size - 1)
            columns = np.clip(corner[:, 1] + column, 0, size - 1)
            np.add.at(kernel, (rows, columns), weight)
    return as_float32(kernel / kernel.sum())
