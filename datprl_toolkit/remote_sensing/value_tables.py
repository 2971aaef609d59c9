"""What the scaling makes of each of the few values that a small integer type has: computed once, then looked up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.remote_sensing.storage import to_stored

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile

_LARGEST = 2  # bytes of a value: a table of 65 536 entries stays in the processor's cache
_ROWS = 64  # of one band, computed at once: what float64 takes of them stays there too


@dataclass(frozen=True, slots=True)
class ValueTables:
    """The scaling of one scene, value by value; the results are those of :class:`IntensityProfile` to the bit.

    Parameters
    ----------
    unit
        What the network sees of each stored value, by its bits as an unsigned number.
    gain
        By how much each stored value changes where the network's answer changes by 1.
    """

    unit: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float64]

    def to_unit(self, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Map stored values, of any shape, to [0, 1]."""
        seen: npt.NDArray[np.float32] = np.take(self.unit, _bits(stored))
        return seen

    def apply(
        self,
        stored: npt.NDArray[Any],
        before: npt.NDArray[np.float32],
        after: npt.NDArray[np.float32],
        nodata: float | None,
    ) -> npt.NDArray[np.generic]:
        """Put the network's change back onto stored values.

        Parameters
        ----------
        stored
            (C, H, W), all of it data.
        before, after
            What the network was given and what it returned.
        nodata
            A value that data must not become.
        """
        result = np.empty(stored.shape, stored.dtype)
        height = stored.shape[1]
        for place in (
            (band, slice(top, top + _ROWS)) for band in range(len(stored)) for top in range(0, height, _ROWS)
        ):
            change = np.subtract(after[place], before[place], dtype=np.float64)
            change *= np.take(self.gain, _bits(stored[place]))
            change += stored[place]
            result[place] = to_stored(change, stored.dtype, nodata)
        return result


@lru_cache(maxsize=4)
def value_tables(profile: IntensityProfile, dtype: np.dtype[Any], strength: float) -> ValueTables | None:
    """Return the tables of a scene; None for a type that has too many values."""
    if dtype.kind not in "iu" or dtype.itemsize > _LARGEST:
        return None
    every = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)
    return ValueTables(profile.to_unit(every), strength * profile.weight(every) * profile.width)


def _bits(stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return stored.view(f"u{stored.dtype.itemsize}")
