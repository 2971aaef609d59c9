"""Loss of resolution: bicubic reduction as MATLAB does it, and truncation of k-space."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from datprl_toolkit.degradations.arrays import AnyFloatArray, FloatArray, as_float32, check_image
from datprl_toolkit.errors import ErrorCode, OptionError


def resize_bicubic(image: AnyFloatArray, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Resize an image with the bicubic kernel and antialiasing of MATLAB's ``imresize``.

    Keys' kernel (IEEE Trans. ASSP 29, 1981) with a = -0.5; when an axis shrinks, the kernel is widened by the
    factor. The image is continued by mirroring its edge pixels, and the weights of each pixel sum to one.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), any range.
    shape
        Height and width of the result.

    Returns
    -------
    float64 array in the range of the input, with the over- and undershoots of the kernel (not clipped).
    """
    check_image(image)
    if min(shape) < 1:
        raise OptionError(ErrorCode.OPTION, f"a height and width above 0 are needed, not {shape}", where="shape")
    rows = bicubic_weights(image.shape[0], shape[0])
    columns = bicubic_weights(image.shape[1], shape[1])
    tall = np.tensordot(rows, image.astype(np.float64), axes=(1, 0))
    return np.ascontiguousarray(np.moveaxis(np.tensordot(columns, tall, axes=(1, 1)), 0, 1))


@lru_cache(maxsize=128)
def bicubic_weights(size: int, new_size: int) -> npt.NDArray[np.float64]:
    """Return the (new_size, size) matrix that resizes one axis; see :func:`resize_bicubic`."""
    scale = new_size / size
    stretch = min(scale, 1.0)  # below 1 the kernel is widened: antialiasing
    support = 4.0 / stretch
    centres = (np.arange(new_size) + 0.5) / scale - 0.5
    first = np.floor(centres - support / 2)
    taps = first[:, None] + np.arange(int(np.ceil(support)) + 2)[None]
    weights = _keys_kernel(stretch * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    # Mirrored with the edge pixel repeated, period 2 * size.
    mirrored = np.mod(taps, 2 * size).astype(int)
    columns = np.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    matrix = np.zeros((new_size, size))
    np.add.at(matrix, (np.arange(new_size)[:, None], columns), weights)
    matrix.setflags(write=False)
    return matrix


def bicubic_low_resolution(image: AnyFloatArray, factor: int = 4) -> FloatArray:
    """Reduce an image by `factor` and enlarge it to its old size, both with :func:`resize_bicubic`.

    Parameters
    ----------
    image
        (H, W) or (H, W, C) in [0, 1].
    factor
        Reduction of each axis. A size that is no multiple of it is rounded up.

    Returns
    -------
    float32 array of the shape of `image`, in [0, 1]. Both images are clipped and rounded to 8 bit, as images in
    files are.
    """
    low = resize_bicubic(image, (-(-image.shape[0] // factor), -(-image.shape[1] // factor)))
    low = np.round(np.clip(low, 0.0, 1.0) * 255.0) / 255.0
    high = np.clip(resize_bicubic(low, image.shape[:2]), 0.0, 1.0)
    return as_float32(np.round(high * 255.0) / 255.0)


def truncate_k_space(image: AnyFloatArray, factor: int = 4) -> FloatArray:
    """Keep the central ``1/factor`` of k-space along each axis, fill the rest with zeros, return the magnitude.

    What a scanner gives that measures fewer phase encodings and readout points: sinc interpolation with Gibbs
    ringing. With `factor` 4, a sixteenth of the samples remains.

    Parameters
    ----------
    image
        Magnitude image (H, W), any unit, not negative.
    factor
        Reduction of each axis.

    Returns
    -------
    float32 (H, W) in the unit of the input, with nearly its mean.
    """
    check_image(image)
    if image.ndim != 2 or factor < 1:
        raise OptionError(
            ErrorCode.OPTION, f"a slice (H, W) and a factor of 1 or more are needed, not {image.shape}, {factor}"
        )
    spectrum = np.fft.fft2(image.astype(np.float64))
    kept = np.zeros_like(spectrum)
    rows, columns = (_central(size, factor) for size in image.shape)
    kept[np.ix_(rows, columns)] = spectrum[np.ix_(rows, columns)]
    return as_float32(np.abs(np.fft.ifft2(kept)))


def _central(size: int, factor: int) -> npt.NDArray[np.intp]:
    """Return the indices, in the order of an FFT, of the lowest ``size / factor`` frequencies."""
    count = max(1, round(size / factor))
    return np.arange(-(count // 2), count - count // 2)


def _keys_kernel(position: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cubic convolution kernel of Keys with a = -0.5."""
    x = np.abs(position)
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return np.where(x <= 1.0, near, np.where(x <= 2.0, far, 0.0))
