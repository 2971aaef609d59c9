"""Slices that are made when they are looked at behave as the array of all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari_datprl.slices import SliceStack

WHOLE = np.random.default_rng(0).normal(size=(5, 4, 6)).astype(np.float32)

index = st.integers(-4, 3)
part = st.one_of(index, st.slices(4))


@given(first=st.one_of(st.integers(-5, 4), st.slices(5)), second=part, third=part)
def test_any_index_gives_what_numpy_gives(first: int | slice, second: int | slice, third: int | slice) -> None:
    stack = SliceStack(lambda number: WHOLE[number], WHOLE.shape)
    assert np.array_equal(stack[first, second, third], WHOLE[first, second, third])
    assert np.array_equal(stack[first], WHOLE[first])
    assert np.array_equal(stack[..., third], WHOLE[..., third])


def test_the_whole_is_an_array() -> None:
    stack = SliceStack(lambda number: WHOLE[number], WHOLE.shape)
    assert np.array_equal(np.asarray(stack), WHOLE)
    assert np.array_equal(stack[[0, 3]], WHOLE[[0, 3]])


def test_beyond_the_last_slice_is_an_error() -> None:
    stack = SliceStack(lambda number: WHOLE[number], WHOLE.shape)
    with pytest.raises(IndexError):
        stack[5]


def test_a_slice_is_made_once_until_it_changes_and_memory_is_bounded() -> None:
    made: list[int] = []

    def read(number: int) -> np.ndarray:
        made.append(number)
        plane: np.ndarray = WHOLE[number]
        return plane

    stack = SliceStack(read, WHOLE.shape, cache_bytes=2 * WHOLE[0].nbytes)
    _ = stack[0], stack[0], stack[1]
    assert made == [0, 1]
    stack.forget(0)
    _ = stack[0], stack[2], stack[3], stack[0]
    assert made == [0, 1, 0, 2, 3, 0]
