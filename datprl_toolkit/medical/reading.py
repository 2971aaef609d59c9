"""Finding the images under a path and reading what their headers say; nothing is decoded here."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.uid import UID

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.enhanced_pet import classic_header
from datprl_toolkit.medical.geometry import read_geometry
from datprl_toolkit.medical.multiframe import ENHANCED_CLASSES, read_frames
from datprl_toolkit.medical.pixels import no_pixels, read_pixel_format
from datprl_toolkit.medical.quantity import local_time, moment, read_rescale, read_unit
from datprl_toolkit.medical.traits import read_traits
from datprl_toolkit.medical.volume import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pydicom.dataset import FileDataset

    from datprl_toolkit.medical.traits import Traits

DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
CLASSIC_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
}
LOCALIZER_TYPES = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM"})


@dataclass(frozen=True, slots=True)
class Instance:
    """A slice that can be restored, with what its header says for grouping.

    Parameters
    ----------
    image
        The slice.
    modality, unit
        As in :class:`~datprl_toolkit.medical.volume.Volume`.
    series_instance_uid, series_number, description
        As in :class:`~datprl_toolkit.medical.volume.Volume`.
    traits
        What tells interleaved images of one series apart.
    acquired
        When it was acquired, or None.
    """

    image: Slice
    modality: str
    unit: str
    series_instance_uid: str
    series_number: int | None
    description: str
    traits: Traits
    acquired: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that cannot be restored although it should be, and the series it belongs to ("" if not known)."""

    error: DatprlError
    series_instance_uid: str = ""


@dataclass(slots=True)
class Scan:
    """What was found under a path.

    Parameters
    ----------
    instances
        Slices that can be restored.
    problems
        Files of a restorable kind with something wrong.
    skipped
        How many files of each other kind there are, such as "RT Structure Set Storage".
    series_numbers
        All series numbers found, of whatever kind, so that a new one does not collide.
    """

    instances: list[Instance] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    series_numbers: set[int] = field(default_factory=set)


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM, or a folder holds a file that is; reads no more than a header per file."""
    if path.is_dir():
        return any(is_dicom(file) for file in _files_under(path))
    if not path.is_file():
        return False
    if header.has_preamble(path):
        return True
    try:
        header.read_dataset(path, pixels=False)
    except InputError:
        return False
    return True


def scan(path: Path) -> Scan:
    """Read the headers of all images in a folder, of one file, or of all files that a DICOMDIR names.

    Raises
    ------
    InputError
        ``E_MISSING`` if `path` does not exist; ``E_EMPTY`` if a folder holds no file.
    """
    if not path.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=path)
    found = Scan()
    files = sorted(_files_under(path)) if path.is_dir() else [path]
    if not files:
        raise InputError(ErrorCode.EMPTY, "the folder holds no file", where=path)
    with header.tolerant_pydicom():
        for file in files:
            _scan_file(file, found, alone=not path.is_dir())
    return found


def _files_under(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, links to folders not followed, hidden files left out."""
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(directory) / name


def _scan_file(file: Path, found: Scan, *, alone: bool) -> None:
    """Add what one file holds to `found`."""
    if file.is_file() and file.stat().st_size == 0:
        found.skipped["empty file"] += 1
        return
    try:
        dataset = header.read_dataset(file, pixels=False)
    except InputError as error:
        if error.code is ErrorCode.UNKNOWN_FORMAT and not alone:
            found.skipped["file that is not DICOM"] += 1
        else:
            found.problems.append(Problem(error))
        return
    if (
        header.text(dataset.file_meta, "MediaStorageSOPClassUID") == DICOMDIR_CLASS
        or "DirectoryRecordSequence" in dataset
    ):
        if alone:
            _scan_directory(file, dataset, found)
        return
    number = header.integer(dataset, "SeriesNumber")
    if number is not None:
        found.series_numbers.add(number)
    _add_image(file, dataset, found)


def _scan_directory(file: Path, dataset: FileDataset, found: Scan) -> None:
    """Read the images that a DICOMDIR names (PS3.3 F.3: Referenced File ID (0004,1500), relative to it)."""
    for record in header.items(dataset, "DirectoryRecordSequence"):
        parts = header.texts(record, "ReferencedFileID")
        if not parts:
            continue
        if any(part in ("", ".", "..") or "/" in part or "\\" in part for part in parts):
            found.problems.append(
                Problem(InputError(ErrorCode.CORRUPT, "a Referenced File ID leaves the folder", where=file))
            )
            continue
        image = file.parent.joinpath(*parts)
        if image.is_file():
            _scan_file(image, found, alone=False)
        else:
            missing = InputError(ErrorCode.MISSING, "a file that the DICOMDIR names is not there", where=image)
            found.problems.append(Problem(missing))


def _add_image(file: Path, dataset: FileDataset, found: Scan) -> None:
    """Add the slices of one image, or say why it is none."""
    # pydicom reads as much of a cut header as there is; its first lines say what the file was.
    sop_class = header.text(dataset, "SOPClassUID") or header.text(dataset.file_meta, "MediaStorageSOPClassUID")
    if sop_class not in CLASSIC_CLASSES and sop_class not in ENHANCED_CLASSES:
        found.skipped[_kind(sop_class)] += 1
        return
    if LOCALIZER_TYPES & set(header.texts(dataset, "ImageType")):
        found.skipped["localizer"] += 1
        return
    try:
        _identifier(dataset, "SOPClassUID", file)
        read = _read_enhanced if sop_class in ENHANCED_CLASSES else _read_classic
        found.instances.extend(read(file, dataset))
    except DatprlError as error:
        explained = error if header.holds_pixel_data(file) else no_pixels(file)
        found.problems.append(Problem(explained, header.text(dataset, "SeriesInstanceUID")))


def _kind(sop_class: str) -> str:
    """Name a SOP class for a person."""
    if not sop_class:
        return "file without SOP class"
    with header.tolerant_pydicom():
        name = UID(sop_class).name
    return "file of an unknown SOP class" if name == sop_class else name


def _read_classic(file: Path, dataset: FileDataset) -> list[Instance]:
    """Read one classic CT, MR or PET image."""
    modality = CLASSIC_CLASSES[header.text(dataset, "SOPClassUID")]
    if (header.integer(dataset, "NumberOfFrames") or 1) != 1:
        raise InputError(ErrorCode.UNSUPPORTED, "a classic image with several frames breaks the standard", where=file)
    pixel_format = read_pixel_format(dataset, file)
    image = Slice(
        path=file,
        frame=None,
        sop_class_uid=header.text(dataset, "SOPClassUID"),
        sop_instance_uid=_identifier(dataset, "SOPInstanceUID", file),
        geometry=read_geometry(dataset, dataset, dataset, file),
        pixel_format=pixel_format,
        rescale=read_rescale(dataset, file, required=modality != "MR"),
    )
    unit = read_unit(dataset, modality, header.text(dataset, "RescaleType"), file)
    return [_instance(image, dataset, modality, unit, read_traits(dataset, modality), file)]


def _read_enhanced(file: Path, dataset: FileDataset) -> list[Instance]:
    """Read all frames of one enhanced image."""
    modality = ENHANCED_CLASSES[header.text(dataset, "SOPClassUID")]
    frames = read_frames(dataset, modality, file)
    unit = read_unit(classic_header(dataset), modality, frames[0].quantity, file)
    pixel_format = read_pixel_format(dataset, file)
    identifier = _identifier(dataset, "SOPInstanceUID", file)
    sop_class = header.text(dataset, "SOPClassUID")
    read = [
        _instance(
            Slice(file, index, sop_class, identifier, frame.geometry, pixel_format, frame.rescale),
            dataset, modality, unit, frame.traits, file,
        )
        for index, frame in enumerate(frames)
    ]  # fmt: skip
    return [
        replace(each, acquired=local_time(frame.acquired) or each.acquired)
        for each, frame in zip(read, frames, strict=True)
    ]


def _instance(image: Slice, dataset: FileDataset, modality: str, unit: str, traits: Traits, file: Path) -> Instance:
    return Instance(
        image=image,
        modality=modality,
        unit=unit,
        series_instance_uid=_identifier(dataset, "SeriesInstanceUID", file),
        series_number=header.integer(dataset, "SeriesNumber"),
        description=header.describe_series(dataset),
        traits=traits,
        acquired=moment(dataset, "AcquisitionDate", "AcquisitionTime"),
    )


def _identifier(dataset: FileDataset, keyword: str, file: Path) -> str:
    """Return a unique identifier without which an image cannot be referred to."""
    found = header.text(dataset, keyword)
    if not found:
        raise InputError(ErrorCode.CORRUPT, f"{keyword} is absent", where=file)
    return found
