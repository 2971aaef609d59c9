from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.remote_sensing.validity import FILL_RADIUS, fill_invalid, valid_elements


def test_each_band_is_judged_by_itself_and_a_mask_judges_all() -> None:
    values = np.array([[[0, 5]], [[6, 0]]], np.uint8)
    assert valid_elements(values, 0).tolist() == [[[False, True]], [[True, False]]]
    mask = np.array([[255, 0]], np.uint8)
    assert valid_elements(values, 0, mask=mask).tolist() == [[[False, False]], [[True, False]]]


def test_what_is_not_finite_is_no_data() -> None:
    values = np.array([[[np.nan, np.inf, -np.inf, 1.0]]], np.float32)
    assert valid_elements(values, float("nan")).tolist() == [[[False, False, False, True]]]


def test_a_nodata_value_that_the_type_cannot_hold_marks_nothing() -> None:
    assert valid_elements(np.zeros((1, 2, 2), np.uint8), -9999).all()


def test_valid_values_are_not_touched_and_the_rest_continues_them() -> None:
    values = np.full((1, 8, 80), 10.0)
    values[0, :, 40:] = np.nan
    valid = np.isfinite(values)
    filled = fill_invalid(values, valid, np.array([3.0]))
    assert np.array_equal(filled[valid], values[valid])
    assert abs(filled[0, 4, 40] - 10.0) < 0.1
    assert filled[0, 4, 79] == 3.0
    assert np.all(np.diff(filled[0, 4, 39:]) <= 0)


def test_a_band_without_data_gets_the_level_of_the_scene() -> None:
    values = np.stack([np.full((4, 4), 9.0), np.full((4, 4), np.nan)])
    filled = fill_invalid(values, np.isfinite(values), np.array([1.0, 2.0]))
    assert (filled[0] == 9).all()
    assert (filled[1] == 2).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(0, 40), st.floats(0.02, 0.98))
def test_a_window_is_filled_as_the_whole_scene_is(seed: int, top: int, left: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((2, 160, 150))
    valid = rng.random((2, 160, 150)) < share
    valid[:, 60:110, 40:90] &= rng.random((2, 50, 50)) < 0.02
    level = np.array([0.4, 0.6])
    whole = fill_invalid(values, valid, level)
    rows = slice(top, top + 40 + 2 * FILL_RADIUS)
    columns = slice(left, left + 30 + 2 * FILL_RADIUS)
    part = fill_invalid(values[:, rows, columns], valid[:, rows, columns], level)
    inner = (slice(None), slice(FILL_RADIUS, -FILL_RADIUS), slice(FILL_RADIUS, -FILL_RADIUS))
    assert np.array_equal(part[inner], whole[:, rows, columns][inner])
