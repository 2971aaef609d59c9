"""Degrade what was read: the simulators applied to volumes, scenes and pictures, the same for every way in."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.degradations import low_count_pet, low_dose_ct, truncate_k_space
from datprl_toolkit.degradations.low_dose import AIR_HU
from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.restoring.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.remote_sensing.scene import Scene

PET_COUNTS = 100.0
"""Counts per SUV, cm and ray: about 1.5 million true coincidences in a slice through the trunk."""


def lower_ct_dose(
    volume: Volume,
    destination: Path,
    *,
    dose: float,
    seed: int = 0,
    window: str = "hann",
    views: int = 720,
    progress: ProgressCallback = silent,
) -> Volume:
    """Write a CT as it would be at a share of the dose; see :func:`datprl_toolkit.degradations.low_dose_ct`.

    Slices that are not square are continued with air for the projections.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for another modality, or pixels that are not square.
    """
    from datprl_toolkit.medical.simulation import check_modality, simulate_volume

    check_modality(volume, "CT", "a low dose")
    pixel_mm = _square_pixel(volume)

    def change(index: int, hounsfield: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
        square = _as_square(hounsfield, AIR_HU)
        generator = np.random.default_rng([seed, index])
        noisy = low_dose_ct(square, dose, generator, pixel_mm=pixel_mm, window=window, views=views)
        return _back(noisy, hounsfield)

    method = f"CT at a dose of {dose:g}, filter {window}, {views} views, seed {seed}"
    return simulate_volume(volume, destination, change, method, progress)


def lower_pet_counts(
    volume: Volume,
    destination: Path,
    *,
    fraction: float,
    seed: int = 0,
    counts: float = PET_COUNTS,
    iterations: int = 2,
    progress: ProgressCallback = silent,
) -> Volume:
    """Write a PET as it would be from a share of the counts; see :func:`datprl_toolkit.degradations.low_count_pet`.

    Parameters
    ----------
    fraction
        Share of the counts.
    counts
        Of the full scan in one ray, per SUV and cm.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for another modality, or pixels that are not square; ``E_QUANTITY`` if the factor from
        activity to SUV, which says how much there is to count, cannot be computed.
    """
    from datprl_toolkit.medical.opening import series_of
    from datprl_toolkit.medical.profiles import volume_suv_factor
    from datprl_toolkit.medical.simulation import check_modality, simulate_volume

    check_modality(volume, "PT", "a low count")
    pixel_mm = _square_pixel(volume)
    factor = 1.0 if volume.unit == "SUV" else volume_suv_factor(volume, series_of(volume).earliest)

    def change(index: int, activity: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
        uptake = _as_square(activity * factor, 0.0)
        generator = np.random.default_rng([seed, index])
        low = low_count_pet(
            uptake, fraction, generator, pixel_mm=pixel_mm, counts_per_activity=counts, iterations=iterations
        )
        return _back(low.astype(np.float64), activity) / factor

    method = (
        f"PET from a share of {fraction:g} of {counts:g} counts per SUV, cm and ray, {iterations} iterations of OSEM"
    )
    return simulate_volume(volume, destination, change, f"{method}, seed {seed}", progress)


def lower_mr_resolution(
    volume: Volume, destination: Path, *, factor: int, progress: ProgressCallback = silent
) -> Volume:
    """Write an MR whose k-space was truncated; see :func:`datprl_toolkit.degradations.truncate_k_space`.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for another modality.
    """
    from datprl_toolkit.medical.simulation import check_modality, simulate_volume

    check_modality(volume, "MR", "a low resolution")

    def change(index: int, magnitude: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
        return truncate_k_space(np.maximum(magnitude, 0.0), factor)

    return simulate_volume(volume, destination, change, f"MR with 1/{factor} of k-space along each axis", progress)


def degrade_picture(
    picture: Picture,
    change: Callable[[npt.NDArray[np.float32], np.random.Generator], npt.NDArray[np.floating]],
    seed: int,
) -> Picture:
    """Return a picture that a simulator spoiled.

    Parameters
    ----------
    picture
        8 or 16 bit; transparency and metadata stay.
    change
        Takes (H, W) or (H, W, 3) in [0, 1] and a source of randomness, which depends on the seed and on the picture,
        so that each of many pictures gets weather of its own.
    """
    from dataclasses import replace

    largest = np.float32(np.iinfo(np.uint16).max if picture.pixels.dtype == np.uint16 else np.iinfo(np.uint8).max)
    clean = picture.pixels.astype(np.float32) / largest
    spoilt = np.clip(change(clean, _generator(seed, picture.pixels)), 0.0, 1.0)
    return replace(picture, pixels=np.rint(spoilt * largest).astype(picture.pixels.dtype))


def degrade_scene(
    scene: Scene,
    destination: Path,
    change: Callable[[npt.NDArray[np.float32], np.random.Generator], npt.NDArray[np.floating]],
    *,
    method: str,
    seed: int,
    scaling: str | None = None,
) -> Scene:
    """Write a scene that a simulator spoiled; missing data stay missing.

    Parameters
    ----------
    change
        As for :func:`degrade_picture`, on (H, W, C) of all bands but alpha.
    method
        For the metadata: what was simulated, with its parameters.
    scaling
        Stored values that are [0, 1], as for restoring.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for a scene too large to be changed as a whole.
    """
    from datprl_toolkit.remote_sensing.rewriting import change_scene

    def spoil(clean: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
        return change(clean, _generator(seed, clean)).clip(0.0, 1.0)

    provenance = {"DATPRL_SIMULATED": f"{method}, seed {seed}"}
    return change_scene(scene, destination, spoil, provenance=provenance, scaling=scaling)


def _generator(seed: int, content: npt.NDArray[np.generic]) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(content).view(np.uint8).data)])


def _square_pixel(volume: Volume) -> float:
    """Return the side of a pixel in mm."""
    rows, columns = volume.slices[0].geometry.spacing
    if abs(rows - columns) > 0.01 * rows:
        raise InputError(
            ErrorCode.UNSUPPORTED, f"projections are simulated for square pixels, not {rows:g} x {columns:g} mm"
        )
    return float(rows)


def _as_square(image: npt.NDArray[np.float64], fill: float) -> npt.NDArray[np.float64]:
    """Continue a slice at the end of its shorter axis."""
    side = max(image.shape)
    padded: npt.NDArray[np.float64] = np.pad(
        image, [(0, side - length) for length in image.shape], constant_values=fill
    )
    return padded


def _back(square: npt.NDArray[np.floating], image: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    return square[: image.shape[0], : image.shape[1]]
