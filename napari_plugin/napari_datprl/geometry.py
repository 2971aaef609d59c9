"""Where a series lies: the axes of the series for the view, the axes of the patient for every voxel.

napari shows planes of the data's own axes. A series is therefore shown in millimetres along its own normal, columns
and rows, which for an axial series *are* the axes of the patient; the true place of every voxel, in the patient
coordinate system of DICOM (PS3.3 C.7.6.2), is kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from datprl_toolkit.medical import Volume

DIRECTIONS = (("R", "L"), ("A", "P"), ("I", "S"))
"""Names of the ends of the patient's axes x, y, z: each grows from the first to the second."""
NEARLY_ONE = 0.999


@dataclass(frozen=True, slots=True)
class DisplayGeometry:
    """How a series is placed in the view.

    Parameters
    ----------
    scale
        Distance between slices, between rows, between columns, in mm.
    translate
        Place of the first voxel along the normal, the columns and the rows of the series, in mm: for a straight
        axial series its z, y and x in the patient.
    axis_labels
        Where the axes lead to in the patient, such as "S", "P" and "L"; of an oblique axis the nearest.
    affine
        (4, 4), from (slice, row, column, 1) to (x, y, z, 1) in the patient, in mm: x to the left, y to the back,
        z to the head. Exact for an even, upright stack.
    oblique
        Whether an axis of the series lies between those of the patient.
    """

    scale: tuple[float, float, float]
    translate: tuple[float, float, float]
    axis_labels: tuple[str, str, str]
    affine: npt.NDArray[np.float64]
    oblique: bool


def display_geometry(volume: Volume) -> DisplayGeometry:
    """Return how a series is placed."""
    from datprl_toolkit.medical.affine import stack_affine
    from datprl_toolkit.medical.geometry import distances

    geometries = [image.geometry for image in volume.slices]
    first = geometries[0]
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    axes = (first.normal, column, row)
    along = distances(geometries)
    # Spacing from positions: slice thickness says how thick a slice is, not how far the next one lies.
    distance = float(along[-1] - along[0]) / (len(along) - 1) if len(along) > 1 else 0.0
    scale = (distance or 1.0, *first.spacing)
    corner = np.array(first.position)
    affine = stack_affine(geometries)[:, [2, 1, 0, 3]]
    return DisplayGeometry(
        scale=scale,
        translate=(float(axes[0] @ corner), float(axes[1] @ corner), float(axes[2] @ corner)),
        axis_labels=(_leads_to(axes[0]), _leads_to(axes[1]), _leads_to(axes[2])),
        affine=affine,
        oblique=any(np.abs(axis).max() < NEARLY_ONE for axis in axes),
    )


def patient_position(volume: Volume, index: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    """Return the place of a voxel in the patient, (x, y, z) in mm, from its own slice: exact under any tilt or gap.

    Parameters
    ----------
    index
        Slice, row and column; the slice is rounded to the nearest.
    """
    number = int(np.clip(round(index[0]), 0, len(volume.slices) - 1))
    geometry = volume.slices[number].geometry
    row, column = np.array(geometry.orientation[:3]), np.array(geometry.orientation[3:])
    place: npt.NDArray[np.float64] = (
        np.array(geometry.position) + column * (geometry.spacing[0] * index[1]) + row * (geometry.spacing[1] * index[2])
    )
    return place


def describe_position(place: npt.NDArray[np.float64]) -> str:
    """Return a place in the patient for a person: "L 12.3 P 45.6 S -78.9 mm", with the end it lies towards."""
    parts = [
        f"{names[int(value >= 0)]} {abs(value):.1f}" for names, value in zip(DIRECTIONS, place.tolist(), strict=True)
    ]
    return f"{' '.join(parts)} mm"


def _leads_to(axis: npt.NDArray[np.float64]) -> str:
    """Name the end of the patient to which an axis leads."""
    largest = int(np.argmax(np.abs(axis)))
    return DIRECTIONS[largest][int(axis[largest] > 0)]
