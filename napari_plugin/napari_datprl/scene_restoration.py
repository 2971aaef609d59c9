"""What the network changes in the tiles of a scene, kept at every level of its pyramid, and shown at any strength."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.restoring.tiling import Window
from napari_datprl.regions import Regions
from napari_datprl.restoration import Restoration
from napari_datprl.sources import SceneSource

if TYPE_CHECKING:
    from napari_datprl.messages import FloatArray, Network

TILE = 512
MOST_TILES = 144
"""Tiles that are kept at most, 600 MB of three bands; a larger scene is restored where somebody looks at it."""


class SceneRestoration(Restoration):
    """Changes of the tiles of a scene.

    Where no tile was restored yet nothing is shown: colours are transparent, grey values NaN.

    Parameters
    ----------
    source, network, strength
        As for :class:`Restoration`.
    tiles
        Windows of the scene, in the order in which they are wanted.
    scaling
        How stored values are mapped to [0, 1], as for :class:`datprl_toolkit.remote_sensing.SceneOptions`.
    """

    source: SceneSource

    def __init__(
        self,
        source: SceneSource,
        network: Network,
        strength: float,
        tiles: tuple[Window, ...],
        scaling: str | None = None,
    ) -> None:
        super().__init__(source, network, strength, len(tiles), "tiles")
        self.tiles = tiles
        self.scaling = scaling
        self._changes: dict[int, list[FloatArray]] = {}
        self._last: tuple[tuple[int, ...], npt.NDArray[Any]] = (), np.empty(0)
        shapes = [level.shape[:2] for level in source.levels]
        channels = (4,) if source.is_coloured else ()
        dtype = np.uint8 if source.is_coloured else np.float32
        levels = [
            Regions(partial(self.region, number), (*shape, *channels), dtype) for number, shape in enumerate(shapes)
        ]
        self.stack = levels if len(levels) > 1 else levels[0]

    @property
    def done(self) -> int:
        """Number of tiles that were restored."""
        return len(self._changes)

    def add(self, index: int, answer: FloatArray) -> None:
        """Take the change of a tile at full strength, (h, w, bands), in stored values."""
        levels = [answer]
        for _ in range(len(self.source.levels) - 1):
            levels.append(_halved(levels[-1]))
        self._changes[index] = levels
        self.changed.emit()

    def region(self, level: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return a region of a level as it is shown: RGBA as uint8, or grey values as float32."""
        change, known = self._gathered(level, rows, columns)
        stored = self._stored(level, rows, columns)
        values = stored.reshape(change.shape).astype(np.float32) + np.float32(self.strength) * change
        if not self.source.is_coloured:
            return np.where(known, values[..., 0], np.float32(np.nan))
        opaque = np.where(known, 255, 0).astype(np.uint8)
        return np.concatenate([self.source.stretched(values), opaque[..., None]], axis=-1)

    def _stored(self, level: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return stored values of a region; those of the last one are kept, which every tile that arrives asks for."""
        place, stored = self._last
        if place != (level, rows.start, rows.stop, columns.start, columns.stop):
            stored = np.asarray(self.source.levels[level][rows, columns])
            self._last = (level, rows.start, rows.stop, columns.start, columns.stop), stored
        return stored

    def difference(self, level: int, rows: slice, columns: slice) -> FloatArray:
        """Return restored minus original in a region of a level, the mean over the bands; NaN where it is unknown."""
        change, known = self._gathered(level, rows, columns)
        found: FloatArray = np.where(known, self.strength * change.mean(axis=-1), np.nan).astype(np.float32)
        return found

    def change_at(self, row: int, column: int) -> FloatArray | None:
        """Return the change of each band at a pixel, at the strength that is shown; None where it is unknown."""
        change, known = self._gathered(0, slice(row, row + 1), slice(column, column + 1))
        return np.float32(self.strength) * change[0, 0] if known[0, 0] else None

    def _gathered(self, level: int, rows: slice, columns: slice) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return the changes in a region of a level, (h, w, bands), and where they are known."""
        full, here = self.source.levels[0].shape[:2], self.source.levels[level].shape[:2]
        # The centres of the pixels of this level, as pixels of the finest.
        row, column = (
            ((np.arange(part.start, part.stop) + 0.5) * (size / length)).astype(int)
            for part, size, length in zip((rows, columns), full, here, strict=True)
        )
        change = np.zeros((len(row), len(column), len(self.source.bands)), dtype=np.float32)
        known = np.zeros(change.shape[:2], dtype=np.bool_)
        step = round(np.log2(full[0] / here[0]))
        for index, levels in list(self._changes.items()):
            tile = self.tiles[index]
            (top, bottom), (left, right) = (
                np.searchsorted(row, (tile.top, tile.bottom)),
                np.searchsorted(column, (tile.left, tile.right)),
            )
            if top == bottom or left == right:
                continue
            held = levels[min(step, len(levels) - 1)]
            down = np.minimum((row[top:bottom] - tile.top) >> step, held.shape[0] - 1)
            across = np.minimum((column[left:right] - tile.left) >> step, held.shape[1] - 1)
            change[top:bottom, left:right] = held[_compact(down)][:, _compact(across)]
            known[top:bottom, left:right] = True
        return change, known


def tiles_of(shape: tuple[int, int], shown: Window) -> tuple[Window, ...]:
    """Return the tiles of a scene, those that are shown first and the others by their distance from them.

    Parameters
    ----------
    shape
        Height and width of the scene.
    shown
        What is looked at, in pixels of the scene.

    Returns
    -------
    All tiles of a scene of up to 6144 x 6144 pixels, of a larger one the first :data:`MOST_TILES`.
    """
    middle = ((shown.top + shown.bottom) / 2, (shown.left + shown.right) / 2)

    def order(tile: Window) -> tuple[bool, float]:
        apart = (tile.top + tile.bottom) / 2 - middle[0], (tile.left + tile.right) / 2 - middle[1]
        return not overlap(tile, shown), apart[0] ** 2 + apart[1] ** 2

    tiles = [
        Window(top, min(top + TILE, shape[0]), left, min(left + TILE, shape[1]))
        for top in range(0, shape[0], TILE)
        for left in range(0, shape[1], TILE)
    ]
    return tuple(sorted(tiles, key=order)[:MOST_TILES])


def overlap(one: Window, other: Window) -> bool:
    """Return whether two windows share a pixel."""
    return one.top < other.bottom and other.top < one.bottom and one.left < other.right and other.left < one.right


def _halved(values: FloatArray) -> FloatArray:
    """Return the means of 2 x 2 pixels; a last odd row or column is repeated."""
    height, width = values.shape[:2]
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    halved: FloatArray = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return halved


def _compact(places: npt.NDArray[np.int64]) -> Any:
    """Return rising places as a slice if they have no gap, which is much quicker to read."""
    first, last = int(places[0]), int(places[-1])
    return slice(first, last + 1) if last - first + 1 == len(places) else places
