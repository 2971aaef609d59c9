"""What the network changes in the tiles of a scene, kept at every level of its pyramid, and shown at any strength."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.restoring.tiling import Window
from napari_datprl.regions import Regions
from napari_datprl.restoration import Restoration
from napari_datprl.sources import SceneSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_datprl.messages import FloatArray, Network

TILE = 512
MOST_KEPT = 4096**2
"""Pixels of the largest picture that is kept, so that a tile that arrives is all that has to be drawn."""
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
        self._pictures: dict[int, _Picture] = {}
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
        for picture in self._pictures.values():
            picture.drawn.discard(index)
        self.changed.emit()

    def region(self, level: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Return a region of a level as it is shown: RGBA as uint8, or grey values as float32."""
        picture = self._picture(level, rows, columns)
        new = [part for part in self._parts(level, rows, columns) if part.index not in picture.drawn]
        if new:
            self._draw(picture, new, level, (rows.start, columns.start))
        return picture.values.copy()

    def _picture(self, level: int, rows: slice, columns: slice) -> _Picture:
        """Return what was drawn of a region; blank if the last one of this level was another or of another strength."""
        place = (rows.start, rows.stop, columns.start, columns.stop, self.strength)
        picture = self._pictures.get(level)
        if picture is None or picture.place != place:
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            blank = np.zeros((*shape, 4), np.uint8) if self.source.is_coloured else np.full(shape, np.nan, np.float32)
            picture = _Picture(place, blank)
            if shape[0] * shape[1] <= MOST_KEPT:
                self._pictures[level] = picture
        return picture

    def _draw(self, picture: _Picture, parts: list[_Part], level: int, first: tuple[int, int]) -> None:
        """Draw the parts of tiles; what is stored where they lie is read at once, for each reading takes its time."""
        top, left = (min(part.inside[axis].start for part in parts) for axis in (0, 1))
        bottom, right = (max(part.inside[axis].stop for part in parts) for axis in (0, 1))
        row, column = first
        stored = np.asarray(self.source.levels[level][row + top : row + bottom, column + left : column + right])
        for part in parts:
            rows, columns = part.inside
            here = stored[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            values = np.float32(self.strength) * part.change
            values += here.reshape(values.shape)
            if self.source.is_coloured:
                picture.values[part.inside][..., :3] = self.source.stretched(values)
                picture.values[part.inside][..., 3] = 255
            else:
                picture.values[part.inside] = values[..., 0]
            picture.drawn.add(part.index)

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
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        change = np.zeros((*shape, len(self.source.bands)), dtype=np.float32)
        known = np.zeros(shape, dtype=np.bool_)
        for part in self._parts(level, rows, columns):
            change[part.inside] = part.change
            known[part.inside] = True
        return change, known

    def _parts(self, level: int, rows: slice, columns: slice) -> Iterator[_Part]:
        """Yield what lies in a region of a level of each tile that was restored."""
        full, here = self.source.levels[0].shape[:2], self.source.levels[level].shape[:2]
        # The centres of the pixels of this level, as pixels of the finest.
        row, column = (
            ((np.arange(part.start, part.stop) + 0.5) * (size / length)).astype(int)
            for part, size, length in zip((rows, columns), full, here, strict=True)
        )
        step = round(np.log2(full[0] / here[0]))
        for index, levels in list(self._changes.items()):
            tile = self.tiles[index]
            (top, bottom), (left, right) = (
                np.searchsorted(row, (tile.top, tile.bottom)).tolist(),
                np.searchsorted(column, (tile.left, tile.right)).tolist(),
            )
            if top == bottom or left == right:
                continue
            held = levels[min(step, len(levels) - 1)]
            down = np.minimum((row[top:bottom] - tile.top) >> step, held.shape[0] - 1)
            across = np.minimum((column[left:right] - tile.left) >> step, held.shape[1] - 1)
            yield _Part(index, np.s_[top:bottom, left:right], held[_compact(down)][:, _compact(across)])


@dataclass
class _Picture:
    """A region as it was drawn last: where and at which strength, its values, and the tiles that are in it."""

    place: tuple[float, ...]
    values: npt.NDArray[Any]
    drawn: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Part:
    """What lies of a tile in a region: the tile's index, its place in the region, and its change, (h, w, bands)."""

    index: int
    inside: tuple[slice, slice]
    change: FloatArray


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
