"""NIfTI volumes: stored values, affine and slices, turned as a radiologist looks at them.

The network is not the same for an image and its mirror image, and converters store rows either way. Slices are
therefore given to it in one orientation, whatever the file's: that of DICOM, with the patient's left on the right of an
axial or coronal slice and the head on top. So a series and its NIfTI give the same result.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.affine import LPS_TO_RAS
from datprl_toolkit.medical.geometry import SliceGeometry
from datprl_toolkit.medical.nifti_format import is_nifti_name, load_nibabel

if TYPE_CHECKING:
    from pathlib import Path

Quantity = Literal["hu", "suv", "bqml", "mr"]
MODALITIES: dict[Quantity, str] = {"hu": "CT", "suv": "PT", "bqml": "PT", "mr": "MR"}
UNITS: dict[Quantity, str] = {"hu": "HU", "suv": "SUV", "bqml": "Bq/ml", "mr": "1"}
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
MOST_DIMENSIONS = 4
LARGEST_ITEM = 8  # bytes; longer floating-point types differ from machine to machine
SLICE_AXIS = 2


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """How the axes of a file become slices, rows and columns.

    Parameters
    ----------
    axes
        The file's axes that become slices, rows and columns.
    flipped
        Whether each of these runs the other way.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def slices_of(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a view of three-dimensional values, (slices, rows, columns), through which they can be set."""
        steps = tuple(slice(None, None, -1) if flipped else slice(None) for flipped in self.flipped)
        return np.transpose(values, self.axes)[steps]

    def affine_of(self, affine: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Return the affine from (column, row, slice) that belongs to an affine of the file's axes."""
        turned = np.eye(4)
        turned[:, 3] = affine[:, 3]
        for place, (axis, flipped) in enumerate(zip(self.axes[::-1], self.flipped[::-1], strict=True)):
            turned[:, place] = -affine[:, axis] if flipped else affine[:, axis]
            if flipped:
                turned[:, 3] += affine[:, axis] * (shape[axis] - 1)
        return turned


@dataclass(frozen=True, slots=True)
class NiftiVolume:
    """A NIfTI file.

    Parameters
    ----------
    path
        The file.
    header
        As it stands in the file, with its extensions (nibabel).
    stored
        (i, j, k, times), as stored; on the disk where the file is not compressed.
    slope, intercept
        Physical value = slope * stored + intercept (scl_slope, scl_inter).
    affine
        (4, 4) in mm, RAS: from the file's (i, j, k).
    order
        How the file's axes become slices, rows and columns.
    """

    path: Path
    header: Any
    stored: npt.NDArray[Any]
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    order: AxisOrder

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices of all times together, rows, columns."""
        slices, rows, columns = (self.stored.shape[axis] for axis in self.order.axes)
        return slices * self.times, rows, columns

    @property
    def times(self) -> int:
        """How many volumes the file holds: time points, echoes or directions."""
        return int(self.stored.shape[3])

    @property
    def affine_lps(self) -> npt.NDArray[np.float64]:
        """(4, 4) in mm, LPS: from (column, row, slice), as in DICOM."""
        return LPS_TO_RAS @ self.order.affine_of(self.affine, self.stored.shape)

    def slice_in(self, values: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """Return the view of slice `index` in values of the shape of `stored`, (rows, columns)."""
        per_time = self.shape[0] // self.times
        time, place = divmod(index, per_time)
        found: npt.NDArray[Any] = self.order.slices_of(values[..., time])[place]
        return found

    def read_stored(self, index: int) -> npt.NDArray[Any]:
        """Return a slice as stored, (rows, columns).

        Raises
        ------
        InputError
            ``E_CORRUPT`` if the disk does not give it.
        """
        return np.ascontiguousarray(self.slice_in(self.stored, index))

    def to_physical(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return physical values, any shape."""
        if (self.slope, self.intercept) == (1.0, 0.0):
            return stored.astype(np.float64)
        return stored.astype(np.float64) * self.slope + self.intercept

    def geometries(self) -> list[SliceGeometry]:
        """Return the place of each slice of the first time."""
        affine = self.affine_lps
        columns, rows = (float(np.linalg.norm(affine[:3, axis])) for axis in (0, 1))
        along = [float(item) for item in affine[:3, 0] / columns]
        down = [float(item) for item in affine[:3, 1] / rows]
        return [
            SliceGeometry(
                position=_triple(affine[:3, 3] + index * affine[:3, 2]),
                orientation=(along[0], along[1], along[2], down[0], down[1], down[2]),
                spacing=(rows, columns),
            )
            for index in range(self.shape[0] // self.times)
        ]


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def read_nifti(path: Path) -> NiftiVolume:
    """Open a NIfTI-1 or NIfTI-2 file, compressed or not.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for a pair of files, complex values, colours or more than four dimensions; ``E_TRUNCATED``
        or ``E_CORRUPT`` for a damaged file; ``E_GEOMETRY`` for an affine that is none.
    ResourceError
        ``E_DEPENDENCY`` if nibabel is not installed.
    """
    nibabel = load_nibabel()
    if not is_nifti_name(path):
        raise InputError(
            ErrorCode.UNSUPPORTED,
            "a NIfTI file is named .nii or .nii.gz; pairs of .hdr and .img are not read",
            where=path,
            remedy="Rename it, or convert the pair into one file",
        )
    try:
        image = nibabel.load(path)
        with nibabel.openers.ImageOpener(path) as file:
            header = type(image.header).from_fileobj(file, check=False)
        stored = image.dataobj.get_unscaled()
    # nibabel raises whatever its parser, numpy or the decompression trips over.
    except Exception as error:
        raise _damaged(error, path) from error
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise InputError(ErrorCode.QUANTITY, "scl_slope or scl_inter is not finite", where=path)
    affine = _in_millimetres(image, path)
    stored = _four_dimensional(stored, path)
    return NiftiVolume(path, header, stored, slope, intercept, affine, display_order(affine, _slice_axis(header)))


def _damaged(error: Exception, path: Path) -> InputError:
    message = str(error)
    short = isinstance(error, (EOFError, zlib.error)) or "mmap length" in message or "Expected" in message
    return InputError(
        ErrorCode.TRUNCATED if short else ErrorCode.CORRUPT,
        "the NIfTI file ends before its data do" if short else "the NIfTI file cannot be read",
        where=path,
        remedy="Copy or convert the file again",
    )


def _in_millimetres(image: Any, path: Path) -> npt.NDArray[np.float64]:
    unit = image.header.get_xyzt_units()[0]
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= MILLIMETRES.get(unit, 1.0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0:
        raise InputError(
            ErrorCode.GEOMETRY,
            "the affine (sform or qform) has no inverse, so that voxels have no place",
            where=path,
            remedy="Repair it, for example with nib-ls and fslorient, or convert the file again",
        )
    return affine


def _four_dimensional(stored: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    problem = ""
    if stored.dtype.kind not in "iuf" or stored.dtype.itemsize > LARGEST_ITEM:
        problem = f"values of the type {stored.dtype} are no grey image that can be restored"
    elif stored.ndim > MOST_DIMENSIONS and any(length != 1 for length in stored.shape[MOST_DIMENSIONS:]):
        problem = f"the file has {stored.ndim} dimensions"
    elif stored.size == 0:
        problem = "the file holds no voxel"
    if problem:
        raise InputError(ErrorCode.UNSUPPORTED, problem, where=path, remedy="Extract one grey volume first")
    lengths = (*stored.shape, 1, 1, 1)[:MOST_DIMENSIONS]
    return stored.reshape(lengths, order="F")


def _slice_axis(header: Any) -> int:
    """Return the axis along which slices were acquired: dim_info, or else the third."""
    axis = header.get_dim_info()[2]
    return SLICE_AXIS if axis is None else int(axis)


def display_order(affine: npt.NDArray[np.float64], slice_axis: int = SLICE_AXIS) -> AxisOrder:
    """Return how a file's axes become slices as DICOM orders and shows them.

    Columns run to the left, or backwards in a sagittal slice; rows run backwards, or downwards in an upright slice;
    slices run along the cross product of the two (PS3.3 C.7.6.2).
    """
    towards = load_nibabel().io_orientation(affine)
    patient = [int(row[0]) for row in towards]  # the patient's axis, RAS, nearest to each of the file's
    rising = [row[1] > 0 for row in towards]
    columns, rows = sorted((axis for axis in range(3) if axis != slice_axis), key=lambda axis: patient[axis])
    upwards = patient[slice_axis] != 1  # coronal slices run backwards, which RAS counts as falling
    return AxisOrder(
        axes=(slice_axis, rows, columns),
        flipped=(rising[slice_axis] != upwards, rising[rows], rising[columns]),
    )
