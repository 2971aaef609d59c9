"""An output read whole and compared, piece by piece, with the checksums that were written with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rasterio
import zarr
from rasterio.errors import RasterioError

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.checksums import pixel_checksum
from datprl_toolkit.remote_sensing.manifest import CHECKSUMS_TAG, read_checksums_tag, read_zarr_manifest
from datprl_toolkit.remote_sensing.raster_reading import open_raster
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import as_rasterio, describe
from datprl_toolkit.remote_sensing.zarr_layout import ARRAY, MASK
from datprl_toolkit.restoring import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datprl_toolkit.remote_sensing.writing import Piece


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Parameters
    ----------
    pieces
        How many pieces were compared.
    damaged
        One line for each that is not as it was written.
    """

    pieces: int
    damaged: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for a person."""
        if self.damaged:
            return f"{len(self.damaged)} of {self.pieces} pieces are damaged"
        return f"{self.pieces} of {self.pieces} pieces are as they were written"


def verify_scene(output: Path, progress: ProgressCallback = silent) -> Verification:
    """Read all of a restored scene.

    Parameters
    ----------
    output
        A GeoTIFF or Zarr store that :func:`restore_scene` wrote. Of a GeoTIFF the overviews have no checksums; they
        are decoded.
    progress
        Told after each piece.

    Raises
    ------
    InputError
        ``E_CORRUPT`` if it cannot be opened at all, ``E_UNSUPPORTED`` if it carries no checksums.
    """
    with sparing():
        return _verify_store(output, progress) if output.is_dir() else _verify_file(output, progress)


def _verify_store(output: Path, progress: ProgressCallback) -> Verification:
    manifest = read_zarr_manifest(output)
    if manifest is None:
        raise _without_checksums(output)

    def checksum(piece: Piece) -> str | None:
        try:
            return _stored_checksum(output, piece)
        except Exception:  # codecs, JSON and storage each have errors of their own
            return None

    return _compared(manifest.pieces, checksum, progress, len(manifest.pieces))


def _stored_checksum(output: Path, piece: Piece) -> str:
    group: Any = zarr.open_group(output, mode="r", use_consolidated=False)
    mask_path = piece.array.removesuffix(ARRAY) + MASK
    mask = group[mask_path][piece.window.slices] if mask_path in group else None
    return pixel_checksum(group[piece.array][(slice(None), *piece.window.slices)], mask)


def _verify_file(output: Path, progress: ProgressCallback) -> Verification:
    scene = Scene.open(output)
    pieces = read_checksums_tag(scene.tags.get("", {}).get(CHECKSUMS_TAG, ""), scene.grid.shape)
    if pieces is None:
        raise _without_checksums(output)
    with open_raster(output) as dataset:

        def checksum(piece: Piece) -> str | None:
            place = as_rasterio(piece.window)
            try:
                mask = dataset.read_masks(1, window=place) if scene.has_mask else None
                return pixel_checksum(dataset.read(window=place), mask)
            except RasterioError:
                return None

        levels = len(dataset.overviews(1))
        total = len(pieces) + levels
        damaged = list(_compared(pieces, checksum, progress, total).damaged)
    for level in range(levels):
        if not _decodes(output, level):
            damaged.append(f"overview {level + 1}: cannot be read")
        progress(Progress("verifying", len(pieces) + level + 1, total, "pieces"))
    return Verification(total, tuple(damaged))


def _decodes(output: Path, level: int) -> bool:
    """Read an overview row by row of its blocks."""
    try:
        with rasterio.open(output, overview_level=level) as dataset:
            for _, window in dataset.block_windows(1):
                dataset.read(window=window)
    except RasterioError:
        return False
    return True


def _compared(
    pieces: Sequence[Piece], checksum: Callable[[Piece], str | None], progress: ProgressCallback, total: int
) -> Verification:
    damaged = []
    for done, piece in enumerate(pieces, start=1):
        found = checksum(piece)
        if found is None or not found.startswith(piece.sha256):
            name = f"{piece.array}, " if piece.array else ""
            state = "cannot be read" if found is None else "is not as it was written"
            damaged.append(f"{name}{describe(piece.window)}: {state}")
        progress(Progress("verifying", done, total, "pieces"))
    return Verification(len(pieces), tuple(damaged))


def _without_checksums(output: Path) -> InputError:
    return InputError(
        ErrorCode.UNSUPPORTED,
        "the output carries no checksums, or they do not fit it",
        where=output,
        remedy="Only what datprl restore wrote can be verified, as it was written",
    )
