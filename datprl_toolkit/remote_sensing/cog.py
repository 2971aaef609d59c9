"""Scenes written as cloud-optimised GeoTIFF: from shards that lie in files of their own, then checked."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # GDAL's own errors, which rasterio wraps at reading but not at writing
from rasterio.errors import RasterioError

from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.files import disk_full, staged_file
from datprl_toolkit.remote_sensing.checksums import pixel_checksum
from datprl_toolkit.remote_sensing.manifest import (
    CHECKSUMS_TAG,
    UNREADABLE_TAG,
    Manifest,
    checksums_tag,
    unreadable_tag,
)
from datprl_toolkit.remote_sensing.mosaic import BLOCK, creation, lay_mosaic
from datprl_toolkit.remote_sensing.plan import shard_size
from datprl_toolkit.remote_sensing.raster_reading import quiet_opening
from datprl_toolkit.remote_sensing.staging import synchronised_size
from datprl_toolkit.remote_sensing.windows import as_rasterio, describe
from datprl_toolkit.remote_sensing.writing import Piece, Recorder, Written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.scene import Scene
    from datprl_toolkit.remote_sensing.writing import SceneWriter
    from datprl_toolkit.restoring.tiling import Window

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
def cog_writer(destination: Path, target: Scene, *, overwrite: bool = False) -> Iterator[SceneWriter]:
    """Give a writer of `target`; when the block ends without an error, `destination` is a complete COG.

    Raises
    ------
    OutputError
        ``E_EXISTS``, ``E_DISK_FULL`` or ``E_OUTPUT``; nothing is left behind.
    """
    with staged_file(destination, overwrite=overwrite) as temporary:
        folder = temporary.with_name("pieces")
        folder.mkdir()
        writer = CogWriter(folder, target, destination)
        recorder = Recorder(writer)
        yield recorder
        writer.finish(temporary, Manifest({}, tuple(recorder.pieces)))


class CogWriter:
    """Writes each shard into a file of its own; see :class:`SceneWriter`.

    The layout of a COG cannot be streamed, and one GeoTIFF that grows cannot be continued after a kill nor be
    written by several machines. Whole small files can.

    Parameters
    ----------
    folder
        Where they lie until the COG is made.
    target
        The scene that is written.
    destination
        How errors name the output.
    """

    def __init__(self, folder: Path, target: Scene, destination: Path) -> None:
        self.folder, self.target, self.destination = folder.absolute(), target, destination

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> Written:
        """Write all bands of a shard and read them back; see :class:`SceneWriter`.

        Raises
        ------
        OutputError
            ``E_DISK_FULL`` or ``E_OUTPUT``; GDAL reports a full disk late or not at all, hence the reading back.
        """
        name = f"{window.top}_{window.left}.tif"
        temporary = self.folder / f"{name}.partial"
        checksum = pixel_checksum(values, mask)
        with write_errors(self.destination, self.folder):
            with quiet_opening(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
                profile = creation(self.target, window.height, window.width)
                with rasterio.open(temporary, "w", **profile) as dataset:
                    dataset.write(values)
                    if mask is not None:
                        dataset.write_mask(mask)
            if _checksum(temporary, None, masked=mask is not None) != checksum:
                raise self._unlike(window)
        size = synchronised_size(temporary)
        temporary.rename(self.folder / name)
        return Written((Piece("", window, checksum),), {name: size or 0})

    def finish(self, path: Path, manifest: Manifest) -> None:
        """Make the COG of all shards, and read it back.

        Parameters
        ----------
        path
            Where it lies.
        manifest
            All shards with their checksums, which go into the header.

        Raises
        ------
        OutputError
            ``E_DISK_FULL`` or ``E_OUTPUT``.
        """
        pieces = manifest.pieces
        tags = {CHECKSUMS_TAG: checksums_tag(pieces, shard_size(self.target))}
        if manifest.unreadable:
            tags[UNREADABLE_TAG] = unreadable_tag(manifest.unreadable)
        with write_errors(self.destination, self.folder):
            files = {f"{piece.window.top}_{piece.window.left}.tif": piece.window for piece in pieces}
            mosaic = lay_mosaic(self.folder, self.target, files, tags)
            rasterio.shutil.copy(mosaic, path, **_LAYOUT, COPY_SRC_MDD=_copied_domains(self.target))
            for piece in pieces:
                if _checksum(path, piece.window, masked=self.target.has_mask) != piece.sha256:
                    raise self._unlike(piece.window)

    def _unlike(self, window: Window) -> OutputError:
        return OutputError(
            ErrorCode.OUTPUT,
            f"the output does not read back as it was written: {describe(window)}",
            where=self.destination,
            remedy="Check the disk, and run again",
        )


def domains_left_out(target: Scene) -> tuple[str, ...]:
    """Return the metadata domains that a COG of `target` cannot keep."""
    return () if _copied_domains(target) == "YES" else _special_domains(target)


def _special_domains(target: Scene) -> tuple[str, ...]:
    return tuple(domain for domain, items in target.tags.items() if items and domain)


def _copied_domains(target: Scene) -> str:
    """Choose what GDAL copies: asked for all domains of the raster, it forgets the items of each band (3.10)."""
    return "YES" if _special_domains(target) and not any(band.tags for band in target.bands) else "AUTO"


def _checksum(path: Path, window: Window | None, *, masked: bool) -> str | None:
    """Return the checksum of a window of a raster, or of all of it; None if it cannot be read."""
    place = None if window is None else as_rasterio(window)
    try:
        with quiet_opening():
            written = rasterio.open(path)
        with written:
            values = written.read(window=place)
            return pixel_checksum(values, written.read_masks(1, window=place) if masked else None)
    except RasterioError:
        return None


@contextmanager
def write_errors(destination: Path, folder: Path) -> Iterator[None]:
    """Turn an error of GDAL while writing into one line; it does not say that the disk is full, so look."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OutputError) as error:
        if shutil.disk_usage(folder).free < _LITTLE_SPACE:
            raise disk_full(destination) from error
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            ErrorCode.OUTPUT,
            "the output cannot be written",
            where=destination,
            remedy="Check the folder, its permissions and its disk",
        ) from error
