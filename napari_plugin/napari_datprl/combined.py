"""Arrays made of two layers while they are looked at: the difference, and the one that ends where the other begins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_datprl.regions import Regions
from napari_datprl.restoration import Restoration
from napari_datprl.scene_restoration import SceneRestoration
from napari_datprl.slices import PlanesAs, SliceStack
from napari_datprl.sources import COLOUR_BANDS, KEY

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_datprl.messages import FloatArray

FEW = 8  # planes that a combination keeps; it is made from what its layers keep
Side = Literal["left", "right"]


class Planes:
    """The planes of an image layer, by one index, whatever the number of its axes."""

    def __init__(self, layer: Image) -> None:
        self.layer = layer
        shape = tuple(layer.data[0].shape if layer.multiscale else layer.data.shape)
        self.leading = shape[: -3 if layer.rgb else -2]
        self.plane_shape = shape[len(self.leading) :]
        self.shape = shape
        self.grid = shape[: len(shape) - bool(layer.rgb)]

    def __len__(self) -> int:
        return int(np.prod(self.leading, dtype=int))

    def __getitem__(self, index: int) -> npt.NDArray[Any]:
        data = self.layer.data[0] if self.layer.multiscale else self.layer.data
        place = np.unravel_index(index, self.leading) if self.leading else ()
        return np.asarray(data[tuple(int(part) for part in place)] if place else data[...])

    def stack(self, read: Callable[[int], npt.NDArray[Any]], plane_shape: tuple[int, ...], dtype: Any) -> SliceStack:
        """Return a stack of as many planes, made by `read`."""
        size = int(np.prod(plane_shape)) * np.dtype(dtype).itemsize
        return SliceStack(read, (len(self), *plane_shape), dtype=dtype, cache_bytes=FEW * size)

    def shaped(self, stack: SliceStack) -> Any:
        """Return a stack of planes with the axes of the layer."""
        shape = (*self.leading, *stack.shape[1:])
        return stack if shape == stack.shape else PlanesAs(stack, shape)


class Difference:
    """After minus before, in the unit of both; of colours the mean of the channels."""

    def __init__(self, before: Image, after: Image) -> None:
        self.before, self.after = Planes(before), Planes(after)
        if before.multiscale:
            self.data: Any = [
                Regions(partial(self._region, number), level.shape[:2], np.float32)
                for number, level in enumerate(before.data)
            ]
        else:
            self._stack = self.before.stack(self.plane, self.before.plane_shape[:2], np.float32)
            self.data = self.before.shaped(self._stack)

    def forget(self) -> None:
        """Make everything anew when it is looked at."""
        if not isinstance(self.data, list):
            self._stack.forget()

    def sample(self, index: int | None) -> FloatArray:
        """Return the plane at an index, the middle one for None; of a scene its coarsest level."""
        if isinstance(self.data, list):
            return np.asarray(self.data[-1])
        return self.plane(len(self.before) // 2 if index is None else index)

    def _region(self, level: int, rows: slice, columns: slice) -> FloatArray:
        after = self.after.layer.metadata.get(KEY)
        if isinstance(after, SceneRestoration) and self.before.layer.metadata.get(KEY) is after.source:
            # Of stored values, and not of colours that were stretched for the eye.
            return after.difference(level, rows, columns)
        parts = [np.asarray(each.layer.data[level][rows, columns]) for each in (self.before, self.after)]
        return _minus(parts[1], parts[0])

    def plane(self, index: int) -> FloatArray:
        """Return one plane."""
        return _minus(self.after[index], self.before[index])


def _minus(after: npt.NDArray[Any], before: npt.NDArray[Any]) -> FloatArray:
    """Return after minus before; of colours the mean, without a channel of opacity."""
    colours = slice(None, COLOUR_BANDS) if after.ndim > 2 else slice(None)
    difference: FloatArray = after[..., colours].astype(np.float32) - before[..., colours].astype(np.float32)
    return difference.mean(axis=-1) if difference.ndim > 2 else difference


class Wiped:
    """A layer on one side of a line; nothing on the other.

    Parameters
    ----------
    layer
        The layer.
    side
        On which side of the line it is seen.
    share
        Where the line stands, as a share of the width.
    """

    def __init__(self, layer: Image, side: Side, share: float) -> None:
        self.planes, self.side, self.share = Planes(layer), side, share
        self.rgb = bool(layer.rgb)
        channels = (4,) if self.rgb else ()
        dtype = layer.dtype if self.rgb else np.float32
        if layer.multiscale:
            self.data: Any = [
                Regions(partial(self._region, level), (*level.shape[:2], *channels), dtype) for level in layer.data
            ]
        else:
            self._stack = self.planes.stack(self._plane, (*self.planes.plane_shape[:2], *channels), dtype)
            self.data = self.planes.shaped(self._stack)

    def move(self, share: float) -> None:
        """Put the line elsewhere."""
        self.share = share
        self.forget()

    def forget(self) -> None:
        """Make everything anew when it is looked at."""
        if not isinstance(self.data, list):
            self._stack.forget()

    def _plane(self, index: int) -> npt.NDArray[Any]:
        return self._hidden(self.planes[index], round(self.share * self.planes.plane_shape[1]))

    def _region(self, level: Any, rows: slice, columns: slice) -> npt.NDArray[Any]:
        line = round(self.share * level.shape[1]) - columns.start
        return self._hidden(np.asarray(level[rows, columns]), max(line, 0))

    def _hidden(self, found: npt.NDArray[Any], line: int) -> npt.NDArray[Any]:
        """Return values of which those beyond a column are not seen: NaN, or of colours transparent."""
        hidden = slice(0, line) if self.side == "right" else slice(line, None)
        if not self.rgb:
            grey = found.astype(np.float32)
            grey[:, hidden] = np.nan
            return grey
        opaque = np.iinfo(found.dtype).max if found.dtype.kind in "iu" else 1
        opacity = found[..., 3:] if found.shape[-1] == 4 else np.full((*found.shape[:2], 1), opaque, found.dtype)
        coloured = np.concatenate([found[..., :3], opacity], axis=-1)
        coloured[:, hidden, 3] = 0
        return coloured


def follow(layer: Image, changed: Callable[[], None]) -> Callable[[], None]:
    """Have `changed` called when the values of a layer change; return what ends it."""
    found = layer.metadata.get(KEY)
    if not isinstance(found, Restoration):
        return lambda: None
    found.changed.connect(changed)
    return lambda: found.changed.disconnect(changed, missing_ok=True)


def symmetric_limit(values: npt.NDArray[Any]) -> float:
    """Return a limit around 0 that holds nearly all values of a plane; never 0."""
    finite = np.abs(values[np.isfinite(values)])
    if finite.size == 0:
        return 1.0
    return float(np.percentile(finite, 99.5)) or float(finite.max()) or 1.0
