"""What an input is, by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["dicom", "raster", "images"]

TIFF_SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2")
FILES_LOOKED_AT = 200


def identify(source: Path) -> Kind:
    """Tell what `source` is.

    Raises
    ------
    InputError
        ``E_MISSING`` if it does not exist, ``E_EMPTY`` if there is nothing in it, ``E_UNKNOWN_FORMAT`` if it is
        nothing that can be restored, ``E_AMBIGUOUS`` for a folder of scenes.
    """
    if not source.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=source)
    if source.is_dir() and not _is_zarr(source):
        return _identify_folder(source)
    if source.is_file() and source.stat().st_size == 0:
        raise InputError(ErrorCode.EMPTY, "the file is empty", where=source)
    kind = _identify_file(source)
    if kind is not None:
        return kind
    named = f"although its name ends in '{source.suffix}'" if source.suffix else "and its name has no ending"
    raise InputError(
        ErrorCode.UNKNOWN_FORMAT,
        f"the content is neither DICOM nor a raster nor a picture, {named}",
        where=source,
        remedy="Check that the file was copied whole; DICOM, GeoTIFF, Zarr, PNG and JPEG are read",
    )


def _identify_file(path: Path) -> Kind | None:
    from datprl_toolkit.images.restore import is_image

    if path.is_file() and is_image(path):
        return "images"
    # A DICOM file may carry a TIFF header in its preamble, so that TIFF readers show it; it is DICOM all the same.
    if _has_dicom_prefix(path):
        return "dicom"
    if _is_raster(path):
        return "raster"
    if _is_dicom(path):
        return "dicom"
    return None


def _identify_folder(folder: Path) -> Kind:
    """Tell what a folder holds, by the first of its files that tells; DICOM before pictures."""
    files = [path for path in sorted(folder.rglob("*"))[:FILES_LOOKED_AT] if path.is_file()]
    if not files:
        raise InputError(ErrorCode.EMPTY, "the folder is empty", where=folder)
    kinds = {kind for path in files if path.stat().st_size and (kind := _identify_file(path))}
    if "dicom" in kinds:
        return "dicom"
    if "images" in kinds:
        return "images"
    if "raster" in kinds:
        raise InputError(
            ErrorCode.AMBIGUOUS,
            "the folder holds several scenes, and one at a time is restored",
            where=folder,
            remedy="Name one of its files",
        )
    raise InputError(
        ErrorCode.UNKNOWN_FORMAT,
        "the folder holds neither DICOM files nor pictures",
        where=folder,
        remedy="DICOM, GeoTIFF, Zarr, PNG and JPEG are read",
    )


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _is_raster(path: Path) -> bool:
    if _is_zarr(path):
        return True
    with path.open("rb") as file:
        start = file.read(64)
    tiff = start[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    jpeg2000 = start[4:12] == b"jP  \r\n\x87\n" or start[:4] == b"\xffO\xffQ"
    return tiff or jpeg2000 or start.lstrip().startswith(b"<VRTDataset")


def _has_dicom_prefix(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_dicom(path: Path) -> bool:
    from datprl_toolkit.medical import is_dicom

    return path.is_file() and is_dicom(path)
