"""PSNR and SSIM as published."""

from __future__ import annotations

import math

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.metrics import psnr, ssim


def pair(channels: int = 3) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], ...]:
    generator = np.random.default_rng(0)
    first = generator.integers(0, 256, (24, 20, channels), dtype=np.uint8)
    second = np.clip(first + generator.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    return first, second


def test_psnr_is_that_of_the_mean_squared_error_over_all_channels() -> None:
    first, second = pair()
    error = sum((int(a) - int(b)) ** 2 for a, b in zip(first.ravel(), second.ravel(), strict=True)) / first.size
    assert psnr(first, second) == pytest.approx(10 * math.log10(255**2 / error), abs=1e-10)


def test_a_difference_of_one_grey_level_is_48_decibels() -> None:
    assert psnr(np.full((4, 4), 7, np.uint8), np.full((4, 4), 8, np.uint8)) == pytest.approx(48.1308036, abs=1e-6)


def test_equal_images_have_infinite_psnr_and_ssim_one() -> None:
    first, _ = pair()
    assert psnr(first, first) == math.inf
    assert ssim(first, first) == pytest.approx(1.0, abs=1e-12)


def test_floats_are_clipped_and_rounded_to_8_bit_first() -> None:
    first, second = pair()
    nudged = first / 255.0 + 0.4 / 255
    nudged[0, 0, 0] = first[0, 0, 0] / 255.0
    assert psnr(nudged, second / 255.0) == pytest.approx(psnr(first, second), abs=1e-10)
    assert psnr(np.full((2, 2), 1.7), np.full((2, 2), 255, np.uint8)) == math.inf


def test_ssim_agrees_with_a_plain_loop() -> None:
    first, second = (channel[..., 0].astype(np.float64) for channel in pair(1))
    window = np.array([[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / 4.5) for j in range(11)] for i in range(11)])
    window /= window.sum()
    values = []
    for i in range(first.shape[0] - 10):
        for j in range(first.shape[1] - 10):
            a, b = first[i : i + 11, j : j + 11], second[i : i + 11, j : j + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            spread_a, spread_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            together = (window * (a - mean_a) * (b - mean_b)).sum()
            top = (2 * mean_a * mean_b + 6.5025) * (2 * together + 58.5225)
            values.append(top / ((mean_a**2 + mean_b**2 + 6.5025) * (spread_a + spread_b + 58.5225)))
    assert ssim(first.astype(np.uint8), second.astype(np.uint8)) == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_agrees_with_scikit_image_on_the_valid_region() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    first, second = pair()
    _, field = metrics.structural_similarity(
        first,
        second,
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    assert ssim(first, second) == pytest.approx(field[5:-5, 5:-5].mean(), abs=1e-7)


def test_colour_ssim_is_the_mean_of_the_channels() -> None:
    first, second = pair()
    assert ssim(first, second) == pytest.approx(
        np.mean([ssim(first[..., c], second[..., c]) for c in range(3)]), abs=1e-12
    )


def test_images_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DatprlError, match="same shape"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(DatprlError, match="11x11"):
        ssim(np.zeros((10, 20)), np.zeros((10, 20)))
