"""What the headers of a volume say beyond what restoring needs, for those who want to know it beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.medical import header
from datprl_toolkit.medical.enhanced_pet import classic_header
from datprl_toolkit.medical.multiframe import functional_group
from datprl_toolkit.medical.provenance import PRODUCT
from datprl_toolkit.medical.quantity import moment, stand_in_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pydicom.dataset import Dataset, FileDataset
    from pydicom.uid import UID

    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.volume import Volume


@dataclass(frozen=True, slots=True)
class SliceNotes:
    """What one file says of its own slice.

    Parameters
    ----------
    instance_number
        Instance Number (0020,0013), or None.
    syntax
        Transfer syntax.
    lossy
        Whether the pixels have ever been compressed with loss.
    """

    instance_number: int | None
    syntax: UID
    lossy: bool


@dataclass(frozen=True, slots=True)
class SeriesNotes:
    """What the headers of one volume say.

    Parameters
    ----------
    slices
        One entry for each file, in the order of the slices; a single one for an enhanced image.
    description
        Series Description without what would name the patient.
    scanner
        Manufacturer and model.
    image_type
        Image Type (0008,0008).
    thickness
        Slice Thickness (0018,0050) in mm, or None.
    burned_in
        Whether Burned In Annotation (0028,0301) says YES.
    restored
        Whether this toolkit made the images.
    series_time
        Series Date and Time, or None.
    """

    slices: tuple[SliceNotes, ...]
    description: str
    scanner: str
    image_type: tuple[str, ...]
    thickness: float | None
    burned_in: bool
    restored: bool
    series_time: datetime | None


def read_notes(volume: Volume) -> SeriesNotes:
    """Read the headers of all files of a volume again.

    Raises
    ------
    InputError
        As :func:`datprl_toolkit.medical.header.read_dataset`.
    """
    paths = list(dict.fromkeys(image.path for image in volume.slices))
    first = header.read_dataset(paths[0], pixels=False)
    notes = [_slice_notes(first), *(_slice_notes(header.read_dataset(path, pixels=False)) for path in paths[1:])]
    makers = [header.text(item, "Manufacturer") for item in header.items(first, "ContributingEquipmentSequence")]
    scanner = (header.text(first, "Manufacturer"), header.text(first, "ManufacturerModelName"))
    return SeriesNotes(
        slices=tuple(notes),
        description=header.describe_series(first),
        scanner=" ".join(filter(None, scanner)),
        image_type=header.texts(first, "ImageType"),
        thickness=header.number(_pixel_measures(first), "SliceThickness"),
        burned_in=header.text(first, "BurnedInAnnotation") == "YES",
        restored=PRODUCT in makers,
        series_time=moment(first, "SeriesDate", "SeriesTime"),
    )


def _pixel_measures(dataset: FileDataset) -> Dataset:
    """Return what holds Slice Thickness: a classic image itself, a functional group of an enhanced one."""
    shared = header.items(dataset, "SharedFunctionalGroupsSequence")
    frames = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    return functional_group("PixelMeasuresSequence", frames[0], (*shared, frames[0])[0]) if frames else dataset


def _slice_notes(dataset: FileDataset) -> SliceNotes:
    return SliceNotes(
        instance_number=header.integer(dataset, "InstanceNumber"),
        syntax=header.transfer_syntax(dataset),
        lossy=header.text(dataset, "LossyImageCompression") == "01",
    )


def source_lines(series: Series, notes: SeriesNotes) -> Iterator[str]:
    """Return what both inspecting and restoring warn of, as lines that begin with a code.

    A result of this toolkit, and for PET another time than Series Time to which the dose is decayed.
    """
    if notes.restored:
        yield "W_RESTORED: the series was made by this toolkit; to restore it again blurs it further"
    if series.volume.modality == "PT":
        dataset = classic_header(header.read_dataset(series.volume.slices[0].path, pixels=False))
        stand_in = stand_in_note(dataset, series.earliest)
        if stand_in is not None:
            yield f"W_SERIES_TIME: {stand_in}"
