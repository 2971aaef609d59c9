"""The degradations that are too slow to be made anew for every crop: computed once, stored as sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from datprl_toolkit.degradations import (
    bicubic_low_resolution,
    cloud_opacity,
    fractal_field,
    low_count_pet,
    low_dose_ct_noise,
    rain_layer,
    shake_kernel,
    truncate_k_space,
)
from datprl_toolkit.training.prepared import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


CT_DOSES = (0.1, 0.25, 0.5)
PET_FRACTIONS = (0.05, 0.1, 0.25)
CT_LOW, CT_HIGH = -160.0, 240.0
SUV_HIGH = 20.0
CT_VIEWS = 480
# Counts per SUV, cm and ray: about 1.5 million true coincidences in a slice through the trunk.
PET_COUNTS = 100.0


def to_bytes(image: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Round an image in [0, 1] to 8 bit."""
    rounded: npt.NDArray[np.uint8] = np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    return rounded


def to_words(image: npt.NDArray[np.floating]) -> npt.NDArray[np.uint16]:
    """Round an image in [0, 1] to 16 bit."""
    rounded: npt.NDArray[np.uint16] = np.rint(np.clip(image, 0.0, 1.0) * 65535.0).astype(np.uint16)
    return rounded


def from_integers(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the [0, 1] image that :func:`to_bytes` or :func:`to_words` rounded; floats stay as they are."""
    if image.dtype == np.uint8:
        return image.astype(np.float32) * np.float32(1 / 255)
    if image.dtype == np.uint16:
        return image.astype(np.float32) * np.float32(1 / 65535)
    return image.astype(np.float32)


def is_of_another_season(cloudy: npt.NDArray[np.uint8], clean: npt.NDArray[np.uint8]) -> bool:
    """Tell whether the image under clouds (H, W, 3) is darker than the clean one nearly everywhere.

    Clouds make an image brighter, and darker where their shadow falls. What is darker by 3 % of the range over 0.8 of
    the area was taken under a lower sun: of RICE2's pairs at hand either 0.9 or more are, or 0.02 at the most.
    """
    difference = (from_integers(cloudy) - from_integers(clean)).mean(axis=2)
    return float((gaussian_filter(difference, 3.0) < -0.03).mean()) > 0.8


def super_resolution_source(name: str, images: Sequence[npt.NDArray[np.uint8]], note: str = "") -> Source:
    """Pair 8-bit images with their x4 bicubic version; sizes are cropped to multiples of four."""
    clean = [image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4] for image in images]
    degraded = [to_bytes(bicubic_low_resolution(from_integers(image))) for image in clean]
    return Source(name, {"clean": clean, "degraded": degraded}, note)


def k_space_source(name: str, slices: Sequence[npt.NDArray[np.floating]], note: str = "") -> Source:
    """Pair MR slices in [0, 1] with their x4 zero-filled version, as 16 bit."""
    degraded = [to_words(truncate_k_space(image)) for image in slices]
    return Source(name, {"clean": [to_words(image) for image in slices], "degraded": degraded}, note)


def ct_source(
    name: str,
    slices: Sequence[npt.NDArray[np.floating]],
    pixel_mm: float,
    seed: int,
    note: str = "",
    realisations: int = 2,
) -> Source:
    """Keep CT slices in HU with realisations of the noise of :data:`CT_DOSES`.

    The field "noise" is (doses, realisations, H, W) per slice, float16 in HU. Reconstruction filters are drawn,
    softer ones more often, so that the network does not learn one texture.
    """
    doses = [dose for dose in CT_DOSES for _ in range(realisations)]
    noise = []
    for index, image in enumerate(slices):
        generator = np.random.default_rng([seed, index])
        windows = generator.choice(["hann", "cosine", "shepp-logan", "ramp"], len(doses), p=[0.4, 0.3, 0.2, 0.1])
        made = low_dose_ct_noise(
            image, doses, generator, pixel_mm=pixel_mm, windows=[str(w) for w in windows], views=CT_VIEWS
        )
        noise.append(made.reshape(len(CT_DOSES), realisations, *image.shape).astype(np.float16))
    clean = [np.rint(image).astype(np.int16) for image in slices]
    return Source(name, {"clean": clean, "noise": noise}, note)


def pet_source(
    name: str,
    slices: Sequence[npt.NDArray[np.floating]],
    pixel_mm: float,
    seed: int,
    note: str = "",
    realisations: int = 3,
) -> Source:
    """Keep PET slices in SUV with low-count versions of :data:`PET_FRACTIONS`.

    The field "degraded" is (fractions, realisations, H, W) per slice, float32 SUV. Count level and number of
    iterations vary, so that the network does not learn one scanner.
    """
    degraded = []
    for index, image in enumerate(slices):
        generator = np.random.default_rng([seed, index])
        made = [
            low_count_pet(
                image,
                fraction,
                generator,
                pixel_mm=pixel_mm,
                counts_per_activity=PET_COUNTS * 2.0 ** generator.uniform(-1, 1),
                iterations=int(generator.integers(2, 5)),
            )
            for fraction in PET_FRACTIONS
            for _ in range(realisations)
        ]
        degraded.append(np.stack(made).reshape(len(PET_FRACTIONS), realisations, *image.shape))
    return Source(name, {"clean": [image.astype(np.float32) for image in slices], "degraded": degraded}, note)


def rain_source(count: int, shape: tuple[int, int], seed: int) -> Source:
    """Make rain streaks, light to heavy, as 8-bit layers."""
    layers = []
    for index in range(count):
        generator = np.random.default_rng([seed, index])
        density = 0.0004 * 12 ** generator.random()
        angle = generator.normal(0.0, 18.0)
        strength = generator.uniform(0.25, 0.9)
        layers.append(to_bytes(rain_layer(shape, generator, density=density, angle=angle, strength=strength)))
    return Source("rain_layers_simulated", {"layer": layers}, "simulated streaks, density 0.0004-0.005 per pixel")


def real_rain_source(pairs: Source) -> Source:
    """Streaks of real training pairs: what the rainy image has more than the clean one, mean over colours."""
    layers = []
    for clean, rainy in zip(pairs["clean"], pairs["degraded"], strict=True):
        difference = rainy.astype(np.float32).mean(axis=2) - clean.astype(np.float32).mean(axis=2)
        layers.append(np.clip(np.rint(difference), 0, 255).astype(np.uint8))
    return Source("rain_layers_real", {"layer": layers}, f"streaks of {pairs.name}, training scenes only")


def shake_source(count: int, seed: int, size: int = 31) -> Source:
    """Make camera shake: kernels with paths of 3 to 27 pixels."""
    kernels = []
    for index in range(count):
        generator = np.random.default_rng([seed, index])
        kernels.append(shake_kernel(generator.uniform(3.0, 27.0), generator, size))
    return Source("shake_kernels", {"kernel": kernels}, "simulated camera shake, paths of 3-27 px")


def sky_source(count: int, shape: tuple[int, int], seed: int) -> Source:
    """Fractal clouds (8-bit opacity) and smooth fields of optical depth (8 bit, 0 to 1)."""
    opacity, depth = [], []
    for index in range(count):
        generator = np.random.default_rng([seed, index])
        cover, softness = generator.uniform(0.2, 0.85), generator.uniform(0.15, 0.9)
        opacity.append(to_bytes(cloud_opacity(shape, generator, cover=cover, softness=softness)))
        depth.append(to_bytes(fractal_field(shape, generator.uniform(3.2, 4.5), generator)))
    return Source("sky_fields", {"opacity": opacity, "depth": depth}, "simulated clouds and haze")
