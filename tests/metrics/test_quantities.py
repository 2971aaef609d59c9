"""Errors in the unit of the values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.metrics.quantities import bias, rmse


def test_rmse_and_bias_are_those_of_a_plain_loop_over_the_pixels_that_count() -> None:
    generator = np.random.default_rng(0)
    image, truth = generator.normal(size=(2, 9, 7))
    inside = generator.random((9, 7)) < 0.6
    differences = [a - b for a, b, counts in zip(image.flat, truth.flat, inside.flat, strict=True) if counts]
    assert bias(image, truth, inside) == pytest.approx(sum(differences) / len(differences))
    assert rmse(image, truth, inside) == pytest.approx(math.sqrt(sum(d * d for d in differences) / len(differences)))
    assert bias(truth + 3.0, truth) == pytest.approx(3.0)


def test_over_no_pixel_there_is_no_error() -> None:
    nothing = np.zeros((3, 3), dtype=bool)
    assert math.isnan(rmse(np.ones((3, 3)), np.zeros((3, 3)), nothing))
    assert math.isnan(bias(np.ones((3, 3)), np.zeros((3, 3)), nothing))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(DatprlError, match="one shape"):
        rmse(np.zeros((3, 3)), np.zeros((3, 4)))
