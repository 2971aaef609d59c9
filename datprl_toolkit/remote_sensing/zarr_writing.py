"""Scenes written as Zarr: shards and their part of the pyramid at once, the coarsest levels at the end."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from datprl_toolkit.files import staged_folder
from datprl_toolkit.remote_sensing.checksums import pixel_checksum
from datprl_toolkit.remote_sensing.manifest import Manifest, zarr_manifest
from datprl_toolkit.remote_sensing.pyramid import Reduction, level_scene, level_window
from datprl_toolkit.remote_sensing.staging import synchronised_size
from datprl_toolkit.remote_sensing.storage import as_stored
from datprl_toolkit.remote_sensing.windows import fine, split, whole
from datprl_toolkit.remote_sensing.writing import Piece, Recorder, Written
from datprl_toolkit.remote_sensing.zarr_layout import ARRAY, MASK, Layout, array_path, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.scene import Scene
    from datprl_toolkit.remote_sensing.writing import SceneWriter
    from datprl_toolkit.restoring.tiling import Window

_REDUCED_AT_ONCE = 512  # side, in pixels of the coarser level, of what is averaged at once


def create_store(folder: Path, layout: Layout, provenance: dict[str, str]) -> None:
    """Create a store of nothing but metadata."""
    with _quiet():
        lay_out(folder, layout, provenance)


@contextmanager
def zarr_writer(
    destination: Path, target: Scene, provenance: dict[str, str], *, overwrite: bool = False
) -> Iterator[SceneWriter]:
    """Give a writer of `target`; when the block ends without an error, `destination` is a complete store.

    Raises
    ------
    OutputError
        ``E_EXISTS``, ``E_DISK_FULL`` or ``E_OUTPUT``; nothing is left behind.
    """
    with staged_folder(destination, overwrite=overwrite) as folder:
        writer = ZarrWriter(folder, Layout(target))
        create_store(folder, writer.layout, provenance)
        recorder = Recorder(writer)
        yield recorder
        writer.finish(Manifest({}, tuple(recorder.pieces)))


@dataclass(slots=True)
class ZarrWriter:
    """Writes whole shards, and what becomes of them in the pyramid; see :class:`SceneWriter`.

    Parameters
    ----------
    folder
        A store that :func:`create_store` made.
    layout
        The same as there.
    """

    folder: Path
    layout: Layout
    _arrays: dict[str, Any] = field(default_factory=dict, repr=False)

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> Written:
        """Write all bands of a shard; see :class:`SceneWriter`."""
        if window.top % self.layout.shard or window.left % self.layout.shard:
            # Two writers in one shard lose each other's data without a word.
            raise ValueError(f"a write at row {window.top}, column {window.left} begins inside a shard")
        if self._is_absent(values, mask):
            return self._absent(window)
        pieces: list[Piece] = []
        stored: dict[str, int] = {}
        reduction = Reduction.of(self.layout.target)
        for level in range(self.layout.direct_levels + 1):
            if level:
                values, mask = reduction.halve(values, mask)
            place = level_window(window, level)
            pieces.append(self._put(level, place, values, mask))
            stored |= self._stored(level, place)
        return Written(tuple(pieces), stored)

    def _is_absent(self, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> bool:
        """Tell whether a shard is, to the bit, what a reader of the store sees where nothing was written."""
        target = self.layout.target
        absent = as_stored(target.nodata, target.dtype)
        if mask is not None or target.alpha is not None or absent is None:
            return False
        bits = f"u{target.dtype.itemsize}"
        seen, fill = values.view(bits), np.array(absent, target.dtype).view(bits)
        return bool(seen[0, 0, 0] == fill and (seen == fill).all())

    def _absent(self, window: Window) -> Written:
        """Note a shard of nothing but nodata, and what it becomes in the pyramid; a store keeps no file of either."""
        target = self.layout.target
        pieces = []
        for level in range(self.layout.direct_levels + 1):
            place = level_window(window, level)
            shape = (len(target.bands), place.height, place.width)
            pieces.append(Piece(array_path(level), place, _constant_checksum(shape, target.dtype, target.nodata)))
        return Written(tuple(pieces), {})

    def finish(self, manifest: Manifest) -> None:
        """Make the coarsest levels and write the manifest, once all shards are there."""
        pieces = [
            self._coarse_piece(level, window)
            for level in range(self.layout.direct_levels + 1, self.layout.levels + 1)
            for window in self._cut(level)
        ]
        with _quiet():
            # Without it xarray warns everyone who opens the store; readers that do not know it ignore it.
            zarr.consolidate_metadata(self.folder, zarr_format=self.layout.zarr_format)
            zarr_manifest(self.folder, manifest.with_pieces(pieces), self.layout.zarr_format)

    def _cut(self, level: int) -> Iterator[Window]:
        return split(whole(level_scene(self.layout.target, level).grid.shape), self.layout.side(level))

    def _coarse_piece(self, level: int, window: Window) -> Piece:
        """Average a piece of the level below, part by part, so that memory stays small."""
        target = self.layout.target
        reduction = Reduction.of(target)
        limit = whole(level_scene(target, level - 1).grid.shape)
        values = np.empty((len(target.bands), window.height, window.width), target.dtype)
        mask = np.empty((window.height, window.width), np.uint8) if target.has_mask else None
        for part in split(window, _REDUCED_AT_ONCE):
            below = fine(part, 2).grown(0, limit)
            rows, columns = part.relative_to(window).slices
            below_mask = None if mask is None else self._array(level - 1, MASK)[below.slices]
            halved, halved_mask = reduction.halve(self._array(level - 1)[(slice(None), *below.slices)], below_mask)
            values[:, rows, columns] = halved
            if mask is not None and halved_mask is not None:
                mask[rows, columns] = halved_mask
        return self._put(level, window, values, mask)

    def _put(
        self, level: int, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None
    ) -> Piece:
        rows, columns = window.slices
        self._array(level)[:, rows, columns] = values
        if mask is not None:
            self._array(level, MASK)[rows, columns] = np.where(mask != 0, 255, 0).astype(np.uint8)
        return Piece(array_path(level), window, pixel_checksum(values, mask))

    def _stored(self, level: int, window: Window) -> dict[str, int]:
        """Force the files of a window to the disk and return their sizes; one that holds only fill is not there."""
        sizes = {}
        for name in (ARRAY, MASK) if self.layout.target.has_mask else (ARRAY,):
            for path in _files(self._array(level, name), array_path(level, name), window):
                size = synchronised_size(self.folder / path)
                if size is not None:
                    sizes[path] = size
        return sizes

    def _array(self, level: int, name: str = ARRAY) -> Any:  # zarr's indexing accepts more than its types say
        path = array_path(level, name)
        if path not in self._arrays:
            self._arrays[path] = zarr.open_array(self.folder / path, mode="r+", zarr_format=self.layout.zarr_format)
        return self._arrays[path]

    def __getstate__(self) -> tuple[Path, Layout]:
        return self.folder.absolute(), self.layout

    def __setstate__(self, state: tuple[Path, Layout]) -> None:
        self.folder, self.layout = state
        self._arrays = {}


@lru_cache(maxsize=16)
def _constant_checksum(shape: tuple[int, int, int], dtype: np.dtype[Any], value: float | None) -> str:
    return pixel_checksum(np.full(shape, value, dtype))


def _files(array: Any, path: str, window: Window) -> Iterator[str]:
    """Return the paths of the files that hold a window."""
    cut = array.shards or array.chunks
    for row in range(window.top // cut[-2], -(-window.bottom // cut[-2])):
        for column in range(window.left // cut[-1], -(-window.right // cut[-1])):
            place = (0, row, column) if len(cut) == 3 else (row, column)
            yield f"{path}/{array.metadata.encode_chunk_key(place)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide that consolidated metadata are no part of the Zarr 3 specification yet: they are optional to readers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        yield
