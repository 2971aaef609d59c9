"""Scenes written as cloud-optimised GeoTIFF: streamed into tiles, then laid out with overviews, then checked."""

from __future__ import annotations

import shutil
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # GDAL's own errors, which rasterio wraps at reading but not at writing
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError

from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.files import disk_full, staged_file
from datprl_toolkit.remote_sensing.bands import COLOURS
from datprl_toolkit.remote_sensing.raster_reading import quiet_opening
from datprl_toolkit.remote_sensing.windows import as_rasterio
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.scene import Scene

BLOCK = 512
_LAYOUT = {
    "driver": "COG",
    "BLOCKSIZE": BLOCK,
    "COMPRESS": "DEFLATE",  # every reader has it; ZSTD is missing from many, browsers among them
    "PREDICTOR": "YES",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}
_LITTLE_SPACE = 32 * 2**20


@contextmanager
def cog_writer(destination: Path, target: Scene, *, overwrite: bool = False) -> Iterator[CogWriter]:
    """Give a writer of `target`; when the block ends without an error, `destination` is a complete COG.

    The shards go into a temporary tiled GeoTIFF, since the layout of a COG cannot be streamed. What was written
    is read back and compared, because GDAL reports a full disk late or not at all.

    Raises
    ------
    OutputError
        ``E_EXISTS``, ``E_DISK_FULL`` or ``E_OUTPUT``; nothing is left behind.
    """
    with staged_file(destination, overwrite=overwrite) as temporary:
        tiles = temporary.with_name(f"tiles-{temporary.name}")
        with _write_errors(destination, temporary.parent):
            writer = CogWriter(tiles, target)
            try:
                yield writer
            finally:
                writer.close()
            rasterio.shutil.copy(tiles, temporary, **_LAYOUT, COPY_SRC_MDD=_copied_domains(target))
            tiles.unlink()
        writer.verify(temporary, destination)


def domains_left_out(target: Scene) -> tuple[str, ...]:
    """Return the metadata domains that a COG of `target` cannot keep."""
    return () if _copied_domains(target) == "YES" else _special_domains(target)


def _special_domains(target: Scene) -> tuple[str, ...]:
    return tuple(domain for domain, items in target.tags.items() if items and domain)


def _copied_domains(target: Scene) -> str:
    """Choose what GDAL copies: asked for all domains of the raster, it forgets the items of each band (3.10)."""
    return "YES" if _special_domains(target) and not any(band.tags for band in target.bands) else "AUTO"


class CogWriter:
    """Writes shards into a tiled GeoTIFF and remembers their checksums; see :class:`SceneWriter`."""

    def __init__(self, path: Path, target: Scene) -> None:
        self._lock = threading.Lock()
        self._checksums: dict[Window, int] = {}
        self._has_mask = target.has_mask
        with quiet_opening(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            self._dataset = rasterio.open(path, "w", **_creation(target))
            _describe(self._dataset, target)
            if target.has_mask:
                # The option above holds for this thread; once the mask exists, others write into it.
                self._dataset.write_mask(np.zeros((1, 1), np.uint8), window=as_rasterio(Window(0, 1, 0, 1)))

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> None:
        """Write all bands of a shard; see :class:`SceneWriter`."""
        checksum = _checksum(values, mask)
        with self._lock:
            self._checksums[window] = checksum
            self._dataset.write(values, window=as_rasterio(window))
            if mask is not None:
                self._dataset.write_mask(mask, window=as_rasterio(window))

    def close(self) -> None:
        """Finish the tiled file."""
        self._dataset.close()

    def verify(self, path: Path, destination: Path) -> None:
        """Raise ``E_OUTPUT`` unless every shard reads back from `path` as it was written."""
        try:
            with quiet_opening():
                written = rasterio.open(path)
            with written:
                for window, checksum in self._checksums.items():
                    values = written.read(window=as_rasterio(window))
                    mask = written.read_masks(1, window=as_rasterio(window)) if self._has_mask else None
                    if _checksum(values, mask) != checksum:
                        raise _unlike(destination)
        except RasterioError as error:
            raise _unlike(destination) from error


def _creation(target: Scene) -> dict[str, Any]:
    grid = target.grid
    rgb = tuple(band.colour for band in target.bands[:3]) == COLOURS
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "count": len(target.bands),
        "dtype": target.dtype.name,
        "nodata": target.nodata,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "DEFLATE",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
        "photometric": "RGB" if rgb else "MINISBLACK",
    }
    if not grid.control_points:
        profile |= {"crs": grid.crs}
        if grid.transform is not None:
            profile |= {"transform": grid.transform}
    return profile


def _describe(dataset: Any, target: Scene) -> None:
    """Write everything about a scene but its pixels."""
    grid = target.grid
    if grid.control_points:
        dataset.gcps = (list(grid.control_points), grid.control_crs or CRS())
    if grid.rpcs is not None:
        dataset.rpcs = grid.rpcs
    dataset.colorinterp = [ColorInterp[band.colour] for band in target.bands]
    dataset.scales = [band.scale for band in target.bands]
    dataset.offsets = [band.offset for band in target.bands]
    for band in target.bands:
        if band.description:
            dataset.set_band_description(band.number, band.description)
        if band.unit:
            dataset.set_band_unit(band.number, band.unit)
        if band.tags:
            dataset.update_tags(band.number, **band.tags)
    for domain, items in target.tags.items():
        if items:
            dataset.update_tags(ns=domain or None, **items)


def _checksum(values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> int:
    checksum = zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data)
    return checksum if mask is None else zlib.crc32((mask != 0).astype(np.uint8).data, checksum)


@contextmanager
def _write_errors(destination: Path, folder: Path) -> Iterator[None]:
    """Turn an error of GDAL while writing into one line; it does not say that the disk is full, so look."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        if shutil.disk_usage(folder).free < _LITTLE_SPACE:
            raise disk_full(destination) from error
        raise OutputError(
            ErrorCode.OUTPUT,
            "the output cannot be written",
            where=destination,
            remedy="Check the folder, its permissions and its disk",
        ) from error


def _unlike(destination: Path) -> OutputError:
    return OutputError(
        ErrorCode.OUTPUT,
        "the output does not read back as it was written; nothing was kept",
        where=destination,
        remedy="Check the disk, and run again",
    )
