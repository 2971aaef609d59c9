"""What changed in each band of a scene or picture, added up window after window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datprl_toolkit.reports.report import BandChange

FloatArray = npt.NDArray[np.float64]

BLOCK = 16
FEWEST_BLOCKS = 8


@dataclass(slots=True)
class BandSums:
    """Sums over the pixels of one band, and over the means of blocks of them.

    Parameters
    ----------
    name, restored
        As in :class:`~datprl_toolkit.reports.report.BandChange`.
    """

    name: str
    restored: bool
    _pixels: int = 0
    _before: float = 0.0
    _after: float = 0.0
    _before_squares: float = 0.0
    _after_squares: float = 0.0
    _change_squares: float = 0.0
    _largest: float = 0.0
    _blocks: int = 0
    _block_sums: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def add(self, before: FloatArray, after: FloatArray, valid: npt.NDArray[np.bool_]) -> None:
        """Add a window of the band, (H, W) each."""
        first, second = before[valid], after[valid]
        if not first.size:
            return
        change = second - first
        self._pixels += first.size
        self._before += float(first.sum())
        self._after += float(second.sum())
        self._before_squares += float(first @ first)
        self._after_squares += float(second @ second)
        self._change_squares += float(change @ change)
        extreme = float(change[np.argmax(np.abs(change))])
        self._largest = extreme if abs(extreme) > abs(self._largest) else self._largest
        self._add_blocks(before, after, valid)

    def _add_blocks(self, before: FloatArray, after: FloatArray, valid: npt.NDArray[np.bool_]) -> None:
        whole = _blocks(valid).all(axis=(1, 3))
        first, second = (_blocks(image).mean(axis=(1, 3))[whole] for image in (before, after))
        self._blocks += first.size
        new = (first.sum(), second.sum(), first @ first, first @ second)
        added = [float(old + more) for old, more in zip(self._block_sums, new, strict=True)]
        self._block_sums = (added[0], added[1], added[2], added[3])

    def result(self) -> BandChange:
        """Return what was added up."""
        pixels = max(1, self._pixels)
        before, after = self._before / pixels, self._after / pixels
        gain, offset = self._line()
        return BandChange(
            name=self.name,
            restored=self.restored,
            mean_before=before,
            mean_after=after,
            deviation_before=float(np.sqrt(max(0.0, self._before_squares / pixels - before**2))),
            deviation_after=float(np.sqrt(max(0.0, self._after_squares / pixels - after**2))),
            rms=float(np.sqrt(self._change_squares / pixels)),
            largest=self._largest,
            gain=gain,
            offset=offset,
        )

    def _line(self) -> tuple[float, float]:
        """Return gain and offset of the least-squares line through the means of blocks."""
        if self._blocks < FEWEST_BLOCKS:
            return float("nan"), float("nan")
        first, second, squares, products = (total / self._blocks for total in self._block_sums)
        variance = squares - first**2
        if variance <= 1e-9 * max(squares, 1e-30):
            return float("nan"), float("nan")
        gain = (products - first * second) / variance
        return gain, second - gain * first


def _blocks(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Cut an image into blocks, (rows, BLOCK, columns, BLOCK); what is left over at the ends is left out."""
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    return image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
