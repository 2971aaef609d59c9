"""Camera shake: paths, convolution, linear light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.degradations import blur_linear_light, shake_kernel
from datprl_toolkit.degradations.shake import convolve_mirrored, linear_to_srgb, srgb_to_linear
from datprl_toolkit.errors import DatprlError


@settings(max_examples=25, deadline=None)
@given(extent=st.floats(0.0, 29.0), seed=st.integers(0, 10_000))
def test_a_kernel_spreads_all_light_over_a_path_of_the_asked_extent(extent: float, seed: int) -> None:
    kernel = shake_kernel(extent, np.random.default_rng(seed))
    assert kernel.shape == (31, 31)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    rows, columns = np.nonzero(kernel > 0)
    width = max(np.ptp(rows), np.ptp(columns))
    # Bilinear weights widen the path by less than two pixels.
    assert extent - 1 <= width <= extent + 2


def test_the_same_seed_gives_the_same_kernel_and_another_seed_another() -> None:
    first, again, other = (shake_kernel(15.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_convolution_agrees_with_scipy() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    generator = np.random.default_rng(0)
    image, kernel = generator.random((20, 24, 2)), generator.random((5, 7))
    expected = np.stack([ndimage.convolve(image[..., c], kernel, mode="reflect") for c in range(2)], axis=2)
    np.testing.assert_allclose(convolve_mirrored(image, kernel), expected, atol=1e-12)


def test_the_srgb_transfer_is_its_own_inverse_and_hits_known_values() -> None:
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-7)
    assert srgb_to_linear(np.array([0.5]))[0] == pytest.approx(0.21404, abs=1e-5)


def test_blur_averages_light_and_not_encoded_values() -> None:
    stripes = np.zeros((16, 16))
    stripes[:, ::2] = 1.0
    pair = np.zeros((3, 3), np.float32)
    pair[1, 1] = pair[1, 2] = 0.5
    encoded = blur_linear_light(stripes, pair)
    np.testing.assert_allclose(encoded[4:-4, 4:-4], linear_to_srgb(np.array([0.5]))[0], atol=1e-5)
    linear = blur_linear_light(stripes, pair, transfer="linear")
    np.testing.assert_allclose(linear[4:-4, 4:-4], 0.5, atol=1e-6)


def test_noise_has_the_asked_standard_deviation() -> None:
    flat, point = np.full((64, 64), 0.5), np.ones((1, 1), np.float32)
    noisy = blur_linear_light(flat, point, noise=0.02, generator=np.random.default_rng(0))
    assert noisy.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("extent", "size"), [(5.0, 30), (40.0, 31), (-1.0, 31)])
def test_a_path_that_does_not_fit_is_refused(extent: float, size: int) -> None:
    with pytest.raises(DatprlError):
        shake_kernel(extent, np.random.default_rng(0), size)


def test_noise_without_a_generator_and_an_unknown_transfer_are_refused() -> None:
    flat, point = np.full((8, 8), 0.5), np.ones((1, 1), np.float32)
    with pytest.raises(DatprlError):
        blur_linear_light(flat, point, noise=0.1)
    with pytest.raises(DatprlError):
        blur_linear_light(flat, point, transfer="gamma")
