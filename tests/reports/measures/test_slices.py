"""From slice to slice: noise that is taken away lowers the ratio, flicker shows in the level."""

from __future__ import annotations

import numpy as np
import pytest

from datprl_toolkit.reports.measures import SliceSteps

INSIDE = np.ones((64, 64), bool)


def series(after_noise: float, flicker: float = 0.0) -> SliceSteps:
    generator = np.random.default_rng(0)
    steps = SliceSteps()
    for index in range(12):
        noise = generator.normal(0, 10, INSIDE.shape)
        steps.add(noise, after_noise * noise + flicker * (-1) ** index, INSIDE)
    return steps


def test_half_the_noise_gives_a_ratio_of_one_half() -> None:
    assert series(0.5).ratio == pytest.approx(0.5)
    assert series(1.0).ratio == pytest.approx(1.0)
    assert series(0.5).level_step < 0.3


def test_flicker_shows_in_the_level() -> None:
    assert series(0.5, flicker=3.0).level_step == pytest.approx(6.0, rel=0.1)


def test_neighbours_across_a_gap_and_pixels_outside_are_not_compared() -> None:
    steps = SliceSteps()
    image = np.zeros((4, 4))
    inside = np.ones((4, 4), bool)
    inside[0] = False
    other = image.copy()
    other[0] = 1000
    steps.add(image, image, np.ones((4, 4), bool))
    steps.add(other, other, inside)
    steps.add(image + 5, image + 5, inside, follows=False)
    assert steps.before[0] == 0.0
    assert np.isnan(steps.before[1])
    assert np.isnan(steps.ratio)


def test_a_single_slice_has_no_steps() -> None:
    steps = SliceSteps()
    steps.add(np.zeros((4, 4)), np.ones((4, 4)), np.ones((4, 4), bool))
    assert steps.levels == [1.0]
    assert np.isnan(steps.ratio)
    assert np.isnan(steps.level_step)
