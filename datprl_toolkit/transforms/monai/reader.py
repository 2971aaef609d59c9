"""A reader for MONAI's ``LoadImage``: DICOM series by geometry, in physical values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.data import ImageReader
from monai.utils import ensure_tuple

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import is_dicom
from datprl_toolkit.transforms.series import read_series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy.typing as npt


class SeriesReader(ImageReader):
    """Read one CT, MR or PET series from a folder or a file of DICOM.

    Slices are sorted by their position, never by InstanceNumber; every PET slice has its own slope; values are HU,
    Bq/ml, SUV or stored units. Give it to ``LoadImage(reader=SeriesReader)``, or by its dotted name in a bundle. The
    affine of a tilted gantry has its shear. Slices that are missing or at uneven distances are refused, since one
    affine cannot describe them, unless `uneven` says otherwise.

    Metadata besides the affine: "modality", "unit", "image_orientation_patient", "suv_factor" (factor to SUV by body
    weight, where it can be computed), "padding" (smallest and largest value that means "no image here"), "inverted",
    "warnings".

    Parameters
    ----------
    series
        Which of several series to read: its number in the list that the error gives, or its SeriesInstanceUID.
    uneven
        Whether slices may be missing or lie at uneven distances. They are restored and written
        (:class:`SeriesWriter`) as any others; the affine holds the mean distance, so that spatial transforms and other
        writers would move them.
    """

    def __init__(self, series: str | None = None, uneven: bool = False) -> None:
        self.series = series
        self.uneven = uneven

    def verify_suffix(self, filename: Sequence[PathLike[str] | str] | PathLike[str] | str) -> bool:
        """Tell by its content whether a path is DICOM: files of a series need not have a suffix."""
        return all(is_dicom(Path(name)) for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike[str] | str] | PathLike[str] | str, **kwargs: Any) -> Path:
        """Take a path that holds DICOM; everything else is done by :meth:`get_data`.

        ``LoadImage`` turns to its other readers when this one raises. That is right for what is not DICOM, and would be
        wrong for a series that we refuse and others would read without a word.

        Raises
        ------
        InputError
            ``E_UNKNOWN_FORMAT`` for what is not DICOM.
        """
        names = ensure_tuple(data)
        if len(names) != 1 or not self.verify_suffix(names):
            raise InputError(
                ErrorCode.UNKNOWN_FORMAT, "one folder or file of DICOM is needed", where=", ".join(map(str, names))
            )
        return Path(names[0])

    def get_data(self, img: Path) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Read the values, (columns, rows, slices) float32, and the metadata.

        Raises
        ------
        DatprlError
            As :func:`~datprl_toolkit.transforms.series.read_series`.
        """
        found = read_series(img, self.series, sheared=True, uneven=self.uneven)
        metadata: dict[str, Any] = {
            **found.metadata,
            "affine": found.affine,
            "original_affine": found.affine.copy(),
            "spatial_shape": np.array(found.values.shape),
            "space": "RAS",
            # MONAI's sign for "no axis of channels".
            "original_channel_dim": float("nan"),
        }
        return found.values, metadata


def find_volumes(folder: str | PathLike[str]) -> list[dict[str, str]]:
    """List the volumes of a folder for a MONAI ``Dataset``: NIfTI files, and subfolders that hold DICOM.

    Parameters
    ----------
    folder
        Looked at without the folders below its subfolders. A folder that holds DICOM files itself is one volume.

    Returns
    -------
    An item ``{"image": path}`` for each volume, in the order of their names.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is no such folder, ``E_EMPTY`` if there is no volume in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(ErrorCode.MISSING, "there is no such folder", where=root)
    entries = sorted(root.iterdir())
    nifti = [entry for entry in entries if entry.is_file() and entry.name.endswith((".nii", ".nii.gz"))]
    if not nifti and any(is_dicom(entry) for entry in entries if entry.is_file()):
        return [{"image": str(root)}]
    volumes = sorted([*nifti, *(entry for entry in entries if entry.is_dir() and is_dicom(entry))])
    if not volumes:
        raise InputError(ErrorCode.EMPTY, "there is neither a NIfTI file nor a folder of DICOM", where=root)
    return [{"image": str(volume)} for volume in volumes]
