"""Classical restoration, to judge learnt weights by: each method with one parameter, tuned on training images.

Nothing here is part of the toolkit. ``bm3d`` is free for non-profit use only and is used where it is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter, minimum_filter, uniform_filter
from skimage import restoration

from datprl_toolkit.training.tasks import NOISY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]
    Method = Callable[[FloatArray, float], FloatArray]

skimage: Any = restoration  # parts of it have no types
HAS_BM3D = importlib.util.find_spec("bm3d") is not None
SMALLEST_TRANSMISSION = 0.1


def gaussian(image: FloatArray, sigma: float) -> FloatArray:
    """Blur; `sigma` in pixels."""
    widths = (sigma, sigma) if image.ndim == 2 else (sigma, sigma, 0)
    return np.asarray(gaussian_filter(image, widths), np.float32)


def non_local_means(image: FloatArray, factor: float) -> FloatArray:
    """Average alike patches of a grey image; `factor` times the noise found in it is the strength."""
    noise = float(skimage.estimate_sigma(image))
    restored = skimage.denoise_nl_means(
        image, h=factor * noise, sigma=noise, patch_size=5, patch_distance=6, fast_mode=True
    )
    return np.asarray(restored, np.float32)


def bm3d(image: FloatArray, factor: float) -> FloatArray:
    """Filter alike blocks of a grey image together; `factor` times the noise found in it is its standard deviation."""
    filtered: Any = importlib.import_module("bm3d").bm3d
    return np.asarray(filtered(image, sigma_psd=factor * float(skimage.estimate_sigma(image))), np.float32)


def unsharp_mask(image: FloatArray, amount: float) -> FloatArray:
    """Add `amount` of what a blur of 1.5 pixels takes away."""
    return np.clip(image + amount * (image - gaussian(image, 1.5)), 0, 1).astype(np.float32)


def median_across(image: FloatArray, width: float) -> FloatArray:
    """Take the median across streaks, which mostly fall: over `width` pixels of a row."""
    return np.asarray(median_filter(image, (1, round(width), *(1,) * (image.ndim - 2))), np.float32)


def dark_channel_prior(image: FloatArray, strength: float) -> FloatArray:
    """Remove haze as He, Sun and Tang (2009) do, its transmission refined by a guided filter; `strength` is omega."""
    dark = minimum_filter(image.min(axis=2), 15)
    brightest = dark.ravel().argsort()[-max(1, dark.size // 1000) :]
    airlight = np.maximum(image.reshape(-1, image.shape[2])[brightest].mean(axis=0), 0.1)
    coarse = 1 - strength * minimum_filter((image / airlight).min(axis=2), 15)
    transmission = np.maximum(_guided_filter(image.mean(axis=2), coarse), SMALLEST_TRANSMISSION)[..., None]
    clear: FloatArray = np.clip((image - airlight) / transmission + airlight, 0, 1).astype(np.float32)
    return clear


def _guided_filter(guide: npt.NDArray[np.floating], values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Smooth `values` where the guide is smooth."""
    size, flatness = 41, 1e-3
    mean_guide, mean_values = uniform_filter(guide, size), uniform_filter(values, size)
    covariance = uniform_filter(guide * values, size) - mean_guide * mean_values
    slope = covariance / (uniform_filter(guide * guide, size) - mean_guide**2 + flatness)
    offset = mean_values - slope * mean_guide
    smoothed: npt.NDArray[np.floating] = uniform_filter(slope, size) * guide + uniform_filter(offset, size)
    return smoothed


DENOISING: dict[str, tuple[Method, Sequence[float]]] = {
    "Gaussian": (gaussian, (0.3, 0.5, 0.7, 0.9, 1.2, 1.6, 2.0, 2.5)),
    "NLM": (non_local_means, (0.3, 0.6, 0.9, 1.3, 1.8, 2.5, 3.5)),
    **({"BM3D": (bm3d, (0.5, 1.0, 1.7, 2.5, 3.5, 5.0))} if HAS_BM3D else {}),
}
METHODS: dict[str, dict[str, tuple[Method, Sequence[float]]]] = {
    "natural_super_resolution": {"unsharp mask": (unsharp_mask, (0.2, 0.4, 0.6, 0.9, 1.3))},
    "natural_deraining": {"median": (median_across, (3, 5, 7, 9))},
    "natural_deblurring": {"unsharp mask": (unsharp_mask, (0.2, 0.4, 0.8, 1.2, 2.0))},
    "mri_super_resolution": {"unsharp mask": (unsharp_mask, (0.2, 0.4, 0.6, 0.9, 1.3))},
    "ct_denoising": DENOISING,
    "pet_synthesis": DENOISING,
    "remote_sensing_super_resolution": {"unsharp mask": (unsharp_mask, (0.2, 0.4, 0.6, 0.9, 1.3))},
    "cloud_removal": {"dark channel prior": (dark_channel_prior, (0.5, 0.7, 0.85, 0.95))},
    "dehazing": {"dark channel prior": (dark_channel_prior, (0.5, 0.7, 0.85, 0.95))},
}
"""For each task the methods and the values of their parameter that are tried."""


def best_classical(task: str, name: str, figures: list[dict[str, Any]]) -> tuple[str, float]:
    """Return the best classical method for the dose of an image, and its parameter."""
    last = name.rsplit("/", 1)[-1]
    dose = f", {float(last):.0%}" if task in NOISY else ""
    (row,) = (each for each in figures if each["task"] == f"{task}{dose}")
    method = max(row["classical"], key=lambda each: float(row["classical"][each]["psnr"]))
    return method, row["classical"][method]["parameter"]
