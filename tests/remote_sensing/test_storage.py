from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.remote_sensing.storage import as_stored, limits, to_stored

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (-9999, "uint8", None),
        (255.0, "uint8", 255),
        (0.5, "int16", None),
        (float("nan"), "int16", None),
        (-3.4e38, "float32", float(np.float32(-3.4e38))),
        (-3.40282346638529e38, "float32", float(np.finfo("float32").min)),
        (1e300, "float32", None),
        (None, "uint8", None),
    ],
)
def test_nodata_is_what_the_pixels_can_hold(value: float | None, dtype: str, stored: float | None) -> None:
    assert as_stored(value, np.dtype(dtype)) == stored


def test_nodata_that_is_not_a_number_stays_so() -> None:
    kept = as_stored(float("nan"), np.dtype("float32"))
    assert kept is not None
    assert math.isnan(kept)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_rounded_and_kept_inside_their_range(dtype: str) -> None:
    low, high = limits(np.dtype(dtype))
    values = np.array([-1e30, 1.4, 1.6, 2.5, 1e30])
    assert to_stored(values, np.dtype(dtype), None).tolist() == [low, 1, 2, 2, high]


@given(st.sampled_from(["uint8", "int16", "float32", "float64"]), st.integers(0, 255), st.data())
def test_data_never_become_nodata(dtype: str, nodata: int, data: st.DataObject) -> None:
    kind = np.dtype(dtype)
    near = st.floats(nodata - 2, nodata + 2, allow_nan=False)
    values = np.array(data.draw(st.lists(near, min_size=1, max_size=20)))
    stored = to_stored(values, kind, nodata)
    assert not (stored == kind.type(nodata)).any()
    assert np.abs(stored.astype(np.float64) - np.clip(values, *limits(kind))).max() <= 1.5


@pytest.mark.parametrize(("nodata", "expected"), [(0, 1), (255, 254), (7, 8)])
def test_a_value_that_equals_nodata_moves_by_one_step(nodata: int, expected: int) -> None:
    assert to_stored(np.array([float(nodata)]), np.dtype("uint8"), nodata).tolist() == [expected]


def test_a_value_that_rounds_to_nodata_stays_on_its_side() -> None:
    assert to_stored(np.array([6.8, 7.2]), np.dtype("uint8"), 7).tolist() == [6, 8]


def test_a_float_that_equals_nodata_moves_by_the_smallest_step() -> None:
    stored = to_stored(np.array([-9999.0]), np.dtype("float32"), -9999)
    assert stored[0] == np.nextafter(np.float32(-9999), np.float32(0))
