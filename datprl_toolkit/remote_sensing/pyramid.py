"""The pyramid of a scene: each level holds the means of two by two pixels of the level below."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.remote_sensing.storage import as_stored, to_stored
from datprl_toolkit.remote_sensing.validity import valid_elements
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.scene import Scene

_ROWS = 128  # of the next level, made at once: what float64 takes of them stays small
SMALLEST_LEVEL = 512
"""A level whose sides are no longer than this is the last one: it fills a screen."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How the pixels of a scene are averaged.

    Parameters
    ----------
    nodata
        Stored value that marks absent data.
    alpha
        Place of the alpha band, from 0; None if there is none.
    """

    nodata: float | None
    alpha: int | None

    @classmethod
    def of(cls, target: Scene) -> Reduction:
        """Return the one that fits a scene."""
        return cls(target.nodata, None if target.alpha is None else target.alpha - 1)

    def halve(
        self, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.uint8] | None]:
        """Return the next level of a window that begins at an even row and column.

        Parameters
        ----------
        values
            (C, H, W) in the stored type.
        mask
            (H, W), 0 where invalid; None for a scene without a mask of its own.

        Returns
        -------
        (C, ceil(H / 2), ceil(W / 2)): the mean of the pixels that are data, rounded half to even for whole numbers;
        where none of the four is data, nodata, or the first of them for a scene without. The mask is 255 where any
        of the four is valid.
        """
        shape = (values.shape[0], -(-values.shape[1] // 2), -(-values.shape[2] // 2))
        halved = np.empty(shape, values.dtype)
        halved_mask = None if mask is None else np.empty(shape[1:], np.uint8)
        for top in range(0, shape[1], _ROWS):
            place, rows = slice(top, top + _ROWS), slice(2 * top, 2 * (top + _ROWS))
            part, part_mask = self._halve(values[:, rows], None if mask is None else mask[rows])
            halved[:, place] = part
            if halved_mask is not None:
                halved_mask[place] = part_mask
        return halved, halved_mask

    def _halve(
        self, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None
    ) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.uint8] | None]:
        valid = self._valid(values, mask)
        if valid.all() and values.shape[1] % 2 == values.shape[2] % 2 == 0:
            halved = to_stored(_sum_of_four(values) / 4, values.dtype, self.nodata)
        else:
            first: npt.NDArray[np.generic] = values[:, ::2, ::2]
            absent = as_stored(self.nodata, values.dtype)
            halved = first if absent is None else np.full_like(first, absent)
            if valid.any():
                count = _sum_of_four(_even(valid))
                total = _sum_of_four(_even(np.where(valid, values, np.zeros((), values.dtype))))
                mean = np.divide(total, count, out=np.zeros(total.shape), where=count > 0)
                halved = np.where(count > 0, to_stored(mean, values.dtype, self.nodata), halved)
        if mask is None:
            return halved, None
        seen = _sum_of_four(_even(mask[None] != 0))[0] > 0
        return halved, np.where(seen, 255, 0).astype(np.uint8)

    def _valid(self, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.bool_]:
        valid = valid_elements(values, self.nodata, mask=mask)
        if self.alpha is not None:
            valid &= (values[self.alpha] != 0)[None]
            valid[self.alpha] = True  # half of a pixel may well be transparent
        return valid


def _even(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give an odd row or column of (C, H, W) a partner of zeros."""
    _, height, width = array.shape
    return np.pad(array, ((0, 0), (0, height % 2), (0, width % 2))) if height % 2 or width % 2 else array


def _sum_of_four(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the sums of two by two pixels of (C, H, W), both even."""
    # Sums of small integers are as exact as float64, at half the memory.
    dtype = np.int32 if array.dtype.kind in "biu" and array.dtype.itemsize <= 2 else np.float64
    total = np.add(array[:, ::2, ::2], array[:, ::2, 1::2], dtype=dtype)
    total += array[:, 1::2, ::2]
    total += array[:, 1::2, 1::2]
    exact: npt.NDArray[np.float64] = total.astype(np.float64, copy=False)
    return exact


def level_count(shape: tuple[int, int]) -> int:
    """Return how many levels stand above the full resolution."""
    count = 0
    while max(shape) > SMALLEST_LEVEL:
        shape = (-(-shape[0] // 2), -(-shape[1] // 2))
        count += 1
    return count


def level_window(window: Window, level: int) -> Window:
    """Return what becomes of a window of the full resolution; its corner must be a multiple of ``2**level``."""
    size = 2**level
    return Window(window.top // size, -(-window.bottom // size), window.left // size, -(-window.right // size))


def level_scene(target: Scene, level: int) -> Scene:
    """Describe one level of the pyramid of a scene."""
    return target if level == 0 else replace(target, grid=target.grid.reduced(2**level))
