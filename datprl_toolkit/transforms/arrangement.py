"""From an array with an affine to slices as a scanner lays them out, and back.

The network looks at slices and is no friend of mirrors: a volume that was turned round on the way gives another
result. So every volume is first laid out as DICOM does it, whatever its axes were turned into: slices along the
acquisition axis, in each the rows and columns that a radiologist sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

Number = TypeVar("Number", bound=np.generic)

SAME_SPACING = 1e-2  # relative; square pixels are written with few digits
UNKNOWN_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Affine of an array of which nothing is known: columns, rows, slices, as readers give an axial series."""

# How slices are shown by convention: direction of the columns' index and of the rows' index in the patient, by the
# axis that the slices are stacked along. x grows to the Right, y to the front (Anterior), z to the head (Superior).
LEFT, POSTERIOR, FEET = np.array([-1.0, 0, 0]), np.array([0, -1.0, 0]), np.array([0, 0, -1.0])
SHOWN = {0: (POSTERIOR, FEET), 1: (LEFT, FEET), 2: (LEFT, POSTERIOR)}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which spatial axis of an array becomes slices, rows and columns, and which of them are turned round.

    Parameters
    ----------
    axes
        Spatial axes of the array that become slices, rows and columns.
    flips
        Whether slices, rows and columns run against the axis.
    spacing
        Distance between slices, rows and columns, in mm.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    spacing: tuple[float, float, float]

    def to_stack(self, volume: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return a view (slices, rows, columns) of an array with three spatial axes."""
        stack: npt.NDArray[Number] = volume.transpose(self.axes)[self._index]
        return stack

    def from_stack(self, stack: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return a view with the axes of the array: the inverse of :meth:`to_stack`."""
        volume: npt.NDArray[Number] = stack[self._index].transpose(np.argsort(self.axes))
        return volume

    @property
    def _index(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)


def arrange(
    affine: npt.ArrayLike, *, slice_axis: int | None = None, orientation: Sequence[float] | None = None
) -> Arrangement:
    """Find the slices in an array.

    Parameters
    ----------
    affine
        (4, 4), from the index of a voxel to mm in the patient, axes to the right, to the front and to the head
        (RAS+, as in NIfTI, MONAI and TorchIO).
    slice_axis
        Spatial axis, 0, 1 or 2, that slices are stacked along. None finds it: the axis whose spacing differs where
        the other two are equal, since pixels are square; the one with the widest spacing where all differ; the last
        one where all are equal.
    orientation
        Image Orientation (Patient) (0020,0037) of the source, where it is known: direction cosines along a row, then
        along a column, in the axes of DICOM (LPS+). None lays slices out as they are shown by convention.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the affine is none.
    OptionError
        ``E_OPTION`` if `slice_axis` is no axis.
    """
    directions = _directions(affine)
    spacing = np.linalg.norm(directions, axis=0)
    cosines = directions / spacing
    if orientation is not None and slice_axis is None:
        across, down = (np.asarray(part, dtype=float) * (-1, -1, 1) for part in (orientation[:3], orientation[3:]))
    else:
        chosen = find_slice_axis(spacing) if slice_axis is None else _checked(slice_axis)
        across, down = SHOWN[_anatomical_axes(cosines)[chosen]]
    # A right-handed set: slices rise along the normal of DICOM, row direction x column direction.
    wanted = np.stack([np.cross(across, down), down, across])
    agreement = wanted @ cosines
    axes = max(permutations(range(3)), key=lambda order: sum(abs(agreement[i, axis]) for i, axis in enumerate(order)))
    flips = tuple(bool(agreement[i, axis] < 0) for i, axis in enumerate(axes))
    return Arrangement(
        (axes[0], axes[1], axes[2]),
        (flips[0], flips[1], flips[2]),
        (float(spacing[axes[0]]), float(spacing[axes[1]]), float(spacing[axes[2]])),
    )


def find_slice_axis(spacing: Sequence[float] | npt.NDArray[np.float64]) -> int:
    """Return the axis that slices are stacked along, from the spacing of three axes; see :func:`arrange`."""
    equal = [abs(spacing[one] - spacing[two]) <= SAME_SPACING * spacing[one] for one, two in ((1, 2), (0, 2), (0, 1))]
    if all(equal):
        return 2
    return equal.index(True) if any(equal) else int(np.argmax(spacing))


def _directions(affine: npt.ArrayLike) -> npt.NDArray[np.float64]:
    matrix = np.asarray(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise InputError(
            ErrorCode.GEOMETRY,
            f"a volume needs an affine of 4 x 4 that gives every voxel its place, not one of shape {matrix.shape}",
            where="affine",
        )
    return matrix[:3, :3]


def _anatomical_axes(cosines: npt.NDArray[np.float64]) -> tuple[int, ...]:
    """Return for each array axis the nearest axis of the patient, each of these once."""
    return max(permutations(range(3)), key=lambda order: sum(abs(cosines[axis, i]) for i, axis in enumerate(order)))


def _checked(slice_axis: int) -> int:
    if slice_axis not in (0, 1, 2):
        raise OptionError(
            ErrorCode.OPTION,
            f"slices are stacked along one of the spatial axes 0, 1 and 2, not {slice_axis}",
            where="slice_axis",
        )
    return slice_axis
