"""Rain streaks, haze and clouds in front of a clean image."""

from __future__ import annotations

import numpy as np

from datprl_toolkit.degradations.arrays import (
    AnyFloatArray,
    FloatArray,
    as_float32,
    check_fraction,
    check_image,
    fractal_field,
    over_channels,
)
from datprl_toolkit.degradations.shake import convolve_mirrored


def rain_layer(
    shape: tuple[int, int],
    generator: np.random.Generator,
    *,
    density: float,
    angle: float,
    strength: float = 0.8,
    scales: int = 3,
) -> FloatArray:
    """Draw rain streaks: drops as sparse noise, blurred along their fall, at several distances.

    Parameters
    ----------
    shape
        Height and width.
    generator
        Source of randomness.
    density
        Share of the pixels at which a streak of the nearest scale begins, such as 0.002 (light) to 0.02 (heavy).
    angle
        Direction of the fall against the vertical, in degrees; each scale deviates from it by a few degrees.
    strength
        Brightness of the brightest streaks.
    scales
        Number of distances. Farther rain has more, shorter and fainter streaks.

    Returns
    -------
    float32 (H, W) in [0, 1]: the light of the streaks.
    """
    check_fraction(density, "density")
    layer = np.zeros(shape, np.float64)
    for scale in range(scales):
        distance = 1.6**scale
        drops = generator.random(shape) < density * distance
        brightness = generator.uniform(0.4, 1.0, shape) / distance
        length = generator.uniform(14.0, 34.0) / distance
        kernel = streak_kernel(length, angle + generator.normal(0.0, 3.0), generator.uniform(0.45, 0.9))
        layer += convolve_mirrored(drops * brightness, kernel / kernel.max())
    return as_float32(np.clip(strength * layer, 0.0, 1.0))


def streak_kernel(length: float, angle: float, width: float) -> FloatArray:
    """Return a Gaussian-sided line of `length` and `width` (standard deviation) pixels, sum 1.

    `angle` is measured in degrees from the vertical axis (rows), positive towards larger columns.
    """
    reach = int(np.ceil(length / 2 + 3 * width))
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    radians = np.deg2rad(angle)
    along = rows * np.cos(radians) + columns * np.sin(radians)
    across = -rows * np.sin(radians) + columns * np.cos(radians)
    beyond = np.maximum(np.abs(along) - length / 2, 0.0)
    kernel = np.exp(-(across**2 + beyond**2) / (2 * width**2))
    return as_float32(kernel / kernel.sum())


def add_rain(image: AnyFloatArray, layer: AnyFloatArray) -> FloatArray:
    """Blend streaks over an image: ``1 - (1 - image) (1 - layer)``.

    The screen blend is the sum of the two lights where both are weak, and never exceeds 1.

    Parameters
    ----------
    image
        (H, W) or (H, W, C) in [0, 1].
    layer
        (H, W) in [0, 1], such as :func:`rain_layer` gives.
    """
    check_image(image)
    return as_float32(1.0 - (1.0 - image) * (1.0 - over_channels(layer, image)))


def transmission_field(
    shape: tuple[int, int], generator: np.random.Generator, *, mean: float, variation: float
) -> FloatArray:
    """Draw a smooth field of transmission ``t = exp(-optical depth)``.

    Parameters
    ----------
    shape
        Height and width.
    mean
        Transmission where the optical depth has its mean, in (0, 1].
    variation
        Relative half range of the optical depth, 0 for an even haze, up to 1.
    """
    check_fraction(mean, "mean")
    depth = fractal_field(shape, 4.0, generator)
    return as_float32(np.exp(np.log(mean) * (1.0 + variation * (2.0 * depth - 1.0))))


def add_haze(image: AnyFloatArray, transmission: AnyFloatArray, airlight: AnyFloatArray | float) -> FloatArray:
    """Scatter light into an image: ``I = J t + A (1 - t)`` (Koschmieder 1924; McCartney 1976).

    Parameters
    ----------
    image
        Clean image J, (H, W) or (H, W, C) in [0, 1].
    transmission
        t, (H, W) in [0, 1].
    airlight
        A in [0, 1], one value or one per channel.
    """
    check_image(image)
    t = over_channels(transmission, image)
    return as_float32(np.clip(image * t + np.asarray(airlight) * (1.0 - t), 0.0, 1.0))


def cloud_opacity(
    shape: tuple[int, int], generator: np.random.Generator, *, cover: float, softness: float
) -> FloatArray:
    """Draw the opacity of broken clouds: a fractal field above a threshold.

    Parameters
    ----------
    shape
        Height and width.
    cover
        Share of the pixels with any cloud, in (0, 1].
    softness
        Width of the cloud's edge as a share of the field's range, above 0: 0.1 is dense cumulus, 0.8 thin cirrus.
    """
    check_fraction(cover, "cover")
    field = fractal_field(shape, generator.uniform(2.6, 3.6), generator)
    threshold = float(np.quantile(field, 1.0 - cover))
    ramp = np.clip((field - threshold) / max(softness, 1e-6), 0.0, 1.0)
    return as_float32(ramp * ramp * (3.0 - 2.0 * ramp))


def add_clouds(
    image: AnyFloatArray,
    opacity: AnyFloatArray,
    *,
    brightness: float = 0.95,
    shadow: float = 0.4,
    offset: tuple[int, int] = (12, 12),
) -> FloatArray:
    """Put clouds over a scene, and their shadow beside them.

    Parameters
    ----------
    image
        (H, W) or (H, W, C) in [0, 1].
    opacity
        (H, W) in [0, 1], such as :func:`cloud_opacity` gives.
    brightness
        Value of an opaque cloud.
    shadow
        Share of the light that an opaque cloud keeps from the ground.
    offset
        Where the shadow falls: rows and columns from its cloud, by sun height and cloud height.
    """
    check_image(image)
    shade = 1.0 - shadow * displaced(opacity, offset)
    lit = image * over_channels(shade, image)
    alpha = over_channels(opacity, image)
    return as_float32(np.clip(lit * (1.0 - alpha) + brightness * alpha, 0.0, 1.0))


def displaced(field: AnyFloatArray, offset: tuple[int, int]) -> FloatArray:
    """Return a field (H, W) moved by rows and columns; what comes in from outside is as the field is at its edge."""
    rows, columns = (np.arange(length) - by for length, by in zip(field.shape, offset, strict=True))
    moved = field[rows.clip(0, field.shape[0] - 1)][:, columns.clip(0, field.shape[1] - 1)]
    return as_float32(moved)


def cumulus_opacity(
    shape: tuple[int, int], generator: np.random.Generator, *, cover: float, spacing: float, shift: float = 0.0
) -> FloatArray:
    """Draw the opacity of a field of small dense clouds, one for each of three bands.

    A push-broom sensor looks at one place in its bands one after the other and from other angles, so that clouds,
    which are high and move, lie elsewhere in each of them (as in Landsat 8 OLI and Sentinel-2 MSI).

    Parameters
    ----------
    shape
        Height and width.
    cover
        Share of the pixels with any cloud, in (0, 1].
    spacing
        Mean distance of the clouds in pixels; they are longer one way than the other, as in streets of cumulus.
    shift
        How far the first and the last band lie from the middle one, in pixels, in opposite directions.

    Returns
    -------
    (H, W, 3) in [0, 1], 1 in the thickest clouds.
    """
    check_fraction(cover, "cover")
    height, width = 2 * shape[0], 2 * shape[1]
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    angle, stretch = generator.uniform(0, np.pi), generator.uniform(1.0, 1.6)
    along = (columns * np.cos(angle) + rows * np.sin(angle)) * stretch
    across = (rows * np.cos(angle) - columns * np.sin(angle)) / stretch
    frequency = np.maximum(np.hypot(along, across) * spacing, 1e-6)
    # Most around the spacing; finer structure above it, and below it regions of more and of fewer clouds.
    amplitude = np.where(frequency < 1.0, frequency, frequency ** -generator.uniform(2.0, 3.5))
    amplitude += (frequency < 0.25) * generator.uniform(0.0, 1.5)
    spectrum = np.fft.rfft2(generator.standard_normal((height, width))) * amplitude
    spectrum[0, 0] = 0.0
    direction = generator.uniform(0, 2 * np.pi)
    phase = 2j * np.pi * shift * (rows * np.sin(direction) + columns * np.cos(direction))
    bands = [np.fft.irfft2(spectrum * np.exp(step * phase), s=(height, width)) for step in (-1, 0, 1)]
    field = np.stack([band[: shape[0], : shape[1]] for band in bands], axis=-1)
    threshold, high = np.quantile(field[..., 1], [1.0 - cover, 0.995])
    ramp = np.clip((field - threshold) / (high - threshold), 0.0, 1.0)
    return as_float32(ramp ** generator.uniform(0.8, 1.8))
