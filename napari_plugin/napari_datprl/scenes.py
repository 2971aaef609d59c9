"""Scenes as levels: each level is a lazy array whose blocks are read when they are looked at."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing import Scene

BLOCK = 512
SCREEN = 1024
"""A level whose sides are no longer than this is the last one."""


def scene_levels(scene: Scene, bands: tuple[int, ...]) -> list[Any]:
    """Return lazy arrays of stored values, (rows, columns) or (rows, columns, bands), the finest first.

    A Zarr store gives the levels that it has. Of every other raster a level is read through GDAL, which takes the
    file's own overviews where it has them.
    """
    import dask.array

    from datprl_toolkit.remote_sensing.formats import is_zarr

    levels = _zarr_levels(scene, bands) if is_zarr(scene.path) else _raster_levels(scene, bands)
    # Thumbnails, the window of values and a view from afar all take the coarsest level: it is read once.
    levels[-1] = dask.array.from_array(levels[-1].compute(), chunks=-1)  # type: ignore[no-untyped-call]
    return levels


def _zarr_levels(scene: Scene, bands: tuple[int, ...]) -> list[Any]:
    import dask.array
    import zarr

    from datprl_toolkit.remote_sensing.zarr_reading import describe_zarr

    store = zarr.open_group(scene.path, mode="r")
    layout = dict(store.attrs).get("multiscales", {})
    entries = layout.get("layout", []) if isinstance(layout, dict) else []
    names = [str(entry["asset"]) for entry in entries if str(entry.get("asset", "")) in store]
    if not names:
        describe_zarr(scene.path)
        names = [name for name, array in store.arrays() if array.shape[-2:] == scene.grid.shape and name != "mask"][:1]
    levels = []
    for name in names:
        # A dask array, since napari reads the whole length of an axis of a bare Zarr array that it does not show.
        whole = dask.array.from_zarr(store[name])  # type: ignore[no-untyped-call]
        levels.append(whole if whole.ndim == 2 else _chosen(whole, bands))
    # A store without a pyramid, or with a short one, is looked at from afar through every second pixel.
    while max(levels[-1].shape[:2]) > SCREEN:
        levels.append(levels[-1][::2, ::2])
    return levels


def _chosen(whole: Any, bands: tuple[int, ...]) -> Any:
    """Return the bands last, as napari wants colours, or one band alone."""
    import dask.array

    if len(bands) == 1:
        return whole[bands[0] - 1]
    return dask.array.stack([whole[band - 1] for band in bands], axis=-1)  # type: ignore[no-untyped-call]


def _raster_levels(scene: Scene, bands: tuple[int, ...]) -> list[Any]:
    import dask.array

    reader = _RasterBlocks(scene.path, bands)
    height, width = scene.grid.shape
    levels, factor = [], 1
    while True:
        rows, columns = -(-height // factor), -(-width // factor)
        trailing = () if len(bands) == 1 else (len(bands),)
        levels.append(
            dask.array.map_blocks(  # type: ignore[no-untyped-call]
                reader.read,
                factor,
                (height, width),
                chunks=(_steps(rows), _steps(columns), *((step,) for step in trailing)),
                dtype=scene.dtype,
                meta=np.empty((0,) * (2 + len(trailing)), dtype=scene.dtype),
            )
        )
        if max(rows, columns) <= SCREEN:
            return levels
        factor *= 2


def _steps(length: int) -> tuple[int, ...]:
    return tuple(min(BLOCK, length - start) for start in range(0, length, BLOCK))


class _RasterBlocks:
    """Reads blocks of a raster at any level, with one open file for each thread, as GDAL requires."""

    def __init__(self, path: Path, bands: tuple[int, ...]) -> None:
        self.path, self.bands = path, bands
        self._local = threading.local()

    def read(self, factor: int, shape: tuple[int, int], block_info: Any = None) -> npt.NDArray[Any]:
        """Read the block that dask asks for, each pixel of it standing for `factor` x `factor` of the scene."""
        from rasterio.windows import Window

        (top, bottom), (left, right) = block_info[None]["array-location"][:2]
        height, width = min(bottom * factor, shape[0]) - top * factor, min(right * factor, shape[1]) - left * factor
        window = Window(left * factor, top * factor, width, height)
        values = self._dataset().read(
            list(self.bands), window=window, out_shape=(len(self.bands), bottom - top, right - left)
        )
        found: npt.NDArray[Any] = values[0] if len(self.bands) == 1 else np.moveaxis(values, 0, -1)
        return found

    def _dataset(self) -> Any:
        from datprl_toolkit.remote_sensing.raster_reading import open_raster

        dataset = getattr(self._local, "dataset", None)
        if dataset is None:
            dataset = self._local.dataset = open_raster(self.path)
        return dataset
