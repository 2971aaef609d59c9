"""A DICOM series laid out as NIfTI: the same voxels, rows turned as NIfTI readers expect, the affine exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.affine import LPS_TO_RAS, stack_affine
from datprl_toolkit.medical.geometry import TILT_TOLERANCE, UNEVEN_TOLERANCE, distances
from datprl_toolkit.medical.nifti_format import load_nibabel
from datprl_toolkit.medical.nifti_writing import StoredType, choose_type

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.volume import Volume

SCANNER = 1  # NIFTI_XFORM_SCANNER_ANAT
LARGEST_SHIFT = 1e-2  # mm by which a slice may lie off the straight line from the first to the last


class SeriesSource:
    """The slices of a volume, read one by one, and their places among voxels (columns, rows, slices).

    Rows run upwards in the file, as dcm2niix writes them, so that the affine of an upright series turns nothing.

    Parameters
    ----------
    volume
        The series.
    factor
        From its physical values to those that are wanted, such as SUV; None leaves them as they are.
    """

    def __init__(self, volume: Volume, factor: float | None = None) -> None:
        self._slices = volume.slices
        self._factor = factor
        self.shape = volume.shape

    def read_stored(self, index: int) -> npt.NDArray[Any]:
        """Return a slice as stored, (rows, columns)."""
        return self._slices[index].read_stored()

    def to_physical(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.float64]:
        """Return its physical values."""
        physical = self._slices[index].rescale.to_physical(stored)
        return physical if self._factor is None else physical * self._factor

    def is_image(self, stored: npt.NDArray[Any], index: int) -> npt.NDArray[np.bool_]:
        """Tell which of its pixels are no padding."""
        return ~self._slices[index].pixel_format.padding_mask(stored)

    def slice_in(self, values: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """Return the view of the slice in the voxels that are written."""
        return values[:, ::-1, index].T

    def stored_type(self, profile: IntensityProfile) -> tuple[StoredType, str]:
        """Return how the voxels are stored: as in the series if one rescale serves all slices, else as float32."""
        rescales = {image.rescale for image in self._slices}
        if self._factor is not None:
            return StoredType(np.dtype(np.float32)), f"stored as float32 in {profile.unit}"
        if len(rescales) > 1:
            return StoredType(np.dtype(np.float32)), "stored as float32, since every slice has a rescale of its own"
        rescale = next(iter(rescales))
        dtype = self._slices[0].pixel_format.dtype
        return choose_type(StoredType(dtype, rescale.slope, rescale.intercept), profile)


def new_header(volume: Volume, stored_type: StoredType, source: Path) -> Any:
    """Return a NIfTI-1 header with the affine of a series and nothing of its patient.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the slices do not lie evenly on one straight line.
    """
    geometries = [image.geometry for image in volume.slices]
    _check_even(volume, source)
    slices, rows, columns = volume.shape
    affine = LPS_TO_RAS @ stack_affine(geometries)
    affine[:, 3] += affine[:, 1] * (rows - 1)
    affine[:, 1] *= -1
    header = load_nibabel().Nifti1Header()
    header.set_data_dtype(stored_type.dtype)
    header.set_data_shape((columns, rows, slices))
    header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_sform(affine, SCANNER)
    if _is_upright(affine):
        header.set_qform(affine, SCANNER)
    header.set_xyzt_units("mm", "sec")
    return header


def _check_even(volume: Volume, source: Path) -> None:
    places = np.array([image.geometry.position for image in volume.slices])
    count = len(places)
    if count == 1:
        return
    straight = places[0] + np.arange(count)[:, None] * (places[-1] - places[0]) / (count - 1)
    step = float(np.median(np.diff(distances([image.geometry for image in volume.slices]))))
    away = float(np.abs(places - straight).max())
    if away > max(LARGEST_SHIFT, UNEVEN_TOLERANCE * step):
        raise InputError(
            ErrorCode.GEOMETRY,
            f"the slices do not lie evenly on a line (up to {away:.2f} mm off), and NIfTI has one distance for all",
            where=source,
            remedy="Write DICOM: give a folder as the output",
        )


def _is_upright(affine: npt.NDArray[np.float64]) -> bool:
    """Tell whether slices lie straight above each other; a qform cannot say that they do not."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    normal = np.cross(axes[:, 0], axes[:, 1])
    return bool(abs(normal @ axes[:, 2]) > np.cos(np.radians(TILT_TOLERANCE)))
