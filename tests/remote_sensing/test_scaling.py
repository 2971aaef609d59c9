from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.remote_sensing.scaling import describe_scaling, scene_profile


def _nothing() -> npt.NDArray[Any]:
    raise AssertionError("this scaling needs no sample")


def test_eight_bit_scenes_use_their_whole_range_by_default() -> None:
    profile = scene_profile(None, np.dtype("uint8"), _nothing)
    assert (profile.low, profile.high, profile.taper_low, profile.taper_high) == (0, 255, 0, 0)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "uint32", "float32", "float64"])
def test_other_types_use_percentiles_of_the_sample_by_default(dtype: str) -> None:
    sample = np.linspace(0, 100, 10_001).astype(dtype)
    profile = scene_profile(None, np.dtype(dtype), lambda: sample)
    assert profile.low == pytest.approx(0.1, abs=1)
    assert profile.high == pytest.approx(99.9, abs=1)
    assert "percentile" in describe_scaling(profile)


def test_reflectance_zero_and_one_are_the_ends_of_the_window() -> None:
    profile = scene_profile("reflectance:10000,offset:-1000", np.dtype("uint16"), _nothing)
    assert (profile.low, profile.high) == (1000, 11000)
    plain = scene_profile("reflectance:10000", np.dtype("uint16"), _nothing)
    assert (plain.low, plain.high) == (0, 10000)


def test_a_window_in_stored_values_is_taken_as_it_is() -> None:
    profile = scene_profile("minmax:-5,2.5e2", np.dtype("int16"), _nothing)
    assert (profile.low, profile.high) == (-5, 250)


@pytest.mark.parametrize(
    "scaling",
    [
        "",
        "reflectance",
        "reflectance:0",
        "minmax:1",
        "minmax:3,2",
        "minmax:2,2",
        "uint16",
        "percentile:5",
        "minmax:a,b",
    ],
)
def test_a_scaling_that_means_nothing_is_refused(scaling: str) -> None:
    with pytest.raises(OptionError) as caught:
        scene_profile(scaling, np.dtype("uint16"), _nothing)
    assert caught.value.code is ErrorCode.OPTION


@given(st.floats(-1e6, 1e6, allow_nan=False))
def test_a_scene_of_one_value_still_has_a_window_around_it(value: float) -> None:
    profile = scene_profile("percentile", np.dtype("float64"), lambda: np.full(9, value))
    assert profile.low < value < profile.high


def test_a_scene_without_data_has_a_window_too() -> None:
    assert scene_profile("percentile", np.dtype("float32"), lambda: np.empty(0)).width > 0


def test_the_change_fades_where_values_go_on_beyond_the_window_and_only_there() -> None:
    profile = scene_profile("minmax:0,100", np.dtype("uint8"), _nothing)
    assert profile.taper_low == 0
    assert profile.taper_high > 0


@given(st.integers(0, 65535), st.integers(0, 60000), st.integers(1, 5000))
def test_every_scaling_is_invertible_inside_its_window(value: int, low: int, width: int) -> None:
    profile = scene_profile(f"minmax:{low},{low + width}", np.dtype("uint16"), _nothing)
    inside = np.clip(np.array([value], np.float64), profile.low, profile.high)
    assert profile.from_unit(profile.to_unit(inside)) == pytest.approx(inside, abs=width * 1e-6)
