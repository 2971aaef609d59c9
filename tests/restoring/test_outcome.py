"""What a person is shown of a result."""

from __future__ import annotations

import numpy as np

from datprl_toolkit.restoring import shown_range


def test_what_is_shown_spans_the_picture_before_and_the_one_after() -> None:
    hazy, clear = np.linspace(100, 200, 1001), np.linspace(10, 180, 1001)
    low, high = shown_range(hazy, clear)
    assert low == np.percentile(clear, 1)
    assert high == np.percentile(hazy, 99)


def test_missing_data_and_pictures_without_any_count_for_nothing() -> None:
    picture = np.array([[np.nan, 3.0], [5.0, np.inf]])
    assert shown_range(picture, np.full((2, 2), np.nan)) == shown_range(np.array([3.0, 5.0]))
    assert shown_range(np.full(3, np.nan)) == (0.0, 1.0)


def test_a_single_value_has_a_range_around_it_and_integers_are_taken_too() -> None:
    assert shown_range(np.full((4, 4), 7, np.uint16)) == (7.0, 8.0)
