"""The maps are zero where the network is sure or changed nothing, and follow the noise where there is some."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.restoring.stack import StackRestorer
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer
from datprl_toolkit.restoring.uncertainty import TURNS, UncertaintyEstimator, local_noise, turned, turned_back

WINDOW = IntensityProfile("test", -100, 300, "HU")


def volume(rows: int = 20, columns: int = 28, slices: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-150, 350, (slices, rows, columns))


@given(turn=st.sampled_from(TURNS), rows=st.integers(1, 5), columns=st.integers(1, 5))
def test_turning_back_is_the_inverse_of_turning(turn: tuple[int, bool], rows: int, columns: int) -> None:
    images = np.arange(2.0 * rows * columns).reshape(2, rows, columns)
    np.testing.assert_array_equal(turned_back(turned(images, turn).astype(np.float64), turn), images)


def test_there_are_eight_different_orientations() -> None:
    image = np.arange(9.0).reshape(3, 3)
    assert len({turned(image, turn).tobytes() for turn in TURNS}) == 8
    np.testing.assert_array_equal(turned(image, TURNS[0]), image)


def test_a_network_that_changes_nothing_is_sure_of_everything() -> None:
    values = volume()
    maps = UncertaintyEstimator.of_volume(lambda i: values[i], 3, identity_restorer(), WINDOW).maps(values)
    assert float(np.abs(maps.deviation).max()) < 1e-6 * WINDOW.width
    assert float(maps.noise_ratio.max()) < 1e-4


def test_the_deviation_is_that_of_the_eight_restored_volumes() -> None:
    values, restorer = volume(), tiny_restorer()
    maps = UncertaintyEstimator.of_volume(lambda i: values[i], 3, restorer, WINDOW).maps(values)
    answers = []
    for turn in TURNS:
        moved = turned(values, turn)
        stack = StackRestorer.of_volume(moved.__getitem__, 3, restorer, WINDOW)
        answers.append(turned_back(stack.restore(moved), turn))
    np.testing.assert_allclose(maps.deviation, np.std(answers, axis=0), atol=1e-3)
    noise = local_noise(((values - WINDOW.low) / WINDOW.width).astype(np.float32)) * WINDOW.width
    np.testing.assert_allclose(maps.noise_ratio, np.abs(answers[0] - values) / noise, rtol=1e-4, atol=1e-6)
    assert float(maps.deviation.max()) > 1


def test_nothing_is_uncertain_outside_the_window_nor_where_there_are_no_values() -> None:
    values = volume()
    values[0, :5] = np.nan
    maps = UncertaintyEstimator.of_volume(lambda i: np.nan_to_num(values[i]), 3, tiny_restorer(), WINDOW).maps(values)
    outside = ~((values >= WINDOW.low) & (values <= WINDOW.high))
    assert outside.any()
    assert not maps.deviation[outside].any()
    assert not maps.noise_ratio[outside].any()


def test_strength_scales_both_maps() -> None:
    values, restorer = volume(), tiny_restorer()
    whole, half = (
        UncertaintyEstimator.of_volume(lambda i: values[i], 3, restorer, WINDOW, strength=strength).maps(values)
        for strength in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.deviation, whole.deviation / 2, atol=1e-4)
    np.testing.assert_allclose(half.noise_ratio, whole.noise_ratio / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_the_noise_is_estimated_in_spite_of_edges(sigma: float) -> None:
    generator = np.random.default_rng(1)
    y, x = np.mgrid[:96, :96]
    clean = np.where((y - 48) ** 2 + (x - 48) ** 2 < 900, 0.7, 0.3)
    noisy = (clean + sigma * generator.standard_normal((4, 96, 96))).astype(np.float32)
    noise = local_noise(noisy)
    assert noise.shape == noisy.shape
    assert float(np.median(noise)) == pytest.approx(sigma, rel=0.15)
    assert float(noise.max()) < 2.5 * sigma


def test_noise_that_differs_from_place_to_place_is_followed() -> None:
    generator = np.random.default_rng(2)
    levels = np.where(np.arange(128) < 64, 0.02, 0.08)
    noisy = (0.5 + levels * generator.standard_normal((1, 128, 128))).astype(np.float32)
    noise = local_noise(noisy)
    assert float(noise[..., :40].mean()) == pytest.approx(0.02, rel=0.15)
    assert float(noise[..., 88:].mean()) == pytest.approx(0.08, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (15, 17)])
def test_small_images_have_noise_too(shape: tuple[int, int]) -> None:
    assert local_noise(np.zeros((2, *shape), np.float32)).shape == (2, *shape)
