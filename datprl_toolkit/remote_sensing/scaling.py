"""How stored values become [0, 1]: one window for the whole scene and its three bands, explicit and invertible.

One window for all bands keeps the colours of the scene; one for all tiles keeps neighbouring tiles equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity.profile import IntensityProfile
from datprl_toolkit.remote_sensing.storage import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

PERCENTILES = (0.1, 99.9)
TAPER = 0.02
"""Share of the window over which the change fades towards an end beyond which the scene may have values."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_REFLECTANCE = re.compile(rf"reflectance:({_NUMBER})(?:,offset:({_NUMBER}))?")
_MINMAX = re.compile(rf"minmax:({_NUMBER}),({_NUMBER})")


def scene_profile(
    scaling: str | None, dtype: np.dtype[Any], sample: Callable[[], npt.NDArray[np.generic]]
) -> IntensityProfile:
    """Return the window of stored values that the network sees as [0, 1].

    Parameters
    ----------
    scaling
        ``"uint8"``: 0 to 255. ``"reflectance:10000[,offset:-1000]"``: reflectance 0 to 1, where reflectance is
        (stored + offset) / quantification, as in Sentinel-2 products (BOA_ADD_OFFSET, QUANTIFICATION_VALUE).
        ``"minmax:LOW,HIGH"``: these stored values. ``"percentile"``: the 0.1st to the 99.9th percentile of
        `sample`. None: "uint8" for uint8, "percentile" for every other type.
    dtype
        Type of the stored values.
    sample
        Gives valid stored values from all over the scene, one-dimensional; called for "percentile" only.

    Raises
    ------
    OptionError
        ``E_OPTION`` if `scaling` is none of these, or its ends are not in rising order.
    """
    chosen = scaling if scaling is not None else ("uint8" if dtype == np.uint8 else "percentile")
    text = chosen.replace(" ", "")
    if text == "uint8":
        return _profile("uint8", 0.0, 255.0, dtype)
    if text == "percentile":
        low, high = _percentile_window(sample())
        return _profile("percentile", low, high, dtype)
    if match := _REFLECTANCE.fullmatch(text):
        offset = float(match[2] or 0.0)
        return _checked(text, 0.0 - offset, float(match[1]) - offset, dtype)
    if match := _MINMAX.fullmatch(text):
        return _checked(text, float(match[1]), float(match[2]), dtype)
    raise OptionError(
        ErrorCode.OPTION,
        f"'{chosen}' is no way to scale values",
        where="scaling",
        remedy="Use uint8, reflectance:10000[,offset:-1000], minmax:LOW,HIGH or percentile",
    )


def describe_scaling(profile: IntensityProfile) -> str:
    """Say in a few words, with its numbers, which values the network saw."""
    return f"stored values {profile.low:g} to {profile.high:g} as [0, 1] ({profile.name})"


def _checked(name: str, low: float, high: float, dtype: np.dtype[Any]) -> IntensityProfile:
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise OptionError(
            ErrorCode.OPTION,
            f"'{name}' gives a window from {low:g} to {high:g}, whose ends must rise",
            where="scaling",
        )
    return _profile(name, low, high, dtype)


def _profile(name: str, low: float, high: float, dtype: np.dtype[Any]) -> IntensityProfile:
    """Fade towards an end of the window unless no value can lie beyond it."""
    lowest, highest = limits(dtype)
    taper = TAPER * (high - low)
    return IntensityProfile(
        name=name,
        low=low,
        high=high,
        unit="stored value",
        taper_low=taper if low > lowest else 0.0,
        taper_high=taper if high < highest else 0.0,
    )


def _percentile_window(values: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return the percentiles of a sample; a scene with a single value gets a window around it."""
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values.astype(np.float64), PERCENTILES))
    if low < high:
        return low, high
    half = max(abs(low) * 1e-3, 0.5)
    return low - half, high + half
