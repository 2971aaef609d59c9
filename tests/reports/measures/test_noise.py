"""Noise: known noise gives its known power, and flat regions are found where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.reports.measures import Region, find_flat_regions, noise_power_spectrum, region_noise
from datprl_toolkit.reports.measures.filters import smooth
from datprl_toolkit.reports.measures.noise import FloatArray, detrended


def noise(sigma: float, count: int = 60, size: int = 32, seed: int = 0) -> list[FloatArray]:
    return list(np.random.default_rng(seed).normal(0.0, sigma, (count, size, size)))


@settings(max_examples=15)
@given(
    sigma=st.floats(0.5, 200.0),
    rows=st.floats(0.3, 5.0),
    columns=st.floats(0.3, 5.0),
    size=st.sampled_from([16, 31, 40]),
)
def test_the_integral_of_the_spectrum_is_the_variance_whatever_the_spacing(
    sigma: float, rows: float, columns: float, size: int
) -> None:
    patches = noise(sigma, size=size)
    spectrum = noise_power_spectrum(patches, (rows, columns))
    assert spectrum.variance == pytest.approx(sigma**2, rel=0.03)


def test_white_noise_has_the_same_power_at_all_frequencies() -> None:
    spectrum = noise_power_spectrum(noise(12.0, count=200), (0.7, 0.7))
    # Power of white noise: variance x area of a pixel. The lowest ring lost some of it to the trend.
    assert spectrum.power[3:] == pytest.approx(12.0**2 * 0.7**2, rel=0.06)
    assert spectrum.frequency[-1] == pytest.approx(0.5 / 0.7)


def test_smoothing_takes_power_from_high_frequencies_by_the_square_of_its_transfer() -> None:
    patches = [smooth(patch, 1.0)[8:-8, 8:-8] for patch in noise(10.0, count=200, size=48)]
    spectrum = noise_power_spectrum(patches, (1.0, 1.0))
    transfer = np.exp(-2 * (np.pi * spectrum.frequency) ** 2)
    # The edge of a patch leaks a little power from low to high frequencies.
    assert spectrum.power[3:12] == pytest.approx(100.0 * transfer[3:12] ** 2, rel=0.1, abs=1.0)
    assert spectrum.mean_frequency < 0.2


def test_a_slow_trend_is_no_noise() -> None:
    y, x = np.mgrid[:32, :32] / 31.0
    assert np.abs(detrended(50 + 20 * x - 7 * y + 9 * x * y + 4 * y**2)).max() < 1e-9
    mean, deviation = region_noise(100 + 30 * x + noise(5.0)[0])
    assert mean == pytest.approx(115.0, abs=1.0)
    assert deviation == pytest.approx(5.0, rel=0.1)


def test_the_flat_region_is_found_and_not_the_quiet_one_with_structure() -> None:
    generator = np.random.default_rng(1)
    image = generator.normal(0.0, 10.0, (160, 160))
    image[:, :80] = 25 * np.sin(np.arange(80) / 6.0) + generator.normal(0.0, 2.0, (160, 80))
    score, region = find_flat_regions(image, np.ones(image.shape, bool), size=32, low=-50, high=50, count=3)[0]
    assert region.column >= 76
    assert score < 4
    assert region.cut(image).shape == (32, 32)


def test_regions_lie_in_the_image_inside_the_window_and_apart() -> None:
    image = np.random.default_rng(2).normal(40.0, 5.0, (128, 128))
    image[:64] += 500
    valid = np.ones(image.shape, bool)
    valid[:, :32] = False
    regions = [region for _, region in find_flat_regions(image, valid, size=24, low=0, high=80, count=9)]
    assert regions
    for region in regions:
        assert region.row >= 64
        assert region.column >= 32
    places = {(region.row, region.column) for region in regions}
    assert all(max(abs(r - s), abs(c - d)) >= 24 for r, c in places for s, d in places if (r, c) != (s, d)), (
        "two regions overlap"
    )


def test_an_image_without_room_or_without_flat_part_has_no_region() -> None:
    valid = np.ones((64, 64), bool)
    assert find_flat_regions(np.full((64, 64), 900.0), valid, size=16, low=0, high=100, count=2) == []
    assert find_flat_regions(np.zeros((8, 8)), valid[:8, :8], size=16, low=-1, high=1, count=2) == []


def test_an_image_without_noise_has_no_power_and_no_mean_frequency() -> None:
    spectrum = noise_power_spectrum([np.full((16, 16), 7.0)], (1.0, 1.0))
    assert spectrum.variance == pytest.approx(0.0, abs=1e-20)
    assert Region(0, 2, 3, 4).cut(np.arange(100.0).reshape(10, 10))[0, 0] == 23
