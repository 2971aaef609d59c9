"""Series as they come from archives and break readers: made from valid synthetic ones, each with one thing odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.uid import UID

from datprl_toolkit.medical.testing import SPACING, synthetic_slice, synthetic_uid, write_synthetic_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataset import FileDataset

SLICES = 6
SHUFFLED = (3, 1, 5, 2, 6, 4)
UNEVEN = (0.0, 3.0, 6.0, 9.0, 13.5, 18.5)  # mm
SHEAR = 0.8  # mm from slice to slice along the columns


@dataclass(frozen=True, slots=True)
class HostileSeries:
    """A kind of odd series.

    Parameters
    ----------
    name
        Short and stable, such as "missing".
    what
        What is odd about it, for a person.
    write
        Writes it into a folder, which is made.
    """

    name: str
    what: str
    write: Callable[[Path], None]


def _changed(modality: str, change: Callable[[FileDataset, int], None] | None = None) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        write_synthetic_series(folder, modality, SLICES, change=change)  # type: ignore[arg-type]

    return write


def _shuffle(dataset: FileDataset, index: int) -> None:
    dataset.InstanceNumber = SHUFFLED[index]


def _no_number(dataset: FileDataset, index: int) -> None:
    del dataset.InstanceNumber


def _tilt(dataset: FileDataset, index: int) -> None:
    dataset.ImagePositionPatient = [-60.0, -50.0 + SHEAR * index, -100.0 + SPACING * index]


def _uneven(dataset: FileDataset, index: int) -> None:
    dataset.ImagePositionPatient = [-60.0, -50.0, -100.0 + UNEVEN[index]]


def _turn(dataset: FileDataset, index: int) -> None:
    if index >= SLICES // 2:
        dataset.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]
        dataset.ImagePositionPatient = [-60.0, -50.0 + SPACING * index, 40.0]


def _two_sizes(dataset: FileDataset, index: int) -> None:
    if index >= SLICES // 2:
        smaller = synthetic_slice("CT", index, rows=32, columns=32)
        dataset.Rows, dataset.Columns = 32, 32
        dataset.add_new("PixelData", "OW", smaller.PixelData)


def _invert(dataset: FileDataset, index: int) -> None:
    dataset.PhotometricInterpretation = "MONOCHROME1"


def _late(dataset: FileDataset, index: int) -> None:
    dataset.SeriesTime = "111500"  # an hour after the acquisition, as by a second reconstruction


def _without_weight(dataset: FileDataset, index: int) -> None:
    del dataset.PatientWeight


def _thick(dataset: FileDataset, index: int) -> None:
    dataset.SliceThickness = 2 * SPACING


def _missing(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)[2].unlink()


def _copied(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    _write_second(folder, synthetic_slice("CT", 2))


def _collided(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    other = synthetic_slice("CT", 3)
    other.ImagePositionPatient = synthetic_slice("CT", 2).ImagePositionPatient
    _write_second(folder, other)


def _write_second(folder: Path, dataset: FileDataset) -> None:
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = synthetic_uid("second")
    dataset.InstanceNumber = SLICES + 1
    dataset.save_as(folder / "second.dcm", enforce_file_format=True)


def _two_series(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    write_synthetic_series(folder, "CT", SLICES - 2, series="two")


def _with_localizer(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    scout = synthetic_slice("CT", SLICES)
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    _write_second(folder, scout)


def _truncated(folder: Path) -> None:
    last = write_synthetic_series(folder, "CT", SLICES)[-1]
    last.write_bytes(last.read_bytes()[:-1000])


def _empty_file(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    (folder / "empty.dcm").touch()


def _with_structures(folder: Path) -> None:
    write_synthetic_series(folder, "CT", SLICES)
    structures = synthetic_slice("CT", SLICES)
    structures.SOPClassUID = structures.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.481.3")
    structures.Modality = "RTSTRUCT"
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(structures, keyword)
    _write_second(folder, structures)


def _enhanced(folder: Path) -> None:
    """Write one enhanced CT whose frames lie in another order than their places, with a slope for each."""
    folder.mkdir(parents=True, exist_ok=True)
    order = [number - 1 for number in SHUFFLED]
    slices = [synthetic_slice("CT", index) for index in order]
    dataset = slices[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(dataset, keyword)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2.1")
    dataset.NumberOfFrames = len(order)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    plane = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    measures = _item(PixelSpacing=[2.5, 2.5], SliceThickness=SPACING)
    kind = _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    dataset.SharedFunctionalGroupsSequence = [
        _item(PlaneOrientationSequence=[plane], PixelMeasuresSequence=[measures], CTImageFrameTypeSequence=[kind])
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=[-60, -50, SPACING * index])],
            PixelValueTransformationSequence=[
                _item(RescaleSlope=1 - index / 20, RescaleIntercept=10 * index, RescaleType="HU")
            ],
        )
        for index in order
    ]
    dataset.PixelData = b"".join(image.PixelData for image in slices)
    dataset.save_as(folder / "enhanced.dcm", enforce_file_format=True)


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


HOSTILE_SERIES = tuple(
    HostileSeries(*row)
    for row in (
        ("shuffled", "Instance Numbers in another order than the positions", _changed("CT", _shuffle)),
        ("no-numbers", "no Instance Numbers", _changed("CT", _no_number)),
        ("missing", "one slice missing in the middle", _missing),
        ("uneven", "distances of 3, 4.5 and 5 mm in one series", _changed("CT", _uneven)),
        ("tilted", "gantry tilt: every slice moved along its columns", _changed("CT", _tilt)),
        ("copy", "an exact copy of one slice under another identifier", _copied),
        ("collision", "two different slices at one position", _collided),
        ("orientations", "two orientations in one series", _changed("CT", _turn)),
        ("sizes", "two image sizes in one series", _changed("CT", _two_sizes)),
        ("two-series", "two series in one folder", _two_series),
        ("localizer", "a localizer among the slices", _with_localizer),
        ("structures", "an RT Structure Set among the slices", _with_structures),
        ("thickness", "Slice Thickness twice the distance between slices", _changed("CT", _thick)),
        ("pet-slopes", "PET with a slope for each slice, the first empty with slope 1", _changed("PT")),
        ("pet-late", "PET with a Series Time an hour after the acquisition", _changed("PT", _late)),
        ("pet-weight", "PET without Patient's Weight", _changed("PT", _without_weight)),
        ("monochrome1", "MR with small values shown bright (MONOCHROME1)", _changed("MR", _invert)),
        ("enhanced", "enhanced CT, frames in another order than their places, a rescale for each", _enhanced),
        ("truncated", "the last file cut off inside its pixels", _truncated),
        ("empty-file", "a file of zero bytes among the slices", _empty_file),
    )
)
"""Every kind, in the order of the documentation."""
