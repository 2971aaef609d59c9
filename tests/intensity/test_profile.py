"""The intensity profile: exact outside, invertible inside, a share of the change in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datprl_toolkit.errors import OptionError
from datprl_toolkit.intensity import IntensityProfile

CT = IntensityProfile("ct-soft-tissue", -160.0, 240.0, "HU", taper_low=20.0, taper_high=20.0)
values_in_hu = hnp.arrays(np.float32, 32, elements=st.floats(-1024, 3071, width=32))
unit_values = hnp.arrays(np.float32, 32, elements=st.floats(0, 1, width=32))
profiles = st.builds(
    lambda low, width, share: IntensityProfile(
        "any", low, low + width, "1", taper_low=share * width, taper_high=(0.5 - share / 2) * width
    ),
    st.floats(-2000, 2000),
    st.floats(1, 5000),
    st.floats(0, 0.9),
)


@given(profiles, unit_values)
def test_physical_values_of_the_window_come_back(profile: IntensityProfile, unit: np.ndarray) -> None:
    there_and_back = profile.to_unit(profile.from_unit(unit))
    assert np.abs(there_and_back - unit).max() <= 1e-6


@given(profiles, values_in_hu, unit_values)
def test_values_outside_the_window_are_bit_identical(
    profile: IntensityProfile, values: np.ndarray, after: np.ndarray
) -> None:
    restored = profile.apply(values, profile.to_unit(values), after)
    outside = (values < profile.low) | (values > profile.high)
    assert np.array_equal(restored[outside], values[outside].astype(np.float64))


@given(profiles, values_in_hu, unit_values)
def test_strength_zero_is_exactly_the_input(profile: IntensityProfile, values: np.ndarray, after: np.ndarray) -> None:
    restored = profile.apply(values, profile.to_unit(values), after, strength=0.0)
    assert np.array_equal(restored, values.astype(np.float64))


@given(profiles, values_in_hu)
def test_an_unchanged_image_comes_back_exactly(profile: IntensityProfile, values: np.ndarray) -> None:
    unit = profile.to_unit(values)
    assert np.array_equal(profile.apply(values, unit, unit), values.astype(np.float64))


@given(values_in_hu, unit_values, st.floats(0, 1))
def test_half_the_strength_is_half_the_change(values: np.ndarray, after: np.ndarray, strength: float) -> None:
    before = CT.to_unit(values)
    full = CT.apply(values, before, after) - values
    part = CT.apply(values, before, after, strength=strength) - values
    assert np.allclose(part, strength * full, atol=1e-9)


@given(profiles, values_in_hu)
def test_the_weight_is_a_share_and_vanishes_at_tapered_ends(profile: IntensityProfile, values: np.ndarray) -> None:
    weight = profile.weight(values)
    assert weight.min() >= 0.0
    assert weight.max() <= 1.0
    if profile.taper_low > 0:
        assert profile.weight(np.array([profile.low]))[0] == 0.0


def test_inside_the_window_the_whole_change_is_applied() -> None:
    values = np.array([0.0, 100.0])
    restored = CT.apply(values, CT.to_unit(values), CT.to_unit(values + 12.0))
    assert np.allclose(restored, values + 12.0, atol=1e-4)


def test_a_minimum_is_never_undercut_by_what_was_changed() -> None:
    suv = IntensityProfile("pet", 0.0, 20.0, "SUV", taper_high=2.0, minimum=0.0)
    restored = suv.apply(np.array([0.1]), suv.to_unit(np.array([0.1])), np.array([-0.2]))
    assert restored[0] == 0.0


def test_missing_values_stay_missing_and_are_zero_for_the_network() -> None:
    values = np.array([np.nan, 10.0], dtype=np.float32)
    unit = CT.to_unit(values)
    assert unit[0] == 0.0
    assert np.isnan(CT.apply(values, unit, unit)[0])


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_that_is_no_share_is_refused(strength: float) -> None:
    with pytest.raises(OptionError, match="E_OPTION: strength is a share"):
        CT.apply(np.zeros(1), np.zeros(1), np.zeros(1), strength=strength)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_a_window_needs_two_rising_finite_ends(low: float, high: float) -> None:
    with pytest.raises(OptionError, match="two finite ends"):
        IntensityProfile("bad", low, high, "1")


def test_tapers_wider_than_the_window_are_refused() -> None:
    with pytest.raises(OptionError, match="do not fit"):
        IntensityProfile("bad", 0.0, 1.0, "1", taper_low=0.6, taper_high=0.6)
