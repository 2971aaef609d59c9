"""Means and their bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.evaluation.scores import ImageScore, bootstrap, score_set


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=30))
def test_the_interval_holds_the_mean_and_lies_within_the_values(values: list[float]) -> None:
    interval = bootstrap(np.array(values), seed=1, resamples=200)
    tolerance = 1e-9
    assert min(values) - tolerance <= interval.low <= interval.high <= max(values) + tolerance
    assert interval.mean == pytest.approx(np.mean(values), abs=1e-9)


def test_the_interval_is_that_of_the_normal_law_for_many_images() -> None:
    values = np.random.default_rng(0).normal(30, 2, 4000)
    interval = bootstrap(values, seed=3)
    width = 1.96 * values.std() / math.sqrt(values.size)
    assert interval.low == pytest.approx(values.mean() - width, abs=0.15 * width)
    assert interval.high == pytest.approx(values.mean() + width, abs=0.15 * width)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        interval = bootstrap(generator.normal(5, 1, 40), seed=trial, resamples=400)
        covered += interval.low <= 5 <= interval.high
    assert 0.87 <= covered / 200 <= 0.99


def test_the_seed_decides_and_nothing_else() -> None:
    values = np.arange(12.0)
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_one_image_has_a_mean_and_no_interval_and_unknown_figures_are_left_out() -> None:
    one = bootstrap(np.array([31.5, math.nan]), seed=1)
    assert one.mean == 31.5
    assert math.isnan(one.low)
    assert math.isnan(bootstrap(np.array([math.nan]), seed=1).mean)


def test_the_interval_of_the_change_pairs_the_images() -> None:
    # Scattered images that all gain the same: the change is certain although the means are not.
    images = [ImageScore(str(i), {"psnr": 20.0 + i + 1.5}, {"psnr": 20.0 + i}) for i in range(10)]
    summary = score_set("set", "", images, seed=1).summary["psnr"]
    assert summary.change is not None
    assert summary.change.low == pytest.approx(1.5)
    assert summary.change.high == pytest.approx(1.5)
    assert summary.restored.high - summary.restored.low > 2
