"""What other readers get wrong in a volume, foretold from its headers.

Each rule was found by running the reader (``recipes/compare_readers.py``) and is held to it by a test: SimpleITK
2.5.7 (``ImageSeriesReader`` with the names that GDCM gives), TorchIO 1.2.1 (``ScalarImage`` of a folder) and MONAI
1.6.1 (``PydicomReader`` of a folder).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from datprl_toolkit.medical.geometry import TILT_TOLERANCE, UNEVEN_TOLERANCE, distances
from datprl_toolkit.restoring.inspection import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from datprl_toolkit.medical.header_notes import SeriesNotes
    from datprl_toolkit.medical.volume import Volume

INTEGER_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
LOWEST_HOUNSFIELD = -1024.0
SMALLEST_FRACTION = 1e-9
SLOPE_TOLERANCE = 1e-6
THICKNESS_TOLERANCE = 0.01  # share of the distance between slices


def foretell(
    volume: Volume,
    notes: SeriesNotes,
    *,
    duplicates: bool,
    values: tuple[float, float] | None,
    earliest: datetime | None,
) -> tuple[Finding, ...]:
    """Return what other readers get wrong in one volume.

    Parameters
    ----------
    volume
        Slices sorted by position.
    notes
        What their headers say.
    duplicates
        Whether several files lie at one position.
    values
        Smallest and largest physical value that is no padding, or None if the pixels were not looked at.
    earliest
        Earliest acquisition, or None.
    """
    minimum, maximum = (None, None) if values is None else values
    found = [*_scaling(volume, maximum), *_polarity(volume), *_padding(volume, minimum)]
    found.extend(_series_time(volume, notes, earliest))
    if volume.enhanced:
        found.extend(_enhanced(volume))
    elif len(volume.slices) > 1:
        found.extend(_duplicates() if duplicates else (*_order(volume, notes), *_spacing(volume), *_shear(volume)))
    found.extend(_thickness(volume, notes))
    return tuple(found)


def _positions(volume: Volume) -> npt.NDArray[np.float64]:
    return np.array([image.geometry.position for image in volume.slices])


def _mean_step(positions: npt.NDArray[np.float64]) -> float:
    """Return the distance between slices that a reader takes from the first and the last alone, in mm."""
    return float(np.linalg.norm(positions[-1] - positions[0]) / (len(positions) - 1))


def instance_order(notes: SeriesNotes) -> list[int] | None:
    """Return the order of the slices by Instance Number, or None if they have none or it agrees with the positions.

    The positions may also fall: readers that take the geometry from the first and the last slice see that.
    """
    numbers = [note.instance_number for note in notes.slices]
    given = [number for number in numbers if number is not None]
    if len(given) < len(numbers):
        return None
    order = sorted(range(len(given)), key=given.__getitem__)
    upright = list(range(len(given)))
    return None if order in (upright, upright[::-1]) else order


def _order(volume: Volume, notes: SeriesNotes) -> Iterator[Finding]:
    absent = sum(note.instance_number is None for note in notes.slices)
    if absent:
        kept = len(volume.slices) - absent
        what = "refuses the series" if kept == 0 else f"leaves {absent} of {len(volume.slices)} slices out"
        yield Finding("R_INSTANCE_NUMBER", f"MONAI PydicomReader {what}: they have no Instance Number")
        return
    order = instance_order(notes)
    if order is None:
        return
    moved = sum(place != index for place, index in enumerate(order))
    step = _mean_step(_positions(volume)[order])
    true = float(np.median(np.diff(distances([image.geometry for image in volume.slices]))))
    yield Finding(
        "R_INSTANCE_NUMBER",
        f"MONAI PydicomReader sorts by Instance Number: {moved} of {len(order)} slices come out in another place, "
        f"{step:.3f} mm apart instead of {true:.3f} mm, without a warning",
    )


def _duplicates() -> Iterator[Finding]:
    yield Finding(
        "R_DUPLICATE",
        "SimpleITK, TorchIO and MONAI keep every file as a slice of its own and fall back on Instance Numbers for the "
        "order, so that the distance between slices comes out wrong",
    )


def _spacing(volume: Volume) -> Iterator[Finding]:
    along = distances([image.geometry for image in volume.slices])
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    if usual <= 0 or np.abs(gaps / usual - 1).max() <= UNEVEN_TOLERANCE:
        return
    step = _mean_step(_positions(volume))
    wrong = np.abs(along - along[0] - np.arange(len(along)) * (along[-1] - along[0]) / (len(along) - 1)).max()
    yield Finding(
        "R_UNEVEN_SPACING",
        f"SimpleITK, TorchIO and MONAI take one distance for all slices, {step:.3f} mm: some slices come out up to "
        f"{wrong:.2f} mm from their place, without an error",
    )


def _shear(volume: Volume) -> Iterator[Finding]:
    travel = _positions(volume)[-1] - _positions(volume)[0]
    normal = volume.slices[0].geometry.normal
    length = float(np.linalg.norm(travel))
    if length == 0 or np.degrees(np.arccos(min(1.0, abs(travel @ normal) / length))) <= TILT_TOLERANCE:
        return
    beside = float(np.linalg.norm(np.sign(travel @ normal) * normal * length - travel))
    yield Finding(
        "R_SHEAR",
        f"SimpleITK and TorchIO lay the slices upright: the last one comes out {beside:.1f} mm from its place; MONAI "
        "keeps the shear in its affine",
    )


def _scaling(volume: Volume, maximum: float | None) -> Iterator[Finding]:
    slopes = [image.rescale.slope for image in volume.slices]
    intercepts = [image.rescale.intercept for image in volume.slices]
    first = volume.slices[0].rescale
    differ = max(np.ptp(slopes), np.ptp(intercepts)) > SLOPE_TOLERANCE * max(map(abs, slopes))
    if not differ:
        return
    ratios = np.abs(np.array(slopes) / first.slope)
    worst = float(max(ratios.max(), 1 / ratios.min()))
    yield Finding(
        "R_FIRST_SLOPE",
        f"readers that apply the first slice's Rescale Slope to all of them are wrong by a factor of up to {worst:.4g}",
    )
    if volume.enhanced or not _is_whole(first.slope, first.intercept):
        return
    lowest, highest, name = _first_type(volume)
    if maximum is not None and maximum > highest:
        yield Finding(
            "R_FIRST_SLICE_TYPE",
            f"SimpleITK and TorchIO take the type of the first slice, {name}, for all: values above {highest:g} "
            f"{volume.unit} wrap round to negative ones (the largest is {maximum:.6g})",
        )
    elif not _is_whole(*slopes, *intercepts):
        yield Finding(
            "R_FIRST_SLICE_TYPE",
            f"SimpleITK and TorchIO take the type of the first slice, {name}, for all: values are cut to whole "
            f"numbers, and those outside {lowest:g} to {highest:g} wrap round",
        )


def _is_whole(*values: float) -> bool:
    return all(abs(value - round(value)) < SMALLEST_FRACTION for value in values)


def _first_type(volume: Volume) -> tuple[float, float, str]:
    """Return the ends and the name of the smallest integer type that holds all values of the first slice."""
    image = volume.slices[0]
    ends = sorted(image.rescale.slope * limit + image.rescale.intercept for limit in image.pixel_format.limits)
    for name in INTEGER_TYPES:
        limits = np.iinfo(name)
        if limits.min <= ends[0] and ends[1] <= limits.max:
            return float(limits.min), float(limits.max), name
    return -np.inf, np.inf, "float64"


def _polarity(volume: Volume) -> Iterator[Finding]:
    if volume.slices[0].pixel_format.inverted:
        yield Finding(
            "R_INVERTED",
            "SimpleITK and TorchIO turn the stored values of MONOCHROME1 images round (largest minus value), so that "
            "they are no longer those of the file; MONAI leaves them",
        )


def _padding(volume: Volume, minimum: float | None) -> Iterator[Finding]:
    if volume.unit != "HU":
        return
    paddings = [(image.pixel_format.padding, image.rescale) for image in volume.slices]
    ends = [padding[0] * rescale.slope + rescale.intercept for padding, rescale in paddings if padding]
    lowest = min([*ends, *([] if minimum is None else [minimum])], default=0.0)
    if lowest < LOWEST_HOUNSFIELD:
        yield Finding(
            "R_PADDING",
            f"what lies outside the circle of reconstruction, down to {lowest:g} HU, is given as image by SimpleITK, "
            "TorchIO and MONAI: a scaling by minimum and maximum, or a mean, is wrong by it",
        )


def _series_time(volume: Volume, notes: SeriesNotes, earliest: datetime | None) -> Iterator[Finding]:
    if volume.modality != "PT" or earliest is None or notes.series_time is None:
        return
    # Then it cannot be what the dose is decayed to.
    if notes.series_time > earliest:
        late = (notes.series_time - earliest).total_seconds() / 60
        yield Finding(
            "R_SERIES_TIME",
            f"tools that decay the dose to Series Time, which lies {late:.0f} minutes after the first acquisition, "
            "get another SUV",
        )


def _enhanced(volume: Volume) -> Iterator[Finding]:
    rescaled = any((image.rescale.slope, image.rescale.intercept) != (1.0, 0.0) for image in volume.slices)
    values = ", and values are the stored ones without their rescale" if rescaled else ""
    yield Finding(
        "R_ENHANCED",
        "MONAI PydicomReader takes an enhanced image for one without position: its affine is the identity, frames lie "
        f"on the second axis{values}",
    )
    frames = [image.frame or 0 for image in volume.slices]
    if frames not in (sorted(frames), sorted(frames, reverse=True)):
        moved = sum(place != frame for place, frame in enumerate(frames))
        yield Finding(
            "R_FRAME_ORDER",
            f"SimpleITK and TorchIO take frames in the order of the file: {moved} of {len(frames)} come out in another "
            "place",
        )
    if len({image.rescale for image in volume.slices}) > 1:
        yield Finding("R_FRAME_RESCALE", "SimpleITK and TorchIO apply one rescale to all frames, whose own differ")


def _thickness(volume: Volume, notes: SeriesNotes) -> Iterator[Finding]:
    if len(volume.slices) < 2 or notes.thickness is None or notes.thickness <= 0:
        return
    step = float(np.median(np.diff(distances([image.geometry for image in volume.slices]))))
    if step > 0 and abs(notes.thickness / step - 1) > THICKNESS_TOLERANCE:
        yield Finding(
            "R_SLICE_THICKNESS",
            f"tools that take Slice Thickness ({notes.thickness:g} mm) for the distance between slices "
            f"({step:.3f} mm) stretch or squeeze the volume by a factor of {notes.thickness / step:.3f}",
        )


def mixed_folder(identifiers: int, orientations: Sequence[object]) -> Iterator[Finding]:
    """Return what goes wrong with a folder of several series, or a series of several orientations.

    Parameters
    ----------
    identifiers
        How many different series lie in the folder of this one.
    orientations
        The different orientations that share this volume's series identifier.
    """
    if identifiers > 1:
        yield Finding(
            "R_MIXED_FOLDER",
            f"MONAI stacks all {identifiers} series of the folder into one volume; SimpleITK and TorchIO read one of "
            "them without saying so",
        )
    if len(orientations) > 1:
        yield Finding(
            "R_MIXED_ORIENTATION",
            f"SimpleITK, TorchIO and MONAI stack the {len(orientations)} orientations of this series into one volume, "
            "with the affine of the first",
        )
