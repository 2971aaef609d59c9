"""The stored type of a scene: its limits, its nodata value, and the way of computed values into it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Stored = npt.NDArray[Any]


def limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the smallest and the largest finite value of a type; exact Python integers for integers."""
    if dtype.kind == "f":
        return float(np.finfo(dtype).min), float(np.finfo(dtype).max)
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def as_stored(value: float | None, dtype: np.dtype[Any]) -> float | None:
    """Return a nodata value exactly as `dtype` holds it; None if there is none or `dtype` cannot hold it.

    GeoTIFF keeps nodata as text, so that a uint8 scene may claim -9999, which no pixel can have.
    """
    if value is None:
        return None
    low, high = limits(dtype)
    if dtype.kind == "f":
        if not math.isfinite(value):
            return value
        if abs(value) > high * (1 + 1e-6):  # as text, the limit itself may be rounded up
            return None
        return float(dtype.type(min(max(value, low), high)))
    if not math.isfinite(value) or value != int(value):
        return None
    return int(value) if low <= int(value) <= high else None


def to_stored(values: npt.NDArray[np.float64], dtype: np.dtype[Any], nodata: float | None) -> Stored:
    """Round values to `dtype`, keep them inside its range, and never let data become nodata.

    Integers are rounded half to even and clipped. A value that would equal `nodata` is moved by one step, towards
    the side on which it was.
    """
    low, high = limits(dtype)
    stored = _floats(values, dtype) if dtype.kind == "f" else _integers(np.rint(values), dtype)
    absent = as_stored(nodata, dtype)
    if absent is None or math.isnan(absent):
        return stored
    collides = stored == dtype.type(absent)
    if collides.any():
        above = ((values[collides] >= absent) & (absent < high)) | (absent <= low)
        up, down = _neighbours(absent, dtype)
        stored[collides] = np.where(above, up, down)
    return stored


def _floats(values: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> Stored:
    low, high = limits(dtype)
    return np.clip(values, low, high).astype(dtype)


def _integers(values: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> Stored:
    """Convert whole numbers; 64-bit limits are no float64, so that they are set after the conversion."""
    low, high = limits(dtype)
    if dtype.itemsize < 8:
        return np.clip(values, low, high, out=values).astype(dtype)
    inside = (values > float(low)) & (values < float(high))
    stored = np.where(inside, values, 0.0).astype(dtype)
    stored[values <= float(low)] = low
    stored[values >= float(high)] = high
    return stored


def _neighbours(value: float, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the stored values next above and next below, within the type."""
    low, high = limits(dtype)
    if dtype.kind == "f":
        exact = np.array(value, dtype)
        above: Any = np.nextafter(exact, np.array(high, dtype))
        below: Any = np.nextafter(exact, np.array(low, dtype))
        return above, below
    return dtype.type(min(int(value) + 1, high)), dtype.type(max(int(value) - 1, low))
