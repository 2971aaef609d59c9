"""Maps of uncertainty are valid Parametric Maps in the places of the slices, and hold what was estimated."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.medical import DicomOptions, restore_dicom, uncertainty
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.profiles import choose_profile
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.testing import Modality, synthetic_slice, write_synthetic_series
from datprl_toolkit.restoring.uncertainty import UncertaintyEstimator

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring import Restorer

MODALITIES: tuple[Modality, ...] = ("CT", "MR", "PT")
UNITS = {"CT": "[hnsf'U]", "MR": "1", "PT": "Bq/ml"}
NAMES = ["deviation.dcm", "noise_ratio.dcm"]
Errors = Callable[[Path], frozenset[str]]


def maps_of(source: Path, output: Path, restorer: Restorer, **more: object) -> list[Path]:
    options = DicomOptions(uncertainty=output / "maps", **more)  # type: ignore[arg-type]
    restore_dicom(source, output / "series", restorer, options)
    return sorted((output / "maps").iterdir())


def places(dataset: FileDataset) -> np.ndarray:
    frames = dataset.PerFrameFunctionalGroupsSequence
    return np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], dtype=float)


def by_place(dataset: FileDataset) -> np.ndarray:
    """Return the frames in the order of their positions, (N, rows, columns)."""
    frames: np.ndarray = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    return frames[np.argsort(places(dataset)[:, 2])]


@pytest.mark.parametrize("modality", MODALITIES)
def test_they_are_valid_and_consistent_with_the_study(
    modality: Modality, tmp_path: Path, tiny: Restorer, dciodvfy_errors: Errors, tool: Callable[[str], str]
) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    maps = maps_of(tmp_path / "in", tmp_path, tiny)
    assert [path.name for path in maps] == NAMES
    for path in maps:
        assert dciodvfy_errors(path) == frozenset()
    files = [*paths, *maps, *(tmp_path / "series").iterdir()]
    result = subprocess.run([tool("dcentvfy"), *map(str, files)], capture_output=True, text=True, check=False)
    assert result.stdout + result.stderr == ""


@pytest.mark.parametrize("modality", MODALITIES)
def test_others_read_the_estimated_values_at_the_places_of_the_slices(
    modality: Modality, tmp_path: Path, tiny: Restorer
) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    maps = maps_of(tmp_path / "in", tmp_path, tiny)
    volume = open_volume(tmp_path / "in").volume
    profile, _ = choose_profile(survey(volume))
    values = np.stack([image.read() for image in volume.slices])
    expected = UncertaintyEstimator.of_volume(lambda i: values[i], len(values), tiny, profile).maps(values)
    padding = np.stack([image.pixel_format.padding_mask(image.read_stored()) for image in volume.slices])
    sources = [pydicom.dcmread(path) for path in paths]
    for path, field in zip(maps, ("deviation", "noise_ratio"), strict=True):
        dataset = pydicom.dcmread(path)
        wanted = np.where(padding, 0, getattr(expected, field))
        assert float(wanted.max()) > 0
        # highdicom sorts the frames its own way; what counts is what lies where.
        order = np.argsort(places(dataset)[:, 2])
        np.testing.assert_allclose(dataset.pixel_array[order], wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(places(dataset)[order], [s.ImagePositionPatient for s in sources], atol=1e-4)
        assert dataset.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
        assert dataset.StudyInstanceUID == sources[0].StudyInstanceUID
        shared = dataset.SharedFunctionalGroupsSequence[0]
        assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == sources[0].ImageOrientationPatient
        assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == sources[0].PixelSpacing
        real = shared.RealWorldValueMappingSequence[0]
        unit = real.MeasurementUnitsCodeSequence[0].CodeValue
        assert unit == (UNITS[modality] if field == "deviation" else "1")
        geometry = highdicom.imread(path).get_volume_geometry()
        assert geometry is not None
        np.testing.assert_allclose(geometry.spacing, (3.0, 2.5, 2.5), atol=1e-4)


def test_they_are_one_series_of_their_own_that_is_the_same_again(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT")
    first, second = (
        [pydicom.dcmread(path) for path in maps_of(tmp_path / "in", tmp_path / name, tiny)] for name in ("a", "b")
    )
    restored = pydicom.dcmread(next((tmp_path / "a" / "series").iterdir()))
    assert len({dataset.SeriesInstanceUID for dataset in (*first, *second)}) == 1
    assert len({first[0].SeriesInstanceUID, restored.SeriesInstanceUID}) == 2
    assert [dataset.SOPInstanceUID for dataset in first] == [dataset.SOPInstanceUID for dataset in second]
    assert len({dataset.SOPInstanceUID for dataset in first}) == 2
    assert {int(dataset.SeriesNumber) for dataset in first} == {int(restored.SeriesNumber) + 1}
    assert "Not for diagnostic use" in first[0].DerivationDescription


def enhanced_ct(path: Path, order: tuple[int, ...]) -> None:
    """Write an enhanced CT whose frames do not lie in the order of their positions."""

    def group(**attributes: object) -> Dataset:
        item = Dataset()
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
        return item

    slices = [synthetic_slice("CT", index) for index in order]
    dataset = slices[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2.1")
    dataset.NumberOfFrames = len(order)
    dataset.SharedFunctionalGroupsSequence = [
        group(
            PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[group(PixelSpacing=[2.5, 2.5], SliceThickness="3")],
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        group(
            PlanePositionSequence=[group(ImagePositionPatient=[-60, -50, 3 * index])],
            PixelValueTransformationSequence=[group(RescaleSlope="1", RescaleIntercept="0", RescaleType="HU")],
            CTImageFrameTypeSequence=[group(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        )
        for index in order
    ]
    dataset.PixelData = b"".join(image.PixelData for image in slices)
    dataset.save_as(path, enforce_file_format=True)


def test_frames_of_an_enhanced_image_are_mapped_at_their_places(tmp_path: Path, tiny: Restorer) -> None:
    (tmp_path / "in").mkdir()
    enhanced_ct(tmp_path / "in" / "image.dcm", (2, 0, 3, 1))
    write_synthetic_series(tmp_path / "classic", "CT", 4)
    of_frames = [pydicom.dcmread(path) for path in maps_of(tmp_path / "in", tmp_path / "a", tiny)]
    of_slices = [pydicom.dcmread(path) for path in maps_of(tmp_path / "classic", tmp_path / "b", tiny)]
    for one, other in zip(of_frames, of_slices, strict=True):
        mine, theirs = (np.argsort(places(dataset)[:, 2]) for dataset in (one, other))
        np.testing.assert_allclose(places(one)[mine], [[-60, -50, 3 * index] for index in range(4)])
        np.testing.assert_allclose(one.pixel_array[mine], other.pixel_array[theirs], rtol=1e-4, atol=1e-3)


def test_every_series_gets_maps_of_its_own(tmp_path: Path, tiny: Restorer) -> None:
    for modality in ("CT", "MR"):
        write_synthetic_series(tmp_path / "in" / modality, modality)
    folders = maps_of(tmp_path / "in", tmp_path, tiny, all_series=True)
    assert [folder.name for folder in folders] == sorted(path.name for path in (tmp_path / "series").iterdir())
    assert all(sorted(path.name for path in folder.iterdir()) == NAMES for folder in folders)


def test_a_header_that_highdicom_cannot_use_is_one_line_and_leaves_nothing(tmp_path: Path, tiny: Restorer) -> None:
    def drop(dataset: FileDataset, index: int) -> None:
        del dataset.FrameOfReferenceUID

    write_synthetic_series(tmp_path / "in", "CT", 2, change=drop)
    with pytest.raises(DatprlError) as caught:
        maps_of(tmp_path / "in", tmp_path, tiny)
    assert caught.value.code is ErrorCode.CORRUPT
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_an_output_that_exists_or_lies_in_the_way_is_refused_before_any_work(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 2)
    (tmp_path / "there").mkdir()
    cases = {
        "there": ErrorCode.EXISTS,
        "in": ErrorCode.OPTION,
        "in/maps": ErrorCode.OPTION,
        "out": ErrorCode.OPTION,
    }
    for name, code in cases.items():
        options = RestoreOptions(uncertainty=tmp_path / name)
        with pytest.raises(DatprlError) as caught:
            restore(tmp_path / "in", tmp_path / "out", tiny, options)
        assert caught.value.code is code, name
    assert not (tmp_path / "out").exists()


def test_the_option_is_refused_where_there_is_nothing_to_map(tmp_path: Path, tiny: Restorer) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DatprlError) as caught:
        restore(tmp_path / "photo.png", tmp_path / "out.png", tiny, RestoreOptions(uncertainty=tmp_path / "maps"))
    assert caught.value.code is ErrorCode.OPTION


def test_a_long_series_is_mapped_in_files_of_few_slices_that_say_the_same(
    tmp_path: Path, tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 5)
    whole = {path.stem: pydicom.dcmread(path) for path in maps_of(tmp_path / "in", tmp_path / "whole", tiny)}
    monkeypatch.setattr(uncertainty, "PART_PIXELS", 2 * 40 * 48)
    parts = [pydicom.dcmread(path) for path in maps_of(tmp_path / "in", tmp_path / "parts", tiny)]
    assert len(parts) == 6
    assert len({dataset.SOPInstanceUID for dataset in parts}) == 6
    assert sorted(int(dataset.InstanceNumber) for dataset in parts) == [1, 2, 3, 4, 5, 6]
    assert {dataset.SeriesInstanceUID for dataset in parts} == {each.SeriesInstanceUID for each in whole.values()}
    for kind in ("DEVIATION", "NOISE_RATIO"):
        joined = np.concatenate([by_place(each) for each in parts if each.ContentLabel == kind])
        (expected,) = (by_place(each) for each in whole.values() if each.ContentLabel == kind)
        np.testing.assert_array_equal(joined, expected)


def test_maps_of_a_nifti_lie_where_its_voxels_lie_and_hold_what_those_of_the_series_hold(
    tmp_path: Path, tiny: Restorer
) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 4)
    dicom = {path.stem: pydicom.dcmread(path) for path in maps_of(tmp_path / "in", tmp_path / "dicom", tiny)}
    restore(tmp_path / "in", tmp_path / "one.nii.gz", tiny, RestoreOptions(uncertainty=tmp_path / "maps"))
    restored: Any = nibabel.load(tmp_path / "one.nii.gz")
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["deviation.nii.gz", "noise_ratio.nii.gz"]
    for name in ("deviation", "noise_ratio"):
        image: Any = nibabel.load(tmp_path / "maps" / f"{name}.nii.gz")
        assert image.header.get_data_dtype() == np.float32
        np.testing.assert_array_equal(image.affine, restored.affine)
        slices = np.asarray(image.dataobj)[:, ::-1].T
        np.testing.assert_allclose(slices, by_place(dicom[name]), atol=1e-6)
    options = RestoreOptions(quantity="hu", uncertainty=tmp_path / "again")
    restore(tmp_path / "one.nii.gz", tmp_path / "two.nii", tiny, options)
    maps: Any = nibabel.load(tmp_path / "again" / "deviation.nii.gz")
    assert maps.shape == restored.shape
    assert np.asarray(maps.dataobj).max() > 0
