from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import SPACING, synthetic_slice, synthetic_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer

ORDER = (2, 0, 3, 1)  # frames do not lie in the order of their positions

MOVED_TO_FRAMES = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "KVP",
    "WindowCenter",
    "WindowWidth",
)


def group(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def enhanced_ct(path: Path, change: Callable[[FileDataset], None] | None = None) -> FileDataset:
    """Write an enhanced CT whose frames have places and rescales of their own."""
    slices = [synthetic_slice("CT", index) for index in ORDER]
    dataset = slices[0]
    for keyword in MOVED_TO_FRAMES:
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2.1")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = synthetic_uid("enhanced")
    dataset.NumberOfFrames = len(ORDER)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.SharedFunctionalGroupsSequence = [
        group(
            PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[group(PixelSpacing=[2.5, 2.5], SliceThickness="3")],
            CTImageFrameTypeSequence=[group(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        group(
            PlanePositionSequence=[group(ImagePositionPatient=[-60, -50, SPACING * index])],
            PixelValueTransformationSequence=[
                group(RescaleSlope="1", RescaleIntercept="0", RescaleType="HU"),
            ],
        )
        for index in ORDER
    ]
    dataset.PixelData = b"".join(image.PixelData for image in slices)
    if change is not None:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def test_each_frame_has_its_own_place_and_frames_are_seen_in_order(tmp_path: Path) -> None:
    enhanced_ct(tmp_path / "a.dcm")
    (series,) = group_series(scan(tmp_path).instances)
    assert series.volume.enhanced
    assert [image.frame for image in series.volume.slices] == [1, 3, 0, 2]
    assert [image.geometry.position[2] for image in series.volume.slices] == [0, SPACING, 2 * SPACING, 3 * SPACING]


def test_an_enhanced_image_is_written_back_frame_by_frame(tmp_path: Path, tiny: Restorer) -> None:
    source = enhanced_ct(tmp_path / "a.dcm")
    outcome = restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny)
    assert outcome.summary == "4 slices restored"
    (path,) = (tmp_path / "out").iterdir()
    image = pydicom.dcmread(path)
    assert image.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence == (
        source.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    )
    before, after = source.pixel_array, image.pixel_array
    outside = (before <= -160) | (before >= 240)
    np.testing.assert_array_equal(after[outside], before[outside])
    assert all((after[frame] != before[frame]).any() for frame in range(4))
    # Each restored frame is nearest to the frame that it says it was made from.
    for number, groups in enumerate(image.PerFrameFunctionalGroupsSequence, start=1):
        (derivation,) = groups.DerivationImageSequence
        (reference,) = derivation.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert reference.ReferencedFrameNumber == number
        distances = [np.abs(after[number - 1].astype(float) - frame).mean() for frame in before]
        assert int(np.argmin(distances)) == number - 1


def test_an_enhanced_image_says_that_it_is_derived_and_from_what(tmp_path: Path, tiny: Restorer) -> None:
    source = enhanced_ct(tmp_path / "a.dcm")
    restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny)
    image = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    assert image.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    shared = image.SharedFunctionalGroupsSequence[0]
    assert shared.CTImageFrameTypeSequence[0].FrameType[0] == "DERIVED"
    (evidence,) = image.SourceImageEvidenceSequence
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert image.SeriesInstanceUID != source.SeriesInstanceUID
    assert "DerivationDescription" not in image


def test_strength_zero_writes_the_stored_frames_of_the_source(tmp_path: Path, tiny: Restorer) -> None:
    source = enhanced_ct(tmp_path / "a.dcm")
    restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny, DicomOptions(strength=0))
    assert pydicom.dcmread(tmp_path / "out" / "0001.dcm").PixelData == source.PixelData


def drop_frame(dataset: FileDataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1]


def drop_position(dataset: FileDataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def turn_frame(dataset: FileDataset) -> None:
    turned = group(ImageOrientationPatient=[0, 1, 0, -1, 0, 0])
    dataset.PerFrameFunctionalGroupsSequence[1].PlaneOrientationSequence = [turned]


def mix_types(dataset: FileDataset) -> None:
    other = group(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
    dataset.PerFrameFunctionalGroupsSequence[1].CTImageFrameTypeSequence = [other]


def drop_hounsfield(dataset: FileDataset) -> None:
    for item in dataset.PerFrameFunctionalGroupsSequence:
        item.PixelValueTransformationSequence[0].RescaleType = "US"


def cut_pixels(dataset: FileDataset) -> None:
    dataset.PixelData = dataset.PixelData[:-500]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (drop_frame, ErrorCode.CORRUPT),
        (drop_position, ErrorCode.GEOMETRY),
        (turn_frame, ErrorCode.UNSUPPORTED),
        (mix_types, ErrorCode.UNSUPPORTED),
        (drop_hounsfield, ErrorCode.UNSUPPORTED),
        (cut_pixels, ErrorCode.TRUNCATED),
    ],
)
def test_frames_that_cannot_be_restored_together_are_refused(
    change: Callable[[FileDataset], None], code: ErrorCode, tmp_path: Path, identity: Restorer
) -> None:
    enhanced_ct(tmp_path / "a.dcm", change)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "a.dcm", tmp_path / "out", identity)
    assert caught.value.code is code
    assert not (tmp_path / "out").exists()
