"""The intensity profile: which physical values the network sees, and how its answer is put back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, OptionError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IntensityProfile:
    """A window of physical values that is mapped to [0, 1], and the way back as a residual.

    The network sees ``z = clip((x - low) / (high - low), 0, 1)``. Its answer ``f(z)`` is put back as
    ``y = x + strength * w(x) * (high - low) * (f(z) - z)``: what the network changed is added to the original
    value, so that nothing is lost by rounding, values outside the window stay bit-identical, and strength 0 is
    exactly the input.

    Parameters
    ----------
    name
        Name under which people choose the profile, such as ``"ct-soft-tissue"``.
    low, high
        Ends of the window, in `unit`.
    unit
        Unit of the values, such as ``"HU"``, ``"SUV"`` or ``"1"``.
    taper_low, taper_high
        Width, in `unit`, over which the weight ``w`` rises from 0 to 1 *inside* the lower and the upper end.
        Zero where the end of the window is also the end of what the values can be.
    minimum
        Smallest value that may be written, such as 0 for activity; None for no such limit.
    windows
        Overlapping windows of which the profile consists, from its lower to its upper end, made by
        :func:`overlapping_windows`: the network sees each of them by itself, and their changes are added up. Empty
        for a profile that is one window.
    task
        Task of the network that the values call for, such as ``"mri_super_resolution"`` for those of MR, whose prompt
        it is then given; None lets it choose.
    """

    name: str
    low: float
    high: float
    unit: str
    taper_low: float = 0.0
    taper_high: float = 0.0
    minimum: float | None = None
    windows: tuple[IntensityProfile, ...] = ()
    task: str | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise OptionError(
                ErrorCode.OPTION,
                f"an intensity window needs two finite ends in rising order, not {self.low} and {self.high}",
                where=self.name,
            )
        if self.taper_low < 0 or self.taper_high < 0 or self.taper_low + self.taper_high > self.width:
            raise OptionError(
                ErrorCode.OPTION,
                f"the tapers {self.taper_low} and {self.taper_high} do not fit into a window of {self.width}",
                where=self.name,
            )

    @property
    def width(self) -> float:
        """Width of the window, in `unit`."""
        return self.high - self.low

    @property
    def seen_width(self) -> float:
        """Width of what the network sees at once, in `unit`."""
        return self.windows[0].width if self.windows else self.width

    def to_unit(self, values: npt.NDArray[np.floating]) -> FloatArray:
        """Map physical values to [0, 1]; NaN becomes 0.

        Parameters
        ----------
        values
            Any shape, in `unit`.
        """
        scaled = (values.astype(np.float64) - self.low) / self.width
        return np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.0).astype(np.float32)

    def from_unit(self, unit_values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Map [0, 1] to physical values: the inverse of :meth:`to_unit` inside the window."""
        return unit_values.astype(np.float64) * self.width + self.low

    def weight(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return how much of the network's change each value takes: 1 inside, 0 outside, cosine in between."""
        x = values.astype(np.float64)
        weight = np.where((x >= self.low) & (x <= self.high), 1.0, 0.0)
        if self.taper_low > 0:
            weight *= _raised_cosine(x - self.low, self.taper_low)
        if self.taper_high > 0:
            weight *= _raised_cosine(self.high - x, self.taper_high)
        return weight

    def apply(
        self,
        values: npt.NDArray[np.floating],
        before: npt.NDArray[np.floating],
        after: npt.NDArray[np.floating],
        *,
        strength: float = 1.0,
    ) -> npt.NDArray[np.float64]:
        """Put the network's change back onto the physical values.

        Parameters
        ----------
        values
            The original physical values, any shape, in `unit`.
        before, after
            What the network was given and what it returned, in [0, 1], of the same shape.
        strength
            Share of the change that is applied; 0 returns `values` unchanged.

        Returns
        -------
        float64 array in `unit`. Values whose weight is 0, and NaN, are exactly those of `values`.
        """
        check_strength(strength)
        original = values.astype(np.float64)
        change = strength * self.weight(values) * self.width * (after.astype(np.float64) - before)
        restored = original + change
        if self.minimum is not None:
            restored = np.maximum(restored, self.minimum)
        return np.where(change == 0.0, original, restored)


def overlapping_windows(name: str, low: float, width: float, overlap: float, count: int, unit: str) -> IntensityProfile:
    """Return a profile of equally wide windows, each of which begins where the one below it begins to fade out.

    Where two windows overlap, the weight of one falls as that of the other rises, so that the weights of all windows
    add up to 1 everywhere but in the outermost tapers.

    Parameters
    ----------
    name, unit
        Of the profile.
    low
        Lower end of the lowest window.
    width, overlap
        Of a window, and of two neighbours, in `unit`.
    count
        Number of windows.
    """
    starts = [low + place * (width - overlap) for place in range(count)]
    windows = tuple(IntensityProfile(name, start, start + width, unit, overlap, overlap) for start in starts)
    return IntensityProfile(name, low, windows[-1].high, unit, overlap, overlap, windows=windows)


def check_strength(strength: float) -> None:
    """Raise ``E_OPTION`` unless `strength` is a share in [0, 1]."""
    if not 0.0 <= strength <= 1.0:
        raise OptionError(ErrorCode.OPTION, f"strength is a share from 0 to 1, not {strength}", where="strength")


def _raised_cosine(distance: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float64]:
    """Rise from 0 at distance 0 to 1 at `width`, with a flat slope at both ends."""
    # Clipped before the division, so that no width is too small for it.
    rising: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * (np.clip(distance, 0.0, width) / width))
    return rising
