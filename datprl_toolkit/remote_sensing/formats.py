"""Which files are rasters: told from their first bytes and their name, without opening them."""

from __future__ import annotations

from pathlib import Path

_TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # TIFF 6.0 and BigTIFF, either byte order
_JPEG2000_MAGIC = (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")  # JP2 box (ISO 15444-1 I.5.1) and bare codestream
_RASTER_SUFFIXES = frozenset({".tif", ".tiff", ".gtiff", ".cog", ".jp2", ".j2k", ".vrt", ".zarr"})
_ZARR_METADATA = ("zarr.json", ".zgroup", ".zarray")


def is_raster(path: Path) -> bool:
    """Tell whether `path` is to be treated as a georeferenced raster.

    True for TIFF, JPEG 2000 and GDAL's virtual rasters by content, for Zarr stores, and for whatever is named like
    one of them, so that a text file named ``.tif`` gets an error about what it is. False if nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        return is_zarr(path)
    if not path.is_file():
        return False
    return path.suffix.lower() in _RASTER_SUFFIXES or has_raster_content(path)


def is_zarr(path: Path) -> bool:
    """Tell whether `path` is a folder that holds a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_METADATA)


def is_tiff_name(path: Path) -> bool:
    """Tell whether the name of `path` promises a TIFF file."""
    return path.suffix.lower() in {".tif", ".tiff", ".gtiff", ".cog"}


def has_tiff_content(path: Path) -> bool:
    """Tell whether a file begins as a TIFF file does."""
    return _first_bytes(path).startswith(_TIFF_MAGIC)


def has_raster_content(path: Path) -> bool:
    """Tell whether a file begins as TIFF, JPEG 2000 or a GDAL virtual raster does."""
    start = _first_bytes(path)
    return start.startswith((*_TIFF_MAGIC, *_JPEG2000_MAGIC)) or b"<VRTDataset" in start


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(256)
    except OSError:
        return b""
