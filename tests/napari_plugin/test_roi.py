"""Regions, profiles and spectra: numbers against those that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_datprl.roi import line_profile, noise_power, region_mask, statistics, suv, to_pixels

SQUARE = np.array([[0.0, 0.0], [0.0, 10.0], [10.0, 10.0], [10.0, 0.0]])


@given(top=st.integers(0, 8), left=st.integers(0, 8), height=st.integers(1, 8), width=st.integers(1, 8))
def test_a_rectangle_holds_the_pixels_whose_centre_it_holds(top: int, left: int, height: int, width: int) -> None:
    corners = np.array([[0, 0], [0, width], [height, width], [height, 0]]) + np.array([top - 0.5, left - 0.5])
    mask = region_mask(corners, "rectangle", (16, 16))
    expected = np.zeros((16, 16), dtype=bool)
    expected[top : top + height, left : left + width] = True
    assert np.array_equal(mask, expected)


def test_an_ellipse_has_its_area_and_lies_where_its_frame_lies() -> None:
    frame = np.array([[10, 20], [10, 80], [50, 80], [50, 20]], dtype=float)
    mask = region_mask(frame, "ellipse", (64, 96))
    assert mask.sum() == pytest.approx(np.pi * 20 * 30, rel=0.01)
    rows, columns = np.nonzero(mask)
    assert (rows.mean(), columns.mean()) == pytest.approx((30, 50))
    turned = np.array([[30, 10], [50, 30], [30, 50], [10, 30]], dtype=float)
    assert region_mask(turned, "ellipse", (64, 64)).sum() == pytest.approx(np.pi * 200, rel=0.02)


def test_an_empty_ellipse_holds_nothing() -> None:
    assert not region_mask(np.zeros((4, 2)), "ellipse", (8, 8)).any()


def test_statistics_are_those_of_the_pixels_inside() -> None:
    values = np.random.default_rng(0).normal(50.0, 5.0, (32, 32))
    values[3, 3] = np.nan
    mask = region_mask(SQUARE, "polygon", values.shape)
    found = statistics(values, mask)
    inside = values[mask & np.isfinite(values)]
    assert found is not None
    assert (found.mean, found.sd) == pytest.approx((inside.mean(), inside.std(ddof=1)))
    assert (found.minimum, found.maximum, found.pixels) == (inside.min(), inside.max(), inside.size)
    assert statistics(values, np.zeros_like(mask)) is None


def test_places_of_the_world_become_pixels_with_scale_and_place() -> None:
    pixels = to_pixels([[5.0, 100.0, -20.0]], scale=(3.0, 2.0, 0.5), translate=(0.0, 90.0, -30.0))
    assert np.allclose(pixels, [[5.0, 20.0]])


def test_a_profile_runs_along_its_line_in_millimetres() -> None:
    rows, columns = np.mgrid[:20, :30]
    plane = 3.0 * rows + 2.0 * columns
    profile = line_profile(plane, np.array([2.0, 3.0]), np.array([14.0, 19.0]), (0.5, 2.0))
    assert profile.distance[-1] == pytest.approx(np.hypot(12 * 0.5, 16 * 2.0))
    assert np.allclose(profile.values, np.linspace(12.0, 80.0, len(profile.values)))
    outside = line_profile(plane, np.array([-5.0, 0.0]), np.array([5.0, 0.0]), (1.0, 1.0))
    assert np.isnan(outside.values[0])
    assert np.isfinite(outside.values[-1])


def test_the_noise_power_of_white_noise_is_its_variance_and_flat() -> None:
    noise = np.random.default_rng(1).normal(0.0, 10.0, (128, 128))
    found = noise_power(noise, np.array([[0.0, 0.0], [127.0, 127.0]]), (0.7, 0.7))
    assert found is not None
    assert found.variance == pytest.approx(100.0, rel=0.05)
    half = len(found.power) // 2
    assert found.power[:half].mean() == pytest.approx(found.power[half:].mean(), rel=0.1)
    assert found.power.mean() == pytest.approx(100.0 * 0.7**2, rel=0.05)


def test_a_region_too_small_for_a_spectrum_has_none() -> None:
    assert noise_power(np.zeros((32, 32)), np.array([[0.0, 0.0], [5.0, 30.0]]), (1.0, 1.0)) is None


def test_suv_is_activity_times_its_factor_and_the_peak_is_a_mean_over_a_sphere() -> None:
    box = np.full((5, 33, 33), 1000.0)
    box[2, 16, 16] = 9000.0
    mask = region_mask(np.array([[10, 10], [10, 22], [22, 22], [22, 10]], dtype=float), "polygon", (33, 33))
    found = suv(box, mask, 2, (3.0, 2.0, 2.0), 0.001)
    assert found is not None
    assert found.maximum == pytest.approx(9.0)
    assert 1.0 < found.mean < 1.2
    assert 1.0 < found.peak < 1.2
    edge = region_mask(np.array([[0, 0], [0, 2], [2, 2], [2, 0]], dtype=float) - 0.5, "polygon", (33, 33))
    at_edge = suv(box, edge, 2, (3.0, 2.0, 2.0), 0.001)
    assert at_edge is not None
    assert np.isnan(at_edge.peak)
