"""From restored physical values back to stored ones, so that what was not changed stays bit-identical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydicom.valuerep import DSfloat

from datprl_toolkit.medical.pixels import PixelFormat
from datprl_toolkit.medical.quantity import Rescale

if TYPE_CHECKING:
    from datprl_toolkit.medical.pixels import StoredArray

ACTIVITY_LIMIT = 32767  # largest value of 16 signed bits
ACTIVITY_PADDING = -32768
SMALLEST_SLOPE = 1e-30  # far below any activity, and far above what a decimal string would round to 0


@dataclass(frozen=True, slots=True)
class EncodedSlice:
    """Stored values ready to be written.

    Parameters
    ----------
    stored
        (rows, columns) integers of the type of `pixel_format`.
    rescale
        The way from them to physical values, as it can be written: slopes are decimal strings of 16 characters.
    pixel_format
        How they are stored.
    """

    stored: StoredArray
    rescale: Rescale
    pixel_format: PixelFormat

    def to_physical(self) -> npt.NDArray[np.float64]:
        """Return the physical values that a reader will see."""
        return self.rescale.to_physical(self.stored)


def encode_in_place(
    stored: StoredArray,
    original: npt.NDArray[np.float64],
    restored: npt.NDArray[np.float64],
    pixel_format: PixelFormat,
    rescale: Rescale,
) -> EncodedSlice:
    """Encode CT or MR with the scaling and bits of the source.

    Parameters
    ----------
    stored, original
        Stored and physical values of the source, (rows, columns).
    restored
        Restored physical values.

    Returns
    -------
    Stored values: those of the source, bit by bit, wherever `restored` equals `original`; rounded and clipped to
    the stored range elsewhere, and never onto the value that means padding.
    """
    low, high = pixel_format.limits
    rounded = np.clip(np.rint((restored - rescale.intercept) / rescale.slope), low, high).astype(stored.dtype)
    keep = (restored == original) | pixel_format.padding_mask(rounded) | pixel_format.padding_mask(stored)
    return EncodedSlice(np.where(keep, stored, rounded), rescale, pixel_format)


def encode_activity(
    restored: npt.NDArray[np.float64],
    padding: npt.NDArray[np.bool_],
    pixel_format: PixelFormat,
    empty_slope: float,
    slope: float | None = None,
) -> EncodedSlice:
    """Encode a PET slice with a slope of its own: 16 signed bits that its largest value fills.

    Parameters
    ----------
    restored
        Restored physical values, (rows, columns).
    padding
        Where the source holds padding.
    pixel_format
        Format of the source.
    empty_slope
        Slope for a slice without any value but 0: that of its neighbours, since readers that take the slope of the
        first slice for all of them would overflow with a slope of 1.
    """
    visible = np.where(padding, 0.0, restored)
    slope = slope or activity_slope(float(np.abs(visible).max())) or written_number(empty_slope)
    stored = np.clip(np.rint(visible / slope), -ACTIVITY_LIMIT, ACTIVITY_LIMIT)
    # Padding that reads as 0 can stay 0; other padding must not be mistaken for activity.
    marked = padding & (restored != 0)
    stored[marked] = ACTIVITY_PADDING
    value = (ACTIVITY_PADDING if marked.any() else 0) if pixel_format.padding is not None else None
    written = PixelFormat(
        rows=pixel_format.rows,
        columns=pixel_format.columns,
        bits_allocated=16,
        bits_stored=16,
        signed=True,
        inverted=pixel_format.inverted,
        padding=None if value is None else (value, value),
    )
    return EncodedSlice(stored.astype(np.int16), Rescale(slope, 0.0), written)


def activity_slope(largest: float) -> float | None:
    """Return the slope, as it can be written, with which a value fills 15 bits; None for 0."""
    return written_number(max(largest / ACTIVITY_LIMIT, SMALLEST_SLOPE)) if largest > 0 else None


def written_number(number: float) -> float:
    """Return a number as it reads after it was written as a decimal string (DS) of at most 16 characters."""
    return float(str(DSfloat(number, auto_format=True)))
