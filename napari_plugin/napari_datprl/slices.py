"""A stack of slices as an array that napari can show: a slice is made when it is looked at, and kept for a while."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

CACHE_BYTES = 512 * 2**20


class SliceStack:
    """What napari needs of an array, over a function that returns one slice.

    Parameters
    ----------
    read
        Returns the slice at an index, (rows, columns) or (rows, columns, 3).
    shape
        Of the whole, the first axis being that of the slices.
    dtype
        Type of the values that are shown.
    cache_bytes
        Memory for slices that were read.
    """

    def __init__(
        self,
        read: Callable[[int], npt.NDArray[Any]],
        shape: tuple[int, ...],
        *,
        dtype: npt.DTypeLike = np.float32,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._read = read
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.ndim = len(shape)
        self._room = max(1, cache_bytes // int(np.prod(shape[1:]) * self.dtype.itemsize))
        self._cache: OrderedDict[int, npt.NDArray[Any]] = OrderedDict()
        # The thread that fills the status bar reads beside the window's own.
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self.shape[0]

    def plane(self, index: int) -> npt.NDArray[Any]:
        """Return the slice at an index; do not write into it."""
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        made = self._read(index).astype(self.dtype, copy=False)
        with self._lock:
            self._cache[index] = made
            while len(self._cache) > self._room:
                self._cache.popitem(last=False)
        return made

    def forget(self, index: int | None = None) -> None:
        """Forget a slice that has changed, or all of them."""
        with self._lock:
            if index is None:
                self._cache.clear()
            else:
                self._cache.pop(index, None)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Index as numpy does, the first axis by an integer, a slice or a sequence of integers."""
        parts = key if isinstance(key, tuple) else (key,)
        if Ellipsis in [part for part in parts if part is Ellipsis]:
            place = next(number for number, part in enumerate(parts) if part is Ellipsis)
            missing = self.ndim - (len(parts) - 1)
            parts = (*parts[:place], *(slice(None),) * missing, *parts[place + 1 :])
        first, rest = (parts[0], parts[1:]) if parts else (slice(None), ())
        if isinstance(first, slice):
            chosen = range(*first.indices(len(self)))
        elif isinstance(first, np.ndarray | list | tuple):
            chosen = [int(index) for index in first]  # type: ignore[assignment]
        else:
            index = operator.index(first)
            found: npt.NDArray[Any] = self.plane(index % len(self) if -len(self) <= index < len(self) else index)[rest]
            return found
        if not chosen:
            return np.empty((0, *np.empty(self.shape[1:], dtype=self.dtype)[rest].shape), dtype=self.dtype)
        return np.stack([self.plane(index)[rest] for index in chosen])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)


class PlanesAs:
    """The planes of an image of two, four or more axes, in its own shape."""

    def __init__(self, planes: SliceStack, shape: tuple[int, ...]) -> None:
        self._planes = planes
        self.shape = shape
        self.ndim = len(shape)
        self.dtype = planes.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        leading = len(self.shape) - (self._planes.ndim - 1)
        parts = key if isinstance(key, tuple) else (key,)
        if leading and len(parts) >= leading and all(isinstance(part, int | np.integer) for part in parts[:leading]):
            place = int(np.ravel_multi_index(tuple(int(part) for part in parts[:leading]), self.shape[:leading]))
            found: npt.NDArray[Any] = self._planes.plane(place)[parts[leading:]]
            return found
        if not leading:
            plane: npt.NDArray[Any] = self._planes.plane(0)[key]
            return plane
        found_all: npt.NDArray[Any] = np.asarray(self)[key]
        return found_all

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self._planes[:].reshape(self.shape)
        return whole if dtype is None else whole.astype(dtype)
