"""Bicubic reduction and k-space truncation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.degradations import bicubic_low_resolution, resize_bicubic, truncate_k_space
from datprl_toolkit.degradations.resampling import bicubic_weights
from datprl_toolkit.errors import DatprlError

Float64Array = npt.NDArray[np.float64]


def matlab_resize_row(row: Float64Array, new_size: int) -> Float64Array:
    """One axis as the documentation of imresize describes it, one output pixel at a time."""
    size = len(row)
    scale = new_size / size
    widen = min(scale, 1.0)
    result = np.zeros(new_size)
    for out in range(new_size):
        centre = (out + 0.5) / scale - 0.5
        total = 0.0
        for tap in range(math.floor(centre - 2 / widen) - 1, math.ceil(centre + 2 / widen) + 2):
            x = abs(centre - tap) * widen
            if x <= 1:
                weight = 1.5 * x**3 - 2.5 * x**2 + 1
            elif x <= 2:
                weight = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            else:
                weight = 0.0
            mirrored = tap % (2 * size)
            result[out] += weight * row[mirrored if mirrored < size else 2 * size - 1 - mirrored]
            total += weight
        result[out] /= total
    return result


@pytest.mark.parametrize(("size", "new_size"), [(16, 4), (4, 16), (17, 5), (9, 9), (10, 23)])
def test_resizing_follows_the_definition_of_imresize(size: int, new_size: int) -> None:
    image = np.random.default_rng(0).random((size, 6))
    expected = np.stack([matlab_resize_row(image[:, column], new_size) for column in range(6)], axis=1)
    np.testing.assert_allclose(resize_bicubic(image, (new_size, 6)), expected, atol=1e-12)


def test_resizing_agrees_with_pillow_away_from_the_edges() -> None:
    pillow = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(1).random((96, 64)).astype(np.float32)
    theirs = np.asarray(pillow.fromarray(image).resize((16, 24), pillow.Resampling.BICUBIC))
    ours = resize_bicubic(image, (24, 16))
    np.testing.assert_allclose(ours[3:-3, 3:-3], theirs[3:-3, 3:-3], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 40), new_size=st.integers(1, 40))
def test_resizing_keeps_a_constant_whatever_the_sizes(size: int, new_size: int) -> None:
    np.testing.assert_allclose(bicubic_weights(size, new_size).sum(axis=1), 1.0, atol=1e-12)


def test_low_resolution_has_the_shape_of_the_image_and_8_bit_values() -> None:
    image = np.random.default_rng(2).random((37, 42, 3)).astype(np.float32)
    low = bicubic_low_resolution(image)
    assert low.shape == image.shape
    assert low.dtype == np.float32
    np.testing.assert_allclose(low * 255, np.rint(low * 255), atol=1e-4)


def test_low_resolution_of_a_smooth_image_is_nearly_the_image() -> None:
    rows, columns = np.mgrid[:64, :64] / 64
    image = 0.5 + 0.3 * np.sin(2 * np.pi * rows) * np.cos(2 * np.pi * columns)
    assert np.abs(bicubic_low_resolution(image) - image)[8:-8, 8:-8].max() < 0.01


def test_truncation_keeps_low_frequencies_and_removes_high_ones() -> None:
    columns = np.arange(64)
    low, high = np.cos(2 * np.pi * 3 * columns / 64), np.cos(2 * np.pi * 20 * columns / 64)
    image = np.tile(2.0 + low, (64, 1))
    np.testing.assert_allclose(truncate_k_space(image + high), image, atol=1e-5)


@pytest.mark.parametrize("size", [64, 65, 50])
def test_truncation_keeps_a_sixteenth_of_white_noise_and_the_mean(size: int) -> None:
    image = 10.0 + np.random.default_rng(3).standard_normal((size, size))
    kept = truncate_k_space(image).astype(np.float64)
    assert kept.mean() == pytest.approx(image.mean(), rel=1e-4)
    assert kept.var() == pytest.approx(image.var() / 16, rel=0.25)


def test_truncation_by_one_changes_nothing() -> None:
    image = np.random.default_rng(4).random((32, 31))
    np.testing.assert_allclose(truncate_k_space(image, 1), image, atol=1e-6)


@pytest.mark.parametrize("image", [np.zeros((0, 4)), np.zeros(4), np.full((4, 4), np.nan), np.zeros((4, 4, 3))])
def test_what_is_no_slice_is_refused(image: Float64Array) -> None:
    with pytest.raises(DatprlError):
        truncate_k_space(image)
