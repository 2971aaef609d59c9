"""The affine of a stack: from (column, row, slice) to the patient, in mm, as DICOM and as NIfTI count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.medical.geometry import SliceGeometry

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts towards left, posterior, superior (PS3.3 C.7.6.2.1.1); NIfTI towards right, anterior, superior.
The matrix is its own inverse."""


def stack_affine(geometries: Sequence[SliceGeometry], thickness: float = 1.0) -> npt.NDArray[np.float64]:
    """Return the affine of evenly spaced slices (PS3.3 equation C.7.6.2.1-1, extended by the step between slices).

    Parameters
    ----------
    geometries
        Sorted by position.
    thickness
        Step in mm where there is a single slice.

    Returns
    -------
    (4, 4) in LPS. The third column is the mean step from slice to slice, with the shear of a tilted gantry.
    """
    first = geometries[0]
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    affine[:3, 2] = first.normal * thickness
    affine[:3, 3] = first.position
    if len(geometries) > 1:
        travel = np.array(geometries[-1].position) - np.array(first.position)
        affine[:3, 2] = travel / (len(geometries) - 1)
    return affine
