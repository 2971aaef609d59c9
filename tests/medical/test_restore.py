from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

from datprl_toolkit.errors import DatprlError, ErrorCode, OutputError
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.inspection import inspect_dicom
from datprl_toolkit.medical.quantity import suv_factor
from datprl_toolkit.medical.testing import CT_PADDING, Modality, synthetic_slice, write_synthetic_series
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.weights import TaskCard

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring import Progress, Restorer

MODALITIES: tuple[Modality, ...] = ("CT", "MR", "PT")


def by_source(folder: Path) -> dict[str, FileDataset]:
    """Return restored images by the identifier of the image they were made from."""
    images = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return {image.SourceImageSequence[0].ReferencedSOPInstanceUID: image for image in images}


def sources(paths: list[Path]) -> dict[str, FileDataset]:
    images = [pydicom.dcmread(path) for path in paths]
    return {image.SOPInstanceUID: image for image in images}


def physical(image: FileDataset) -> np.ndarray:
    slope, intercept = float(image.get("RescaleSlope", 1)), float(image.get("RescaleIntercept", 0))
    return image.pixel_array * slope + intercept


def codes(lines: tuple[str, ...]) -> list[str]:
    return [line.split(":")[0] for line in lines]


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_series_becomes_a_series_slice_for_slice(modality: Modality, tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    assert outcome.output == tmp_path / "out"
    assert outcome.summary == "6 slices restored"
    assert outcome.warnings == ()
    before, after = sources(paths), by_source(tmp_path / "out")
    assert after.keys() == before.keys()
    assert len({image.SeriesInstanceUID for image in after.values()}) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{n:04d}.dcm" for n in range(1, 7)]
    assert any((physical(after[uid]) != physical(before[uid])).any() for uid in before)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_strength_zero_writes_the_stored_pixels_of_the_source(
    modality: Modality, tmp_path: Path, tiny: Restorer
) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(strength=0))
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        assert after[uid].PixelData == image.PixelData


def test_strength_zero_keeps_activity_within_half_a_slope(tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "PT")
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(strength=0))
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        limit = 0.5001 * float(after[uid].RescaleSlope)
        assert np.abs(physical(after[uid]) - physical(image)).max() <= limit


def test_a_slice_without_activity_stays_without_and_its_slope_is_that_of_the_others(
    tmp_path: Path, tiny: Restorer
) -> None:
    def without_activity(dataset: FileDataset, index: int) -> None:
        if index == 2:
            dataset.PixelData = bytes(len(dataset.PixelData))

    write_synthetic_series(tmp_path / "in", "PT", 5, change=without_activity)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    after = [pydicom.dcmread(path) for path in sorted((tmp_path / "out").iterdir())]
    active = [image for image in after if image.pixel_array.any()]
    assert 0 < len(active) <= 4
    usual = float(np.median([float(image.RescaleSlope) for image in active]))
    assert all(float(image.RescaleSlope) == pytest.approx(usual) for image in after if image not in active)


def test_hounsfield_units_outside_the_window_and_padding_stay_bit_identical(tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "CT")
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        stored = image.pixel_array
        outside = (stored <= -160) | (stored >= 240)
        assert (stored == CT_PADDING).any()
        assert (stored == 700).any()
        np.testing.assert_array_equal(after[uid].pixel_array[outside], stored[outside])
        assert (after[uid].pixel_array[~outside] != stored[~outside]).any()


def test_padding_inside_the_window_is_never_restored(tmp_path: Path, tiny: Restorer) -> None:
    def pad_with_zero(dataset: FileDataset, index: int) -> None:
        dataset.add_new("PixelPaddingValue", "SS", 0)
        stored = dataset.pixel_array.copy()
        stored[:10] = 0
        dataset.PixelData = stored.tobytes()

    paths = write_synthetic_series(tmp_path / "in", "CT", 2, change=pad_with_zero)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        np.testing.assert_array_equal(after[uid].pixel_array == 0, image.pixel_array == 0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_names_and_numbers_of_the_files_do_not_change_the_result(
    modality: Modality, tmp_path: Path, tiny: Restorer
) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    (tmp_path / "shuffled").mkdir()
    for place, path in enumerate(paths):
        image = pydicom.dcmread(path)
        image.InstanceNumber = [4, 1, 6, 2, 5, 3][place]
        image.save_as(tmp_path / "shuffled" / f"{hashlib.md5(bytes([place])).hexdigest()}.ima")
    restore_dicom(tmp_path / "in", tmp_path / "one", tiny)
    restore_dicom(tmp_path / "shuffled", tmp_path / "two", tiny)
    one, two = by_source(tmp_path / "one"), by_source(tmp_path / "two")
    assert one.keys() == two.keys()
    for uid, image in one.items():
        assert image.PixelData == two[uid].PixelData
        assert image.SOPInstanceUID == two[uid].SOPInstanceUID


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_batch_size_does_not_change_the_result(modality: Modality, tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "in", modality)
    for size in (1, 4):
        restore_dicom(tmp_path / "in", tmp_path / str(size), tiny_restorer(batch_size=size))
    one, four = by_source(tmp_path / "1"), by_source(tmp_path / "4")
    for uid, image in one.items():
        np.testing.assert_allclose(physical(image), physical(four[uid]), rtol=1e-5, atol=1.0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_header_keeps_what_holds_and_says_what_is_new(modality: Modality, tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", modality)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(strength=0.5))
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        new = after[uid]
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient",
                        "PixelSpacing", "SliceThickness", "InstanceNumber", "SeriesDate", "SeriesTime",
                        "AcquisitionTime", "PatientID", "SOPClassUID", "Modality", "BitsStored"):  # fmt: skip
            assert new.get(keyword) == image.get(keyword), keyword
        assert new.ImageType == ["DERIVED", *image.ImageType[1:]]
        assert new.SeriesNumber == 9003
        assert new.SeriesDescription == f"{modality} one DATPRL"
        assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID != uid
        assert new.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert "strength 0.5" in new.DerivationDescription
        assert tiny.card.sha256 in new.DerivationDescription
        assert new.ContributingEquipmentSequence[-1].Manufacturer == "datprl-toolkit"
        assert new.SourceImageSequence[0].SpatialLocationsPreserved == "YES"
        assert new.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        assert str(tmp_path) not in str(new)


def test_the_suv_factor_is_the_same_before_and_after(tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "PT")
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        assert suv_factor(after[uid]) == suv_factor(image)


def test_a_pet_whose_first_slice_is_empty_is_right_in_readers_that_use_one_slope(
    tmp_path: Path, identity: Restorer
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    paths = write_synthetic_series(tmp_path / "in", "PT")
    restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "out")))
    volume = sitk.GetArrayFromImage(reader.Execute()).astype(np.float64)
    truth = np.stack([physical(pydicom.dcmread(path)) for path in paths])
    assert volume[0].max() == 0
    assert volume.max() == pytest.approx(truth.max(), rel=1e-3)
    slopes = [float(pydicom.dcmread(path).RescaleSlope) for path in sorted((tmp_path / "out").iterdir())]
    assert slopes[0] == pytest.approx(np.median(slopes[1:]), rel=1e-9)


@pytest.mark.parametrize("modality", MODALITIES)
def test_under_one_source_date_epoch_equal_runs_write_equal_bytes(
    modality: Modality, tmp_path: Path, dimmer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_synthetic_series(tmp_path / "in", modality, 3)
    contents = []
    for name in ("one", "two"):
        restore_dicom(tmp_path / "in", tmp_path / name, dimmer)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert pydicom.dcmread(tmp_path / "one" / "0001.dcm").InstanceCreationDate == "20231114"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(DatprlError, match="E_OPTION"):
        restore_dicom(tmp_path / "in", tmp_path / "three", dimmer)
    assert not (tmp_path / "three").exists()


def test_what_describes_the_old_pixels_is_gone(tmp_path: Path, tiny: Restorer) -> None:
    def add_stale(dataset: FileDataset, index: int) -> None:
        dataset.add_new("SmallestImagePixelValue", "SS", 0)
        dataset.add_new("LargestImagePixelValue", "SS", 5)
        dataset.private_block(0x0029, "SECRET", create=True).add_new(0x01, "LO", "secret")
        dataset.WindowCenter, dataset.WindowWidth = "20000", "40000"

    paths = write_synthetic_series(tmp_path / "in", "PT", change=add_stale)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    for image in by_source(tmp_path / "out").values():
        assert "SmallestImagePixelValue" not in image
        assert "LargestImagePixelValue" not in image
        assert "secret" not in str(image)
        assert (image.WindowCenter, image.WindowWidth) == (20000, 40000)
    assert "SmallestImagePixelValue" in pydicom.dcmread(paths[0])


def test_lossy_compression_of_the_source_is_never_unsaid(tmp_path: Path, tiny: Restorer) -> None:
    source = get_testdata_file("693_J2KI.dcm", download=False)
    restore_dicom(Path(str(source)), tmp_path / "out", tiny)
    (image,) = by_source(tmp_path / "out").values()
    assert image.LossyImageCompression == "01"
    assert image.LossyImageCompressionMethod == "ISO_15444_1"
    assert image.LossyImageCompressionRatio > 1


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm"])
def test_every_encoding_of_an_image_gives_the_same_restored_image(name: str, tmp_path: Path, tiny: Restorer) -> None:
    results = []
    for each in ("MR_small.dcm", name):
        restore_dicom(Path(str(get_testdata_file(each, download=False))), tmp_path / each, tiny)
        (image,) = by_source(tmp_path / each).values()
        results.append(image.pixel_array)
    np.testing.assert_array_equal(results[0], results[1])


def test_an_inverted_mr_keeps_its_polarity_and_is_restored_as_it_looks(tmp_path: Path, tiny: Restorer) -> None:
    def invert(dataset: FileDataset, index: int) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelData = (4095 - dataset.pixel_array).astype("<u2").tobytes()

    paths = write_synthetic_series(tmp_path / "in", "MR", change=invert)
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    assert codes(outcome.warnings) == ["W_MONOCHROME1"]
    after = by_source(tmp_path / "out")
    for uid, image in sources(paths).items():
        assert after[uid].PhotometricInterpretation == "MONOCHROME1"
        correlation = np.corrcoef(after[uid].pixel_array.ravel(), image.pixel_array.ravel())[0, 1]
        assert correlation > 0.5


def test_neither_a_message_nor_a_folder_names_the_patient(tmp_path: Path, tiny: Restorer) -> None:
    def identify(dataset: FileDataset, index: int) -> None:
        dataset.PatientName, dataset.PatientID = "Quixote^Alonso", "LM-1605-XX"
        dataset.SeriesDescription = "Chest QUIXOTE"

    for series in ("one", "two"):
        write_synthetic_series(tmp_path / "in" / series, "CT", 2, series=series, change=identify)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    assert caught.value.code is ErrorCode.AMBIGUOUS
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(all_series=True))
    told = str(caught.value) + " ".join(path.name for path in (tmp_path / "out").iterdir())
    assert "quixote" not in told.casefold()


def test_restoring_a_result_again_warns_as_inspecting_does(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 2)
    assert restore_dicom(tmp_path / "in", tmp_path / "once", tiny).warnings == ()
    assert codes(restore_dicom(tmp_path / "once", tmp_path / "twice", tiny).warnings) == ["W_RESTORED"]


@pytest.mark.parametrize("series_time", ["", "140000"])
def test_a_time_that_stands_in_for_series_time_is_told_as_by_inspecting(
    series_time: str, tmp_path: Path, tiny: Restorer
) -> None:
    write_synthetic_series(
        tmp_path / "in", "PT", 3, change=lambda dataset, _: setattr(dataset, "SeriesTime", series_time)
    )
    (item,) = inspect_dicom(tmp_path / "in").items
    inspected = [f"{found.code}: {found.text}" for found in item.problems if found.code == "W_SERIES_TIME"]
    assert list(restore_dicom(tmp_path / "in", tmp_path / "out", tiny).warnings) == inspected
    assert len(inspected) == 1


def test_several_series_are_listed_and_one_is_chosen_by_its_number_or_identifier(
    tmp_path: Path, identity: Restorer
) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 2)
    write_synthetic_series(tmp_path / "in", "PT", 3)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    assert caught.value.code is ErrorCode.AMBIGUOUS
    for word in ("CT 'CT one', 2 slices", "PT 'PT one', 3 slices", "--series", "--all-series"):
        assert word in str(caught.value)
    assert not (tmp_path / "out").exists()
    uid = synthetic_slice("PT", 0).SeriesInstanceUID
    restore_dicom(tmp_path / "in", tmp_path / "out", identity, DicomOptions(series=uid))
    assert len(list((tmp_path / "out").iterdir())) == 3
    number = "1" if "1: CT" in str(caught.value) else "2"
    restore_dicom(tmp_path / "in", tmp_path / "out", identity, DicomOptions(series=number, overwrite=True))
    assert len(list((tmp_path / "out").iterdir())) == 2
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "other", identity, DicomOptions(series="7"))
    assert caught.value.code is ErrorCode.OPTION


def test_all_series_go_into_a_folder_each_with_numbers_of_their_own(tmp_path: Path, identity: Restorer) -> None:
    for modality in MODALITIES:
        write_synthetic_series(tmp_path / "in", modality, 2)
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", identity, DicomOptions(all_series=True))
    folders = sorted((tmp_path / "out").iterdir())
    assert [len(list(folder.iterdir())) for folder in folders] == [2, 2, 2]
    numbers = {pydicom.dcmread(next(folder.iterdir())).SeriesNumber for folder in folders}
    assert numbers == {9003, 9004, 9005}
    assert outcome.summary == "6 slices restored in 3 series"


def test_a_series_that_cannot_be_restored_is_left_out_of_all_as_a_whole(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 2)

    def collide(dataset: FileDataset, index: int) -> None:
        dataset.ImagePositionPatient = [0.0, 0.0, 0.0]

    write_synthetic_series(tmp_path / "in", "MR", 2, change=collide)
    options = DicomOptions(all_series=True)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", identity, options)
    assert caught.value.code is ErrorCode.DUPLICATE
    skipping = dataclasses.replace(options, on_error="skip")
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", identity, skipping)
    assert codes(outcome.warnings) == ["W_SKIPPED_SERIES"]
    assert [folder.name[3:5] for folder in (tmp_path / "out").iterdir()] == ["CT"]


@pytest.mark.parametrize(("modality", "prefix"), [("CT", "ct"), ("MR", "mri"), ("PT", "pet")])
def test_weights_that_were_not_trained_for_a_modality_are_refused(
    modality: Modality, prefix: str, tmp_path: Path
) -> None:
    restorer = tiny_restorer()
    others = tuple(task for task in restorer.card.tasks if task.name.split("_")[0] != prefix)
    restorer.card = dataclasses.replace(restorer.card, tasks=others)
    write_synthetic_series(tmp_path / "in", modality, 2)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", restorer)
    assert caught.value.code is ErrorCode.WEIGHTS_TASK
    assert not (tmp_path / "out").exists()
    assert all(isinstance(task, TaskCard) for task in others)


def test_a_truncated_slice_stops_the_job_or_is_left_out_with_a_word(tmp_path: Path, identity: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "MR")
    paths[2].write_bytes(paths[2].read_bytes()[:-1000])
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    assert caught.value.code is ErrorCode.TRUNCATED
    assert paths[2].name in str(caught.value)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", identity, DicomOptions(on_error="skip"))
    assert len(list((tmp_path / "out").iterdir())) == 5
    assert codes(outcome.warnings) == ["W_SKIPPED_SLICE"]


def test_a_broken_header_stops_the_job_only_where_it_may_belong_to_the_series(
    tmp_path: Path, identity: Restorer
) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 3)
    write_synthetic_series(tmp_path / "in", "MR", 1, change=lambda d, _: delattr(d, "PixelSpacing"))
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    assert codes(outcome.warnings) == ["W_SKIPPED_FILE"]
    assert "E_GEOMETRY" in outcome.warnings[0]
    write_synthetic_series(tmp_path / "in", "CT", 1, change=lambda d, _: delattr(d, "PixelSpacing"))
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "other", identity)
    assert caught.value.code is ErrorCode.GEOMETRY


def test_an_existing_output_is_replaced_as_a_whole_and_only_when_asked(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.dcm").touch()
    with pytest.raises(OutputError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    assert caught.value.code is ErrorCode.EXISTS
    restore_dicom(tmp_path / "in", tmp_path / "out", identity, DicomOptions(overwrite=True))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.dcm", "0002.dcm"]


@pytest.mark.parametrize("place", [".", "in"])
def test_the_originals_cannot_be_replaced(place: str, tmp_path: Path, identity: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "MR", 2)
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "in", tmp_path / place, identity, DicomOptions(overwrite=True))
    assert caught.value.code is ErrorCode.OPTION
    assert all(path.exists() for path in paths)


def test_a_cancelled_job_leaves_nothing_behind(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "PT")

    def cancel(progress: Progress) -> None:
        if progress.step == "restoring" and progress.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore_dicom(tmp_path / "in", tmp_path / "out", identity, progress=cancel)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_a_job_that_is_killed_leaves_nothing_that_looks_like_a_result(tmp_path: Path, dimmer: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 6)

    def die(progress: Progress) -> None:
        if progress.step == "restoring" and progress.done == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        restore_dicom(tmp_path / "in", tmp_path / "out", dimmer, progress=die)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert {path.parent for path in tmp_path.rglob("*.dcm")} == {tmp_path / "in"}
    restore_dicom(tmp_path / "in", tmp_path / "out", dimmer)
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 6


def test_progress_counts_every_slice_of_every_step(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR")
    told: list[Progress] = []
    restore_dicom(tmp_path / "in", tmp_path / "out", identity, progress=told.append)
    assert [step.done for step in told if step.step == "reading"] == [1, 2, 3, 4, 5, 6]
    assert [step.done for step in told if step.step == "restoring"] == [1, 2, 3, 4, 5, 6]
    assert {step.unit for step in told} == {"slices"}


def test_a_pet_is_shown_at_its_middle_and_at_its_hottest_slice(tmp_path: Path, tiny: Restorer) -> None:
    paths = write_synthetic_series(tmp_path / "in", "PT")
    outcome = restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    middle, hottest = outcome.comparisons
    assert (middle.title, hottest.title) == ("slice 4 of 6", "hottest slice 6 of 6")
    np.testing.assert_allclose(hottest.before, physical(pydicom.dcmread(paths[5])), rtol=1e-6)
    restored = physical(pydicom.dcmread(tmp_path / "out" / "0006.dcm"))
    np.testing.assert_allclose(hottest.after, restored, rtol=1e-6, atol=1e-3)
    assert hottest.unit == "Bq/ml"


def test_a_folder_without_images_says_what_it_holds(tmp_path: Path, identity: Restorer) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(str(get_testdata_file("rtstruct.dcm", download=False)), tmp_path / "in")
    with pytest.raises(DatprlError, match="RT Structure Set Storage") as caught:
        restore_dicom(tmp_path / "in", tmp_path / "out", identity)
    assert caught.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize("options", [{"strength": 2.0}, {"private": "all"}, {"all_series": True, "series": "1"}])
def test_options_that_cannot_be_used_are_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(DatprlError) as caught:
        DicomOptions(**options)  # type: ignore[arg-type]
    assert caught.value.code is ErrorCode.OPTION
