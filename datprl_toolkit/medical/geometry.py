"""Where slices lie in the patient: position, orientation, spacing, and what their order says about gaps and tilt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import Dataset

SAME_POSITION = 1e-3  # mm; finer than any scanner moves its table
UNIT_TOLERANCE = 1e-2  # for direction cosines, which scanners round to 6 digits and old ones to 3
MISSING_TOLERANCE = 0.05  # share of the spacing by which a gap may differ from a whole number of spacings
UNEVEN_TOLERANCE = 0.01  # share of the spacing
TILT_TOLERANCE = 0.1  # degrees
LARGEST_COORDINATE = 1e6  # mm; beyond it float32 and every reader lose the in-plane position


@dataclass(frozen=True, slots=True)
class SliceGeometry:
    """Place of one slice in the patient coordinate system (PS3.3 section C.7.6.2).

    Parameters
    ----------
    position
        Image Position (Patient) (0020,0032): centre of the first pixel, in mm.
    orientation
        Image Orientation (Patient) (0020,0037): direction cosines along a row, then along a column.
    spacing
        Pixel Spacing (0028,0030): distance between rows, then between columns, in mm.
    """

    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    spacing: tuple[float, float]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit vector perpendicular to the slice: row direction x column direction."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        normal = np.cross(row, column)
        unit: npt.NDArray[np.float64] = normal / np.linalg.norm(normal)
        return unit


def read_geometry(position: Dataset, orientation: Dataset, measures: Dataset, where: Path) -> SliceGeometry:
    """Read the geometry of one slice.

    Parameters
    ----------
    position, orientation, measures
        The data sets that hold Image Position (Patient), Image Orientation (Patient) and Pixel Spacing: the same
        one in a classic image, items of functional groups in an enhanced one.
    where
        The file, for the error.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if an attribute is absent or cannot be a position, an orientation or a spacing.
    """
    place = header.numbers(position, "ImagePositionPatient")
    if len(place) != 3 or max(map(abs, place)) > LARGEST_COORDINATE:
        raise _bad("Image Position (Patient) (0020,0032)", where)
    cosines = header.numbers(orientation, "ImageOrientationPatient")
    if len(cosines) != 6 or not _are_directions(np.array(cosines)):
        raise _bad("Image Orientation (Patient) (0020,0037)", where)
    spacing = header.numbers(measures, "PixelSpacing")
    if len(spacing) != 2 or min(spacing) <= 0 or max(spacing) > LARGEST_COORDINATE:
        raise _bad("Pixel Spacing (0028,0030)", where)
    return SliceGeometry(
        position=(place[0], place[1], place[2]),
        orientation=(cosines[0], cosines[1], cosines[2], cosines[3], cosines[4], cosines[5]),
        spacing=(spacing[0], spacing[1]),
    )


def _bad(attribute: str, where: Path) -> InputError:
    return InputError(
        ErrorCode.GEOMETRY,
        f"{attribute} is absent or cannot be true",
        where=where,
        remedy="Without it the slice has no place in the patient; export the series again, or leave this file out",
    )


def _are_directions(cosines: npt.NDArray[np.float64]) -> bool:
    """Return whether six numbers are two perpendicular unit vectors."""
    row, column = cosines[:3], cosines[3:]
    return bool(
        abs(np.linalg.norm(row) - 1) < UNIT_TOLERANCE
        and abs(np.linalg.norm(column) - 1) < UNIT_TOLERANCE
        and abs(row @ column) < UNIT_TOLERANCE
    )


def distances(geometries: Sequence[SliceGeometry]) -> npt.NDArray[np.float64]:
    """Return where each slice lies along the common normal of all, in mm.

    One normal serves all slices, since the rounding of each slice's own cosines would move it by more than the
    distance between thin slices.
    """
    normal = np.mean([geometry.normal for geometry in geometries], axis=0)
    normal /= np.linalg.norm(normal)
    places = np.array([geometry.position for geometry in geometries], dtype=np.float64)
    along: npt.NDArray[np.float64] = places @ normal
    return along


def describe_stack(geometries: Sequence[SliceGeometry]) -> tuple[str, ...]:
    """Return a warning for each thing in which sorted slices are not an even, upright stack.

    Parameters
    ----------
    geometries
        Sorted by :func:`distances`.

    Returns
    -------
    Lines that begin with ``W_MISSING_SLICE``, ``W_UNEVEN_SPACING`` or ``W_TILT``. All of these are restored slice
    by slice, so none is an error.
    """
    if len(geometries) < 3:
        return ()
    along = distances(geometries)
    return (*_describe_gaps(along), *_describe_tilt(geometries))


def _describe_gaps(along: npt.NDArray[np.float64]) -> list[str]:
    gaps = np.diff(along)
    spacing = float(np.median(gaps))
    if spacing <= 0:
        return []
    ratios = gaps / spacing
    whole = np.rint(ratios)
    missing = (whole >= 2) & (np.abs(ratios - whole) < MISSING_TOLERANCE)
    lines = []
    if missing.any():
        places = [
            f"{along[index] + step * spacing:.2f}"
            for index in np.flatnonzero(missing)
            for step in range(1, int(whole[index]))
        ]
        shown = ", ".join(places[:8]) + (", ..." if len(places) > 8 else "")
        lines.append(
            f"W_MISSING_SLICE: {len(places)} of the slices at a spacing of {spacing:.3f} mm are missing, "
            f"at {shown} mm along the normal; the others are restored"
        )
    uneven = (np.abs(ratios - 1) > UNEVEN_TOLERANCE) & ~missing
    if uneven.any():
        lines.append(
            f"W_UNEVEN_SPACING: the distance between slices runs from {gaps.min():.3f} to {gaps.max():.3f} mm; "
            "each slice keeps its own position"
        )
    return lines


def _describe_tilt(geometries: Sequence[SliceGeometry]) -> list[str]:
    travel = np.array(geometries[-1].position) - np.array(geometries[0].position)
    length = float(np.linalg.norm(travel))
    if length == 0:
        return []
    cosine = float(np.clip(abs(travel @ geometries[0].normal) / length, 0.0, 1.0))
    angle = float(np.degrees(np.arccos(cosine)))
    if angle <= TILT_TOLERANCE:
        return []
    line = (
        f"W_TILT: the slices are sheared by {angle:.2f} degrees against their normal (gantry tilt); "
        "each slice keeps its own position, nothing is resampled"
    )
    return [line]
