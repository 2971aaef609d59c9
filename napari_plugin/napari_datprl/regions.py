"""A plane of any size of which only the regions that are looked at are ever made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable


class Regions:
    """What napari needs of an array, over a function that makes one region of it.

    Parameters
    ----------
    make
        Returns the region of some rows and some columns, both slices without a step.
    shape
        (rows, columns) or (rows, columns, channels).
    dtype
        Type of the values.
    """

    def __init__(
        self, make: Callable[[slice, slice], npt.NDArray[Any]], shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        self._make = make
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.ndim = len(shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Index as numpy does, by integers and slices."""
        parts = list(key) if isinstance(key, tuple) else [key]
        if any(part is Ellipsis for part in parts):
            place = next(number for number, part in enumerate(parts) if part is Ellipsis)
            parts[place : place + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        (rows, among_rows), (columns, among_columns) = (
            _span(part, length) for part, length in zip(parts[:2], self.shape, strict=False)
        )
        made = self._make(rows, columns)
        found: npt.NDArray[Any] = made[(slice(None), slice(None), *parts[2:])][:, among_columns][among_rows]
        return found

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


def _span(part: Any, length: int) -> tuple[slice, Any]:
    """Return what has to be made for a part of an axis, and where the part lies in it."""
    chosen = range(length)[part]
    if isinstance(chosen, int):
        return slice(chosen, chosen + 1), 0
    if not chosen:
        return slice(0, 0), slice(None)
    low = min(chosen[0], chosen[-1])
    made = slice(low, max(chosen[0], chosen[-1]) + 1)
    return made, slice(None) if chosen.step == 1 else np.array(chosen) - low
