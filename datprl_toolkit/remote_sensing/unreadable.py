"""Parts of a scene that cannot be read: tried again, then found block by block and left out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.storage import as_stored
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import OnError
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.scene import Scene

T = TypeVar("T")
RETRIES = 3
_WAIT = 0.05  # seconds before the first retry; each further one waits four times as long
_PASSING = frozenset({ErrorCode.CORRUPT, ErrorCode.TRUNCATED})


@dataclass(slots=True)
class PatientReader:
    """Reads windows of a scene, again where that fails, and around what stays unreadable.

    It is made for one shard, or one other task in one thread, and remembers what was unreadable there.

    Parameters
    ----------
    reader
        What is asked.
    scene
        What it reads.
    on_error
        "fail" raises the error after the last retry; otherwise what cannot be read is no data.
    block
        Height and width of what the file stores as one.
    unreadable
        Blocks that could not be read, without repetition, in the order in which they were met.
    """

    reader: SceneReader
    scene: Scene
    on_error: OnError
    block: tuple[int, int]
    unreadable: dict[Window, None] = field(default_factory=dict)

    def read(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Read bands in a window; see :class:`SceneReader`."""
        try:
            return _retried(lambda: self.reader.read(numbers, window))
        except InputError as error:
            if self.on_error == "fail" or error.code not in _PASSING:
                raise
        pixels = self._absent(numbers, window)
        for part, block in self._blocks(window):
            read = self._part(partial(self.reader.read, numbers, part), block)
            if read is not None:
                held = pixels.crop(*part.relative_to(window).slices)
                held.values[:], held.valid[:] = read.values, read.valid
        return pixels

    def read_mask(self, window: Window) -> npt.NDArray[np.uint8]:
        """Read the raster's own mask, 0 where a block is unreadable; see :class:`SceneReader`."""
        whole = self._masked(window)
        for block in self.unreadable:
            part = _common(block, window)
            if part is not None:
                whole[part.relative_to(window).slices] = 0
        return whole

    def _absent(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Return a window without any data: of nodata, else of NaN, else of 0, and transparent."""
        shape = (len(numbers), window.height, window.width)
        absent = as_stored(self.scene.nodata, self.scene.dtype)
        if absent is None:
            absent = float("nan") if self.scene.dtype.kind == "f" else 0
        values = np.full(shape, absent, self.scene.dtype)
        for place, number in enumerate(numbers):
            if number == self.scene.alpha:
                values[place] = 0
        return Pixels(values, np.zeros(shape, np.bool_))

    def lacks(self, window: Window) -> bool:
        """Tell whether a part of a window could not be read."""
        return any(_common(block, window) is not None for block in self.unreadable)

    def _masked(self, window: Window) -> npt.NDArray[np.uint8]:
        if not self.scene.has_mask:
            return np.full((window.height, window.width), 255, np.uint8)
        try:
            return _retried(lambda: self.reader.read_mask(window))
        except InputError as error:
            if self.on_error == "fail" or error.code not in _PASSING:
                raise
        mask = np.zeros((window.height, window.width), np.uint8)
        for part, block in self._blocks(window):
            read = self._part(partial(self.reader.read_mask, part), block)
            if read is not None:
                mask[part.relative_to(window).slices] = read
        return mask

    def _part(self, read: Callable[[], T], block: Window) -> T | None:
        if block in self.unreadable:
            return None
        try:
            return _retried(read)
        except InputError as error:
            if error.code not in _PASSING:
                raise
            self.unreadable[block] = None
            return None

    def _blocks(self, window: Window) -> Iterator[tuple[Window, Window]]:
        """Yield each block that a window touches: the part of it in the window, and all of it."""
        height, width = self.block
        limit = self.scene.grid
        for top in range(window.top // height * height, window.bottom, height):
            for left in range(window.left // width * width, window.right, width):
                block = Window(top, min(top + height, limit.height), left, min(left + width, limit.width))
                part = _common(block, window)
                if part is not None:
                    yield part, block

    def close(self) -> None:
        """Leave the files to the reader that is asked: it may be asked by others."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def native_block(scene: Scene) -> tuple[int, int]:
    """Return height and width of what a raster or store decodes as one: the least that can be lost."""
    if not scene.dataset and scene.path.is_dir():
        from datprl_toolkit.remote_sensing.zarr_reading import chunk_shape

        return chunk_shape(scene.path)
    from datprl_toolkit.remote_sensing.raster_reading import open_raster

    with open_raster(scene.path, scene.dataset) as dataset:
        height, width = dataset.block_shapes[0]
    return int(height), int(width)


def _retried(read: Callable[[], T]) -> T:
    """Call, and call again after a pause: what was busy or cut off for a moment is read the second time."""
    for retry in range(RETRIES):
        try:
            return read()
        except InputError as error:
            if error.code not in _PASSING:
                raise
            time.sleep(_WAIT * 4**retry)
    return read()


def _common(first: Window, second: Window) -> Window | None:
    """Return what two windows share; None if that is nothing."""
    top, bottom = max(first.top, second.top), min(first.bottom, second.bottom)
    left, right = max(first.left, second.left), min(first.right, second.right)
    return Window(top, bottom, left, right) if top < bottom and left < right else None
