"""One image of a data set, wherever it lies: a picture, a DICOM slice, a slice of a NIfTI volume, a NumPy array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, missing_package
from datprl_toolkit.pairing import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

DICOM_SUFFIXES = (".dcm", ".ima")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ARRAY_SUFFIX = ".npy"
IMAGE_SUFFIXES = (*PICTURE_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES, ARRAY_SUFFIX)
UPPER_PERCENTILE = 99.9  # of a volume whose values have no unit, as in restoring MR
CT_WINDOW = (-160.0, 240.0)  # HU, as published
PET_HIGHEST_SUV = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one image is.

    Parameters
    ----------
    path
        The file.
    index
        Number of the axial slice in a volume; None for a file that holds one image.
    slope, intercept
        From the values of a NumPy file to those of the window, such as HU; ignored for other kinds of file.
    window
        Values that become 0 and 1; None for arrays that are in [0, 1] or integers already.
    """

    path: Path
    index: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = None


def suffix_of(path: Path) -> str:
    """Return the suffix in small letters; ``.nii.gz`` counts as one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def read_place(place: Place) -> npt.NDArray[Any]:
    """Read an image.

    Returns
    -------
    (H, W) or (H, W, 3): uint8 or uint16 of a picture, or float32 in [0, 1]. CT is mapped from -160 to 240 HU, PET
    from SUV 0 to 20, a NIfTI volume from its minimum to its 99.9th percentile.

    Raises
    ------
    InputError
        With a stable code if the file cannot be read or its values have no known range.
    """
    suffix = suffix_of(place.path)
    if suffix in PICTURE_SUFFIXES:
        from datprl_toolkit.images.picture import read_picture

        pixels: npt.NDArray[Any] = read_picture(place.path).pixels
        return pixels
    if suffix == ARRAY_SUFFIX:
        return _read_array(place)
    if suffix in NIFTI_SUFFIXES:
        return _read_nifti_slice(place.path, place.index or 0)
    if suffix in DICOM_SUFFIXES:
        return _read_dicom(place.path)
    kinds = ", ".join(IMAGE_SUFFIXES)
    remedy = "Convert it to one of these; pickled arrays (.bin, .pkl) are never loaded, since that executes them"
    raise InputError(
        ErrorCode.UNKNOWN_FORMAT, f"an image for training ends in {kinds}", where=place.path, remedy=remedy
    )


def read_size(path: Path) -> tuple[int, int] | None:
    """Return height and width of a picture from its header; None for other kinds of file."""
    if suffix_of(path) not in PICTURE_SUFFIXES:
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            turned = picture.getexif().get(0x0112, 1) >= 5  # the EXIF orientations that swap the axes
            width, height = picture.size
    except (OSError, UnidentifiedImageError) as error:
        raise InputError(ErrorCode.CORRUPT, f"the picture cannot be read: {error}", where=path) from error
    return (width, height) if turned else (height, width)


def expand_volume(path: Path, *, central: float = 1.0) -> list[Place]:
    """Return a place for each axial slice of a NIfTI volume, of its central share along the axis alone."""
    count = int(_nifti(path).shape[2])
    margin = round(count * (1.0 - central) / 2.0)
    return [Place(path, index) for index in range(margin, count - margin)]


def _read_array(place: Place) -> npt.NDArray[Any]:
    try:
        values: npt.NDArray[Any] = np.load(place.path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(ErrorCode.CORRUPT, f"the array cannot be read: {error}", where=place.path) from error
    values = values.squeeze()
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3) or 0 in values.shape:
        raise InputError(
            ErrorCode.UNSUPPORTED, f"an image is (H, W) or (H, W, 3), not {values.shape}", where=place.path
        )
    if place.window is not None:
        return _in_window(values * place.slope + place.intercept, place.window)
    if values.dtype in (np.uint8, np.uint16):
        return values
    if not np.isfinite(values).all() or values.min() < -1e-3 or values.max() > 1.001:
        raise InputError(
            ErrorCode.QUANTITY,
            f"an array of real numbers must lie in [0, 1], not {values.min():g} to {values.max():g}",
            where=place.path,
            remedy="Scale it, or save it as uint8 or uint16",
        )
    unit: npt.NDArray[Any] = values.clip(0.0, 1.0).astype(np.float32)
    return unit


def _read_dicom(path: Path) -> npt.NDArray[np.float32]:
    from datprl_toolkit.medical.grouping import group_series
    from datprl_toolkit.medical.profiles import volume_suv_factor
    from datprl_toolkit.medical.reading import scan

    found = scan(path)
    if found.problems:
        raise found.problems[0].error
    if len(found.instances) != 1:
        raise InputError(ErrorCode.UNSUPPORTED, "the file holds no single CT or PET slice", where=path)
    (instance,) = found.instances
    if instance.modality == "CT":
        return _in_window(instance.image.read(), CT_WINDOW)
    if instance.modality == "PT":
        (series,) = group_series(found.instances)
        return _in_window(
            instance.image.read() * volume_suv_factor(series.volume, series.earliest), (0, PET_HIGHEST_SUV)
        )
    raise InputError(
        ErrorCode.UNSUPPORTED,
        "a single MR slice does not tell the range of its volume",
        where=path,
        remedy="Convert the series to NIfTI or to pictures",
    )


def _read_nifti_slice(path: Path, index: int) -> npt.NDArray[np.float32]:
    low, high = _volume_window(path)
    values = np.asarray(_nifti(path).dataobj[:, :, index], dtype=np.float64)
    # Rows of a picture run from anterior to posterior, columns from the patient's right to the left.
    return _in_window(np.rot90(values), (low, high))


@lru_cache(maxsize=4096)
def _volume_window(path: Path) -> tuple[float, float]:
    values = np.asarray(_nifti(path).dataobj, dtype=np.float32)
    low, high = float(values.min()), float(np.percentile(values, UPPER_PERCENTILE))
    if not low < high:
        raise InputError(ErrorCode.QUANTITY, "all values of the volume are equal", where=path)
    return low, high


@lru_cache(maxsize=8)
def _nifti(path: Path) -> Any:
    """Return a volume in canonical orientation (right, anterior, superior), loaded when its values are asked for."""
    try:
        import nibabel
    except ImportError as error:
        package = "nibabel"
        raise missing_package(package, "medical", "to read NIfTI") from error
    load: Callable[..., Any] = nibabel.load
    try:
        canonical: Callable[..., Any] = nibabel.as_closest_canonical
        image = canonical(load(path))
    except (OSError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise InputError(ErrorCode.CORRUPT, f"the volume cannot be read: {error}", where=path) from error
    if len(image.shape) != 3:
        raise InputError(ErrorCode.UNSUPPORTED, f"a volume has three axes, not {len(image.shape)}", where=path)
    return image


def _in_window(values: npt.NDArray[Any], window: tuple[float, float]) -> npt.NDArray[np.float32]:
    low, high = window
    unit = (np.nan_to_num(values.astype(np.float64), nan=low) - low) / (high - low)
    return np.clip(unit, 0.0, 1.0).astype(np.float32)
