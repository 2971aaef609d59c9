"""One volume as a value: chosen from what lies under a path, or found again from the images that it consists of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.medical.choose import choose_series, scan_warnings
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.options import DicomOptions, ErrorPolicy
from datprl_toolkit.medical.reading import scan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.volume import Volume

ImagePlace = tuple["Path", "int | None"]
"""A file, and the frame in it; None for a classic image."""


@dataclass(frozen=True, slots=True)
class OpenedVolume:
    """A volume that was chosen, with a line for each thing that a person should know about its files."""

    volume: Volume
    warnings: tuple[str, ...]


def open_volume(
    source: Path, *, modality: str | None = None, series: str | None = None, on_error: ErrorPolicy = "fail"
) -> OpenedVolume:
    """Choose one volume from a folder, a DICOM file or a DICOMDIR; no pixel is decoded.

    Parameters
    ----------
    source
        Where to look; folders with their subfolders.
    modality
        "CT", "MR" or "PT" to look at volumes of that kind alone; None for all.
    series
        Which one, where there are several: its number in the list that the error gives, or its SeriesInstanceUID.
    on_error
        "fail" for an error at the first broken file that may belong to the volume; "skip" for a warning.

    Raises
    ------
    DatprlError
        ``E_EMPTY`` or ``E_UNSUPPORTED`` if there is none, ``E_AMBIGUOUS`` with a list if there are several, and
        what is wrong with a file.
    """
    options = DicomOptions(series=series, on_error=on_error)
    found = scan(source)
    grouped = group_series(found.instances)
    wanted = [each for each in grouped if modality in (None, each.volume.modality)]
    if grouped and not wanted:
        listed = "; ".join(each.label for each in grouped)
        raise InputError(ErrorCode.EMPTY, f"there is no {modality} series, only {listed}", where=source)
    chosen = choose_series(wanted, found, options, source)
    warnings = scan_warnings(found, chosen, options)
    if chosen[0].error is not None:
        raise chosen[0].error
    return OpenedVolume(chosen[0].volume, (*warnings, *chosen[0].warnings))


def find_series(images: Iterable[ImagePlace]) -> Series:
    """Return the series that consists of exactly these images, read anew from their headers.

    Raises
    ------
    InputError
        ``E_MISSING`` or ``E_CORRUPT`` if one of them is no longer there or no longer an image, ``E_AMBIGUOUS`` if
        they are no single volume.
    """
    wanted = set(images)
    instances = []
    for path in sorted({path for path, _ in wanted}):
        found = scan(path)
        if found.problems:
            raise found.problems[0].error
        instances += [each for each in found.instances if (each.image.path, each.image.frame) in wanted]
    series = group_series(instances)
    slices = sum(len(each.volume.slices) for each in series)
    if slices != len(wanted) or len(series) != 1:
        raise InputError(
            ErrorCode.AMBIGUOUS,
            f"{len(wanted)} images that were one volume are now {slices} different images in {len(series)} volumes",
            remedy="Read the series again from its source",
        )
    if series[0].error is not None:
        raise series[0].error
    return series[0]


def series_of(volume: Volume) -> Series:
    """Return the series of a volume, with what its headers say beside the volume itself, such as times.

    Raises
    ------
    InputError
        As :func:`find_series`.
    """
    return find_series((image.path, image.frame) for image in volume.slices)


def select_slices(volume: Volume, first: int = 1, last: int | None = None) -> Volume:
    """Return the slices of a volume from one number to another, counted from 1 along the normal.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there are no such slices.
    """
    total = len(volume.slices)
    end = total if last is None else last
    if not 1 <= first <= end <= total:
        raise OptionError(ErrorCode.OPTION, f"slices {first} to {end} are not among {total}", where=volume.description)
    return replace(volume, slices=volume.slices[first - 1 : end])
