"""One pass over a volume before anything is restored: every slice decodes, and what its values are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from datprl_toolkit.medical.volume import Slice, Volume

MOST_DISTINCT_VALUES = 1 << 22
KEPT_MANTISSA = np.uint32(0xFFFFFF00)  # 15 of 23 bits: a relative error of at most 2**-15


class ValueCount:
    """How often each value occurs in a volume, within bounded memory and whatever the order of its slices.

    Values are counted exactly until there are more than `limit` different ones; from then on they are rounded to
    15 bits of mantissa, which moves a percentile by at most 0.003 percent of itself.
    """

    def __init__(self, limit: int = MOST_DISTINCT_VALUES) -> None:
        self._limit = limit
        self._values = np.empty(0, dtype=np.float32)
        self._counts = np.empty(0, dtype=np.int64)
        self._waiting: list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]] = []
        self._rounded = False

    def add(self, values: npt.NDArray[np.floating]) -> None:
        """Count the values of an array of any shape."""
        new, counts = np.unique(values.astype(np.float32), return_counts=True)
        self._waiting.append((new, counts.astype(np.int64)))
        # Merged in large portions: to merge slice by slice would sort everything again for each.
        if sum(len(part) for part, _ in self._waiting) > self._limit // 4:
            self._merge()

    def _merge(self) -> None:
        """Bring what waits together with what is counted, and keep within the limit."""
        self._values = np.concatenate([self._values, *(part for part, _ in self._waiting)])
        self._counts = np.concatenate([self._counts, *(counts for _, counts in self._waiting)])
        self._waiting.clear()
        self._unify()
        if len(self._values) > self._limit or self._rounded:
            self._rounded = True
            self._values = (self._values.view(np.uint32) & KEPT_MANTISSA).view(np.float32)
            self._unify()

    def _unify(self) -> None:
        """Sort the values and add up the counts of equal ones."""
        if len(self._values) == 0:
            return
        order = np.argsort(self._values, kind="stable")
        ordered = self._values[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._values, self._counts = ordered[starts], np.add.reduceat(self._counts[order], starts)

    def percentile(self, percent: float) -> float:
        """Return the smallest value that at least `percent` of all values do not exceed.

        Raises
        ------
        InputError
            ``E_EMPTY`` if nothing was counted.
        """
        self._merge()
        if len(self._values) == 0:
            raise InputError(
                ErrorCode.EMPTY, "every pixel of the volume is padding; there is nothing to restore", where="volume"
            )
        cumulative = np.cumsum(self._counts)
        rank = np.ceil(percent / 100.0 * cumulative[-1])
        return float(self._values[np.searchsorted(cumulative, max(rank, 1))])


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a volume found.

    Parameters
    ----------
    volume
        The volume without the slices that could not be decoded.
    values
        How often each physical value occurs, padding left out; not counted for CT.
    maxima
        Largest physical value of each slice, padding left out; 0 where all is padding.
    warnings
        A line for each slice that was left out.
    """

    volume: Volume
    values: ValueCount
    maxima: tuple[float, ...]
    warnings: tuple[str, ...]


def survey(volume: Volume, *, skip_broken: bool = False, progress: ProgressCallback = silent) -> Survey:
    """Decode every slice once, so that a broken one is known before any work is done.

    Parameters
    ----------
    volume
        The volume.
    skip_broken
        Leave out slices that cannot be decoded, with a warning, instead of raising.
    progress
        Told after each slice.

    Raises
    ------
    DatprlError
        What decoding the first broken slice raises, or if none is left.
    """
    values, maxima, kept, warnings = ValueCount(), [], [], []
    for done, image in enumerate(volume.slices, start=1):
        try:
            physical = _image_values(image)
        except DatprlError as error:
            if not skip_broken or volume.enhanced or len(volume.slices) == 1:
                raise
            warnings.append(f"W_SKIPPED_SLICE: {error}")
            continue
        finally:
            progress(Progress("reading", done, len(volume.slices), "slices"))
        if volume.modality != "CT":
            # The window of a CT is fixed; counting would double the time of this pass.
            values.add(physical)
        maxima.append(float(physical.max(initial=0.0)))
        kept.append(image)
    if not kept:
        raise InputError(ErrorCode.EMPTY, "no slice of the series could be decoded", where=volume.slices[0].path.parent)
    return Survey(replace(volume, slices=tuple(kept)), values, tuple(maxima), tuple(warnings))


def _image_values(image: Slice) -> npt.NDArray[np.float64]:
    """Return the physical values of a slice that are not padding, as a flat array."""
    stored = image.read_stored()
    return image.rescale.to_physical(stored[~image.pixel_format.padding_mask(stored)])
