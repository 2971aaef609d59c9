"""What an input is, by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.formats import has_raster_content, is_zarr

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["dicom", "raster", "images"]

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
    if source.is_dir() and not is_zarr(source):
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
    if is_zarr(path) or has_raster_content(path):
        return "raster"
    return "dicom" if path.is_file() and _is_dicom(path) else None


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


def _has_dicom_prefix(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_dicom(path: Path) -> bool:
    from datprl_toolkit.medical import is_dicom

    return is_dicom(path)
