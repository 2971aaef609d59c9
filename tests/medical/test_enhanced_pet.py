"""Enhanced PET, and classic series that were converted to legacy enhanced images: read, restored, judged by others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.grouping import Series, group_series
from datprl_toolkit.medical.inspection import inspect_dicom
from datprl_toolkit.medical.profiles import volume_suv_factors
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import SPACING, Modality, synthetic_slice, write_synthetic_series
from datprl_toolkit.medical.testing_enhanced import code, enhanced_pet, legacy_converted

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer

Errors = Callable[[Path], frozenset[str]]
MODALITIES: tuple[Modality, ...] = ("CT", "MR", "PT")
# 75 kg; 370 MBq of F-18 an hour before the time that the dose is decayed to.
SUV_FACTOR = 75_000 / (370e6 * 2 ** (-3600 / 6586.2))


def only_series(path: Path) -> Series:
    (series,) = group_series(scan(path).instances)
    return series


def test_the_unit_of_an_enhanced_pet_is_that_of_its_real_world_values(tmp_path: Path) -> None:
    enhanced_pet(tmp_path / "a.dcm")
    write_synthetic_series(tmp_path / "classic", "PT", 4)
    volume, classic = only_series(tmp_path / "a.dcm").volume, only_series(tmp_path / "classic").volume
    assert (volume.modality, volume.unit, volume.enhanced) == ("PT", "Bq/ml", True)
    for frame, image in zip(volume.slices, classic.slices, strict=True):
        np.testing.assert_allclose(frame.read(), image.read(), rtol=1e-9)


def test_the_dose_of_an_enhanced_pet_is_decayed_to_the_time_that_it_names(tmp_path: Path) -> None:
    enhanced_pet(tmp_path / "a.dcm")
    series = only_series(tmp_path / "a.dcm")
    assert volume_suv_factors(series.volume, series.earliest)["BW"] == pytest.approx(SUV_FACTOR)


@pytest.mark.parametrize("common_slope", [False, True])
def test_a_restored_enhanced_pet_keeps_suv_and_adds_no_error(
    common_slope: bool, tmp_path: Path, tiny: Restorer, dciodvfy_errors: Errors
) -> None:
    source = enhanced_pet(tmp_path / "a.dcm", common_slope=common_slope)
    assert restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny).warnings == ()
    path = tmp_path / "out" / "0001.dcm"
    assert dciodvfy_errors(tmp_path / "a.dcm") == dciodvfy_errors(path) == frozenset()
    before, after = only_series(tmp_path / "a.dcm"), only_series(tmp_path / "out")
    assert volume_suv_factors(after.volume, after.earliest) == volume_suv_factors(before.volume, before.earliest)
    assert (len({image.rescale for image in after.volume.slices}) == 1) is common_slope
    image = pydicom.dcmread(path)
    assert image.ImageType[:2] == ["DERIVED", "PRIMARY"]
    for number, groups in enumerate(image.PerFrameFunctionalGroupsSequence, start=1):
        reference = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert (reference.ReferencedSOPInstanceUID, reference.ReferencedFrameNumber) == (source.SOPInstanceUID, number)
        assert groups.PlanePositionSequence == source.PerFrameFunctionalGroupsSequence[number - 1].PlanePositionSequence


@pytest.mark.parametrize("common_slope", [False, True])
def test_every_map_of_a_frame_gives_what_it_gave_for_the_same_activity(
    common_slope: bool, tmp_path: Path, identity: Restorer
) -> None:
    enhanced_pet(tmp_path / "a.dcm", common_slope=common_slope)
    restore_dicom(tmp_path / "a.dcm", tmp_path / "out", identity, DicomOptions(strength=0))
    before, after = (only_series(path).volume.slices for path in (tmp_path / "a.dcm", tmp_path / "out"))
    for source, result in zip(before, after, strict=True):
        np.testing.assert_allclose(result.read(), source.read(), atol=0.501 * result.step)
    # Rescale says percent of something; it is another map of the same stored values.
    image = pydicom.dcmread(tmp_path / "out" / "0001.dcm")
    for groups in image.PerFrameFunctionalGroupsSequence:
        (rescale,), (activity,) = groups.PixelValueTransformationSequence, groups.RealWorldValueMappingSequence
        assert float(rescale.RescaleSlope) == pytest.approx(activity.RealWorldValueSlope / 300, rel=1e-6)
        assert (rescale.RescaleIntercept, activity.RealWorldValueIntercept) == (0, 0)
    shared = image.SharedFunctionalGroupsSequence[0]
    assert "RealWorldValueMappingSequence" not in shared
    assert "PixelValueTransformationSequence" not in shared


def test_simpleitk_reads_the_geometry_of_an_enhanced_pet(tmp_path: Path, tiny: Restorer) -> None:
    sitk = pytest.importorskip("SimpleITK")
    enhanced_pet(tmp_path / "a.dcm", common_slope=True)
    restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny)
    source, result = (sitk.ReadImage(str(path)) for path in (tmp_path / "a.dcm", tmp_path / "out" / "0001.dcm"))
    assert result.GetSize() == source.GetSize() == (48, 40, 4)
    for attribute in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(result, attribute)(), getattr(source, attribute)(), atol=1e-4)


def test_the_certificate_of_an_enhanced_pet_holds(tmp_path: Path, tiny: Restorer) -> None:
    enhanced_pet(tmp_path / "a.dcm")
    options = DicomOptions(uncertainty=tmp_path / "maps")
    restore_dicom(tmp_path / "a.dcm", tmp_path / "out", tiny, options)
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"deviation.dcm", "noise_ratio.dcm"}
    (part,) = make_report(tmp_path / "a.dcm", tmp_path / "out").parts
    assert {check.name for check in part.checks} >= {"SUV factor", "Times of decay correction"}
    assert [check.name for check in part.checks if not check.holds] == []


def in_suv(dataset: pydicom.FileDataset) -> None:
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        (mapping,) = groups.RealWorldValueMappingSequence
        mapping.MeasurementUnitsCodeSequence = [code("g/ml{SUVbw}", "UCUM", "SUV by body weight")]


def without_map(dataset: pydicom.FileDataset) -> None:
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        del groups.RealWorldValueMappingSequence


def without_decay_time(dataset: pydicom.FileDataset) -> None:
    del dataset.DecayCorrectionDateTime


def mixed_units(dataset: pydicom.FileDataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1].RealWorldValueMappingSequence


def rescaled_by_nothing(dataset: pydicom.FileDataset) -> None:
    without_map(dataset)
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        del groups.PixelValueTransformationSequence


@pytest.mark.parametrize(
    ("change", "unit", "warned"),
    [(in_suv, "SUV", False), (without_map, "1", True), (without_decay_time, "Bq/ml", True)],
)
def test_an_enhanced_pet_that_says_less_is_restored_with_a_warning(
    change: Callable[[pydicom.FileDataset], None], unit: str, warned: bool, tmp_path: Path, identity: Restorer
) -> None:
    dataset = enhanced_pet(tmp_path / "a.dcm")
    change(dataset)
    dataset.save_as(tmp_path / "a.dcm")
    outcome = restore_dicom(tmp_path / "a.dcm", tmp_path / "out", identity)
    assert [line.split(":")[0] for line in outcome.warnings] == ["W_NO_SUV"] * warned
    assert only_series(tmp_path / "out").volume.unit == unit


@pytest.mark.parametrize(
    ("change", "error"), [(mixed_units, ErrorCode.UNSUPPORTED), (rescaled_by_nothing, ErrorCode.QUANTITY)]
)
def test_frames_without_one_meaning_are_refused(
    change: Callable[[pydicom.FileDataset], None], error: ErrorCode, tmp_path: Path, identity: Restorer
) -> None:
    dataset = enhanced_pet(tmp_path / "a.dcm")
    change(dataset)
    dataset.save_as(tmp_path / "a.dcm")
    with pytest.raises(DatprlError) as caught:
        restore_dicom(tmp_path / "a.dcm", tmp_path / "out", identity)
    assert caught.value.code is error
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_legacy_converted_image_is_restored_as_its_classic_series(
    modality: Modality, tmp_path: Path, tiny: Restorer, dciodvfy_errors: Errors
) -> None:
    pytest.importorskip("highdicom")
    write_synthetic_series(tmp_path / "classic", modality, 4)
    legacy_converted(tmp_path / "a.dcm", modality, [synthetic_slice(modality, index) for index in range(4)])
    restore_dicom(tmp_path / "classic", tmp_path / "one", tiny)
    assert restore_dicom(tmp_path / "a.dcm", tmp_path / "two", tiny).warnings == ()
    assert dciodvfy_errors(tmp_path / "two" / "0001.dcm") <= dciodvfy_errors(tmp_path / "a.dcm")
    classic, legacy = only_series(tmp_path / "one"), only_series(tmp_path / "two")
    assert legacy.volume.unit == classic.volume.unit
    for one, two in zip(classic.volume.slices, legacy.volume.slices, strict=True):
        # Frames of activity wait as float32 for their slope, which may round a value to the step beside it.
        np.testing.assert_allclose(two.read(), one.read(), atol=1.001 * one.step * (modality == "PT"))
        assert two.geometry == one.geometry
    if modality == "PT":
        factors = [volume_suv_factors(each.volume, each.earliest) for each in (classic, legacy)]
        assert factors[0] == factors[1] != {}


def test_the_thickness_of_an_enhanced_image_is_told(tmp_path: Path) -> None:
    enhanced_pet(tmp_path / "a.dcm")
    (found,) = inspect_dicom(tmp_path / "a.dcm").items
    facts = {fact.key: fact.value for fact in found.facts}
    assert facts["slice_thickness_mm"] == SPACING
