"""A DICOM series as an array with an affine, in physical values, with what restoring needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.medical.affine import LPS_TO_RAS, stack_affine
from datprl_toolkit.medical.opening import open_volume, series_of
from datprl_toolkit.medical.profiles import volume_suv_factor

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.medical.volume import Volume

UNEVEN = 1e-2  # share of the spacing by which a slice may lie off the grid that an affine describes


@dataclass(frozen=True, slots=True)
class SeriesArray:
    """A series in memory.

    Parameters
    ----------
    values
        (columns, rows, slices), float32, in HU, Bq/ml, SUV or stored units.
    affine
        (4, 4), from index to mm, RAS+.
    metadata
        "modality", "series_instance_uid", "unit", "image_orientation_patient", "inverted" (0 or 1), "warnings";
        "suv_factor" (to SUV by body weight) where it can be computed; "padding" (smallest and largest value that
        means "no image here").
    """

    values: npt.NDArray[np.float32]
    affine: npt.NDArray[np.float64]
    metadata: dict[str, Any]


def read_series(
    path: str | Path, series: str | None = None, *, sheared: bool = False, uneven: bool = False
) -> SeriesArray:
    """Read one CT, MR or PET series: slices by position, each with its own slope.

    Parameters
    ----------
    path
        A folder or a file of DICOM, or a DICOMDIR.
    series
        Which of several series: its number in the list that the error gives, or its SeriesInstanceUID.
    sheared, uneven
        See :func:`volume_affine`.

    Raises
    ------
    DatprlError
        As :func:`~datprl_toolkit.medical.opening.open_volume` and :func:`volume_affine`.
    """
    opened = open_volume(Path(path), series=series)
    volume = opened.volume
    affine = volume_affine(volume, sheared=sheared, uneven=uneven)
    values = np.empty(volume.shape, dtype=np.float32)
    for index, image in enumerate(volume.slices):
        values[index] = image.read()
    metadata: dict[str, Any] = {
        "modality": volume.modality,
        "series_instance_uid": volume.series_instance_uid,
        "unit": volume.unit,
        "image_orientation_patient": np.array(volume.slices[0].geometry.orientation),
        "inverted": int(volume.inverted),
        "warnings": "; ".join(opened.warnings),
        **_padding(volume),
        **_suv_factor(volume),
    }
    return SeriesArray(np.ascontiguousarray(values.transpose(2, 1, 0)), affine, metadata)


def volume_affine(volume: Volume, *, sheared: bool = False, uneven: bool = False) -> npt.NDArray[np.float64]:
    """Return the affine (4, 4) from the index (column, row, slice) of a voxel to mm, RAS+.

    Parameters
    ----------
    sheared
        Whether slices may be shifted against each other, as by a tilted gantry; the affine then holds the shear,
        and describes the series exactly.
    uneven
        Whether distances between slices may differ; the affine then holds their mean, and places of slices that it
        gives are not those of the series.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if slices do not lie on one grid.
    """
    geometries = [image.geometry for image in volume.slices]
    affine = stack_affine(geometries)
    step, normal = affine[:3, 2], geometries[0].normal
    places = np.array([geometry.position for geometry in geometries])
    expected = affine[:3, 3] + np.arange(len(places))[:, None] * step
    tolerance = UNEVEN * float(np.linalg.norm(step))
    is_sheared = float(np.linalg.norm(step - (step @ normal) * normal)) > tolerance
    is_uneven = np.abs(places - expected).max() > tolerance
    if (is_sheared and not sheared) or (is_uneven and not uneven):
        raise InputError(
            ErrorCode.GEOMETRY,
            "slices are missing, unevenly spaced or sheared, and an array with an affine would move them",
            where=volume.slices[0].path.parent,
            remedy="Restore the series with datprl restore, which keeps every slice at its own place",
        )
    ras: npt.NDArray[np.float64] = LPS_TO_RAS @ affine
    return ras


def _padding(volume: Volume) -> dict[str, Any]:
    """Return the physical values that mean "no image here", if they are the same in all slices."""
    ends = set()
    for image in volume.slices:
        if image.pixel_format.padding is None:
            return {}
        physical = image.rescale.to_physical(np.array(image.pixel_format.padding)).astype(np.float32)
        ends.add((float(physical.min()), float(physical.max())))
    return {"padding": np.array(ends.pop())} if len(ends) == 1 else {}


def _suv_factor(volume: Volume) -> dict[str, Any]:
    if volume.modality != "PT":
        return {}
    try:
        return {"suv_factor": volume_suv_factor(volume, series_of(volume).earliest)}
    except DatprlError:
        return {}
