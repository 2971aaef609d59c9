"""What an input is, by its content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from datprl_toolkit.errors import ErrorCode, InputError, unreadable
from datprl_toolkit.medical.nifti_format import has_nifti_content
from datprl_toolkit.remote_sensing.formats import has_raster_content, is_zarr
from datprl_toolkit.remote_sensing.reading_sources import is_scene_name

Kind = Literal["dicom", "nifti", "raster", "images"]

FILES_LOOKED_AT = 200


def identify(source: str | Path) -> Kind:
    """Tell what `source` is: a path, or what else names a scene, such as an address or several files.

    Raises
    ------
    InputError
        ``E_MISSING`` if it does not exist, ``E_EMPTY`` if there is nothing in it, ``E_UNKNOWN_FORMAT`` if it is
        nothing that can be restored, ``E_AMBIGUOUS`` for a folder of scenes, ``E_CORRUPT`` if it cannot be read.
    """
    try:
        return _identify(source)
    except OSError as error:
        raise unreadable(error.filename or source, error) from error


def _identify(source: str | Path) -> Kind:
    if is_scene_name(str(source)):
        return "raster"
    source = Path(source)
    if not source.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=source)
    if source.is_dir() and not is_zarr(source):
        return _identify_folder(source)
    if source.is_file() and source.stat().st_size == 0:
        raise InputError(ErrorCode.EMPTY, "the file is empty", where=source)
    kind = identify_file(source)
    if kind is not None:
        return kind
    named = f"although its name ends in '{source.suffix}'" if source.suffix else "and its name has no ending"
    raise InputError(
        ErrorCode.UNKNOWN_FORMAT,
        f"the content is neither DICOM, NIfTI, a raster nor a picture, {named}",
        where=source,
        remedy="Check that the file was copied whole; DICOM, NIfTI, GeoTIFF, Zarr, PNG and JPEG are read",
    )


def identify_file(path: Path) -> Kind | None:
    """Tell what a file, or the folder of a Zarr store, is; None if it is nothing that can be restored."""
    from datprl_toolkit.images.restore import is_image

    if path.is_file() and is_image(path):
        return "images"
    # A DICOM file may carry a TIFF header in its preamble, so that TIFF readers show it; it is DICOM all the same.
    if _has_dicom_prefix(path):
        return "dicom"
    if path.is_file() and has_nifti_content(path):
        return "nifti"
    if is_zarr(path) or has_raster_content(path):
        return "raster"
    return "dicom" if path.is_file() and _is_dicom(path) else None


def _identify_folder(folder: Path) -> Kind:
    """Tell what a folder holds, by the first of its files that tells; DICOM before pictures."""
    files = [path for path in sorted(folder.rglob("*"))[:FILES_LOOKED_AT] if path.is_file()]
    if not files:
        raise InputError(ErrorCode.EMPTY, "the folder is empty", where=folder)
    kinds = {kind for path in files if path.stat().st_size and (kind := identify_file(path))}
    if "dicom" in kinds:
        return "dicom"
    if "images" in kinds:
        return "images"
    if kinds:
        name = "scenes" if "raster" in kinds else "NIfTI files"
        raise InputError(
            ErrorCode.AMBIGUOUS,
            f"the folder holds several {name}, and one at a time is restored",
            where=folder,
            remedy="Name one of its files",
        )
    raise InputError(
        ErrorCode.UNKNOWN_FORMAT,
        "the folder holds neither DICOM files nor pictures",
        where=folder,
        remedy="DICOM, NIfTI, GeoTIFF, Zarr, PNG and JPEG are read",
    )


def _has_dicom_prefix(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _is_dicom(path: Path) -> bool:
    from datprl_toolkit.medical import is_dicom

    return is_dicom(path)
