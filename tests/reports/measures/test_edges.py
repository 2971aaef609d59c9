"""Edges: a step blurred by a known Gaussian gives its sigma, whatever its direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.reports.measures import edge_spread, find_edges
from datprl_toolkit.reports.measures.edges import FloatArray, normal_distribution


def edge(
    sigma: float, angle: float, *, size: int = 25, shift: float = 0.0, spacing: tuple[float, float] = (1.0, 1.0)
) -> FloatArray:
    """Return a step from -50 to 70 blurred by `sigma`, in the unit of the spacing; `angle` is in space."""
    axis = np.arange(size) - size // 2
    y, x = np.meshgrid(axis * spacing[0], axis * spacing[1], indexing="ij")
    distance = y * np.sin(angle) + x * np.cos(angle) - shift
    return -50 + 120 * normal_distribution(distance / sigma)


def test_the_normal_distribution_is_that_of_the_error_function() -> None:
    x = np.linspace(-6, 6, 241)
    exact = [0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x]
    assert np.abs(normal_distribution(x) - exact).max() < 1e-7


@settings(max_examples=25)
@given(
    sigma=st.floats(0.6, 3.0),
    angle=st.floats(0.0, 2 * np.pi),
    shift=st.floats(-2.0, 2.0),
    noise=st.sampled_from([0.0, 3.0]),
)
def test_the_sigma_of_a_blurred_step_is_measured(sigma: float, angle: float, shift: float, noise: float) -> None:
    patch = edge(sigma, angle, shift=shift) + np.random.default_rng(0).normal(0, noise, (25, 25)) * (noise > 0)
    spread = edge_spread(patch, angle, (1.0, 1.0))
    assert spread is not None
    assert spread.sigma == pytest.approx(sigma, rel=0.06 if noise else 0.02, abs=0.05)
    assert spread.low == pytest.approx(-50, abs=3)
    assert spread.high == pytest.approx(70, abs=3)
    assert spread.width == pytest.approx(2.5631 * spread.sigma)


def test_widths_are_in_the_unit_of_the_spacing() -> None:
    spread = edge_spread(edge(1.2, 0.4, spacing=(0.5, 0.5)), 0.4, (0.5, 0.5))
    assert spread is not None
    assert spread.sigma == pytest.approx(1.2, rel=0.03)
    transfer = np.exp(-2 * (np.pi * spread.mtf50 * spread.sigma) ** 2)
    assert transfer == pytest.approx(0.5, rel=1e-3)


def test_two_images_of_one_edge_are_compared_with_the_same_sides() -> None:
    ends = (-50.0, 70.0)
    sharp, soft = (edge_spread(edge(sigma, 1.0), 1.0, (1.0, 1.0), ends) for sigma in (1.0, 2.0))
    assert sharp is not None
    assert soft is not None
    assert soft.width / sharp.width == pytest.approx(2.0, rel=0.03)
    assert (sharp.low, sharp.high) == ends


def test_an_edge_is_found_where_it_is_with_its_direction() -> None:
    y, x = np.mgrid[:120, :120]
    angle = 0.7
    distance = (y - 60) * np.sin(angle) + (x - 60) * np.cos(angle)
    image = 100 * normal_distribution(distance / 1.4) + np.random.default_rng(3).normal(0, 2, (120, 120))
    found = find_edges(image, np.ones(image.shape, bool), size=21, low=-50, high=150, least_step=50, count=3)
    assert found
    for each in found:
        across = (each.row - 60) * np.sin(angle) + (each.column - 60) * np.cos(angle)
        assert abs(across) < 4
        assert np.cos(each.angle - angle) > 0.99
        spread = edge_spread(each.cut(image), each.angle, (1.0, 1.0))
        assert spread is not None
        assert spread.sigma == pytest.approx(1.4, rel=0.1)


@pytest.mark.parametrize("kind", ["noise", "flat", "corner", "outside the window", "small"])
def test_what_is_no_edge_is_not_taken_for_one(kind: str) -> None:
    image = np.random.default_rng(4).normal(0, 10, (60, 60))
    if kind == "flat":
        image[:] = 3.0
    elif kind == "corner":
        image = np.zeros((60, 60))
        image[30:, 30:] = 80.0
        image[:30, :30] = 80.0
    elif kind == "outside the window":
        image[:, 30:] += 5000
    elif kind == "small":
        image = image[:9, :9]
    found = find_edges(image, np.ones(image.shape, bool), size=21, low=-100, high=200, least_step=60, count=5)
    assert [each for each in found if kind != "corner" or max(abs(each.row - 30), abs(each.column - 30)) < 5] == []
