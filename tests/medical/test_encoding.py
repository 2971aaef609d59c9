from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from datprl_toolkit.medical.encoding import encode_activity, encode_in_place, written_number
from datprl_toolkit.medical.pixels import PixelFormat
from datprl_toolkit.medical.quantity import Rescale

SHAPE = (4, 5)


def pixel_format(*, signed: bool = True, bits: int = 16, padding: tuple[int, int] | None = None) -> PixelFormat:
    return PixelFormat(*SHAPE, bits_allocated=16, bits_stored=bits, signed=signed, inverted=False, padding=padding)


@given(
    stored=hnp.arrays(np.int16, SHAPE),
    slope=st.floats(1e-3, 1e3),
    intercept=st.floats(-2000, 2000),
    touched=hnp.arrays(np.bool_, SHAPE),
)
def test_what_was_not_changed_keeps_its_bits_whatever_the_scaling(
    stored: np.ndarray, slope: float, intercept: float, touched: np.ndarray
) -> None:
    rescale = Rescale(slope, intercept)
    original = rescale.to_physical(stored)
    restored = np.where(touched, original + 3.3 * slope, original)
    encoded = encode_in_place(stored, original, restored, pixel_format(), rescale)
    np.testing.assert_array_equal(encoded.stored[~touched], stored[~touched])
    inside = touched & (stored < 32760)
    assert np.all(np.abs(encoded.to_physical() - restored)[inside] <= 0.5001 * slope)


def test_values_beyond_the_stored_range_are_clipped_not_wrapped() -> None:
    stored = np.full(SHAPE, 4000, dtype=np.uint16)
    encoded = encode_in_place(
        stored, stored.astype(float), np.full(SHAPE, 9000.0), pixel_format(signed=False, bits=12), Rescale()
    )
    assert np.all(encoded.stored == 4095)
    encoded = encode_in_place(
        stored, stored.astype(float), np.full(SHAPE, -5.0), pixel_format(signed=False, bits=12), Rescale()
    )
    assert np.all(encoded.stored == 0)


def test_padding_stays_padding_and_nothing_becomes_padding() -> None:
    stored = np.array([[-2000, -1990, 0, 5, 7]] * 4, dtype=np.int16)
    original = stored.astype(np.float64)
    encoded = encode_in_place(
        stored, original, np.full(SHAPE, -2000.0), pixel_format(padding=(-2000, -2000)), Rescale()
    )
    np.testing.assert_array_equal(encoded.stored, stored)


@given(hnp.arrays(np.float64, SHAPE, elements=st.floats(0, 1e6)))
def test_activity_is_kept_within_half_a_slope(activity: np.ndarray) -> None:
    encoded = encode_activity(activity, np.zeros(SHAPE, bool), pixel_format(), empty_slope=0.7)
    assert encoded.rescale.intercept == 0
    assert np.all(np.abs(encoded.to_physical() - activity) <= 0.5001 * encoded.rescale.slope)


def test_a_slice_without_activity_takes_the_slope_of_its_neighbours() -> None:
    encoded = encode_activity(np.zeros(SHAPE), np.zeros(SHAPE, bool), pixel_format(), empty_slope=0.7)
    assert encoded.rescale.slope == 0.7
    assert not encoded.stored.any()


def test_padding_of_a_pet_is_never_activity() -> None:
    activity = np.full(SHAPE, 100.0)
    activity[0] = -3000
    padding = np.zeros(SHAPE, bool)
    padding[0] = True
    encoded = encode_activity(activity, padding, pixel_format(padding=(-3000, -3000)), empty_slope=1)
    assert encoded.pixel_format.padding == (-32768, -32768)
    assert np.all(encoded.stored[0] == -32768)
    np.testing.assert_allclose(encoded.to_physical()[1:], 100.0)


@pytest.mark.parametrize("number", [0.1234567890123456789, 1 / 3, 123456.7890123456, 3.3e-12])
def test_a_slope_is_the_number_that_fits_into_a_decimal_string(number: float) -> None:
    written = written_number(number)
    assert written == pytest.approx(number, rel=1e-9)
    assert written_number(written) == written
