"""Rain, haze and clouds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.degradations import (
    add_clouds,
    add_haze,
    add_rain,
    cloud_opacity,
    cumulus_opacity,
    displaced,
    fractal_field,
    rain_layer,
    transmission_field,
)
from datprl_toolkit.degradations.weather import streak_kernel
from datprl_toolkit.errors import DatprlError


def photo(seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random((48, 64, 3)).astype(np.float32)


def test_the_screen_blend_brightens_and_stays_in_range() -> None:
    layer = rain_layer((48, 64), np.random.default_rng(1), density=0.01, angle=20.0)
    rainy = add_rain(photo(), layer)
    assert (rainy >= photo() - 1e-6).all()
    assert rainy.max() <= 1.0
    np.testing.assert_allclose(add_rain(photo(), np.zeros((48, 64))), photo(), atol=1e-7)


def test_more_drops_give_more_light() -> None:
    means = [
        np.mean([rain_layer((96, 96), np.random.default_rng(s), density=d, angle=0.0).mean() for s in range(4)])
        for d in (0.0005, 0.001, 0.002)
    ]
    # Far from saturation the light is proportional to the number of drops.
    assert means[1] / means[0] == pytest.approx(2.0, rel=0.35)
    assert means[2] / means[1] == pytest.approx(2.0, rel=0.35)


@pytest.mark.parametrize("angle", [0.0, 30.0, -45.0])
def test_a_streak_points_along_its_angle(angle: float) -> None:
    kernel = streak_kernel(25.0, angle, 0.6).astype(np.float64)
    rows, columns = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - (kernel.shape[0] - 1) / 2
    covariance = (kernel * rows * columns).sum()
    direction = 0.5 * np.arctan2(2 * covariance, (kernel * rows**2).sum() - (kernel * columns**2).sum())
    assert np.rad2deg(direction) == pytest.approx(angle, abs=0.5)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)


def test_haze_mixes_image_and_airlight_by_the_transmission() -> None:
    image = photo()
    np.testing.assert_allclose(add_haze(image, np.ones((48, 64)), 0.9), image, atol=1e-6)
    np.testing.assert_allclose(add_haze(image, np.zeros((48, 64)), 0.9), 0.9, atol=1e-6)
    half = add_haze(image, np.full((48, 64), 0.5), np.array([0.8, 0.9, 1.0]))
    np.testing.assert_allclose(half, 0.5 * image + 0.5 * np.array([0.8, 0.9, 1.0]), atol=1e-6)


def test_transmission_lies_between_the_ends_of_its_optical_depth() -> None:
    field = transmission_field((64, 64), np.random.default_rng(0), mean=0.5, variation=0.6)
    assert field.min() == pytest.approx(0.5**1.6, rel=1e-4)
    assert field.max() == pytest.approx(0.5**0.4, rel=1e-4)
    steps = np.abs(np.diff(field, axis=0)).max()
    assert steps < 0.1 * np.ptp(field)


@pytest.mark.parametrize("cover", [0.2, 0.5, 0.9])
def test_clouds_cover_the_asked_share(cover: float) -> None:
    opacity = cloud_opacity((96, 96), np.random.default_rng(0), cover=cover, softness=0.3)
    assert np.mean(opacity > 0) == pytest.approx(cover, abs=0.02)
    assert opacity.min() >= 0
    assert opacity.max() <= 1


def test_a_cloud_hides_the_ground_and_darkens_it_where_its_shadow_falls() -> None:
    ground = np.full((40, 40, 3), 0.5, np.float32)
    opacity = np.zeros((40, 40), np.float32)
    opacity[5:10, 5:10] = 1.0
    cloudy = add_clouds(ground, opacity, brightness=0.95, shadow=0.4, offset=(12, 12))
    np.testing.assert_allclose(cloudy[5:10, 5:10], 0.95, atol=1e-6)
    np.testing.assert_allclose(cloudy[17:22, 17:22], 0.5 * 0.6, atol=1e-6)
    np.testing.assert_allclose(cloudy[30:], 0.5, atol=1e-6)


@given(rows=st.integers(-30, 30), columns=st.integers(-30, 30))
def test_what_is_displaced_comes_back_at_no_other_side(rows: int, columns: int) -> None:
    field = np.zeros((20, 24), np.float32)
    field[6:12, 8:14] = np.random.default_rng(0).random((6, 6), np.float32)
    moved = displaced(field, (rows, columns))
    expected = np.zeros((80, 84), np.float32)
    expected[30 + rows + 6 : 30 + rows + 12, 30 + columns + 8 : 30 + columns + 14] = field[6:12, 8:14]
    assert np.array_equal(moved, expected[30:50, 30:54])


def test_what_is_displaced_from_beyond_the_edge_is_as_it_is_there() -> None:
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert displaced(field, (1, -2)).tolist() == [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7]]


@pytest.mark.parametrize(("cover", "spacing"), [(0.4, 8.0), (0.9, 24.0)])
def test_cumulus_covers_the_asked_share_at_the_asked_spacing(cover: float, spacing: float) -> None:
    opacity = cumulus_opacity((192, 192), np.random.default_rng(0), cover=cover, spacing=spacing)
    assert opacity.shape == (192, 192, 3)
    assert np.mean(opacity > 0) == pytest.approx(cover, abs=0.02)
    assert opacity.min() == 0
    assert opacity.max() == 1
    power = np.abs(np.fft.rfft2(opacity[..., 1] - opacity[..., 1].mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(192)[:, None], np.fft.rfftfreq(192)[None])
    near = (frequency > 0.5 / spacing) & (frequency < 2 / spacing)
    assert power[near].sum() > 0.5 * power[frequency > 0.5 / spacing].sum()


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_cumulus_lies_elsewhere_in_each_band_by_the_asked_shift(shift: float) -> None:
    size = 128
    opacity = cumulus_opacity((size, size), np.random.default_rng(2), cover=0.6, spacing=16.0, shift=shift)
    first, middle, last = (np.fft.fft2(opacity[..., band] - opacity[..., band].mean()) for band in range(3))
    moves = []
    for one, other in ((first, middle), (middle, last)):
        correlation = np.fft.ifft2(one * np.conj(other)).real
        row, column = np.unravel_index(correlation.argmax(), correlation.shape)
        moves.append([(int(n) + size // 2) % size - size // 2 for n in (row, column)])
    assert np.linalg.norm(moves[0]) == pytest.approx(shift, abs=0.8)
    np.testing.assert_allclose(moves[0], moves[1], atol=1)


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_a_fractal_field_has_the_spectrum_of_its_exponent(exponent: float) -> None:
    size, slopes = 128, []
    taper = np.hanning(size)[:, None] * np.hanning(size)[None]
    for seed in range(6):
        field = fractal_field((size, size), exponent, np.random.default_rng(seed))
        power = np.abs(np.fft.fft2((field - field.mean()) * taper)) ** 2
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
        edges = np.geomspace(0.03, 0.4, 9)
        middle = np.sqrt(edges[:-1] * edges[1:])
        mean = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
        slopes.append(np.polyfit(np.log(middle), np.log(mean), 1)[0])
    assert -np.mean(slopes) == pytest.approx(exponent, abs=0.3)


def test_shares_outside_their_range_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(DatprlError):
        rain_layer((8, 8), generator, density=0.0, angle=0.0)
    with pytest.raises(DatprlError):
        cloud_opacity((8, 8), generator, cover=1.5, softness=0.5)
    with pytest.raises(DatprlError):
        cumulus_opacity((8, 8), generator, cover=1.5, spacing=4.0)
