"""Real series and every odd file that breaks other readers, where the data stand beside the repository."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.profiles import volume_suv_factor
from datprl_toolkit.medical.reading import scan

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer

pytestmark = pytest.mark.shared

Errors = Callable[[Path], frozenset[str]]
SERIES = {
    "ct/train/acrin042_ct": 64,
    "pet/train/acrin042_pet_ac": 135,
    "mri/train/ge_sag_t1": 13,
    "mri/train/mprage_triotim": 128,
    "mri/train/siemens_fl2d_sag": 10,
}
# What is refused, and how; every other file of the folder is restored or of a kind that is never restored.
REFUSED = {
    "extra_eCT_Supplemental.dcm": ErrorCode.UNSUPPORTED,  # blood flow, not Hounsfield units
    "fo_GH1146.dcm": ErrorCode.TRUNCATED,
    "pd_MR_truncated.dcm": ErrorCode.TRUNCATED,
    "pd_IM000000": ErrorCode.TRUNCATED,
    "rtf_MR4_JPLY": ErrorCode.CORRUPT,  # 12-bit lossy JPEG that no plug-in decodes
    "pdd_emri_small.dcm": ErrorCode.CORRUPT,  # enhanced without functional groups
    "fo_GH340.dcm": ErrorCode.UNKNOWN_FORMAT,
}
FORMAT_FOLDER = "dicom_format/files"


def subset(source: Path, target: Path, count: int) -> Path:
    """Copy some slices of a series, spread over it."""
    target.mkdir()
    paths = sorted(source.glob("*.dcm"))
    for index in np.linspace(0, len(paths) - 1, count).astype(int):
        shutil.copy(paths[index], target)
    return target


def refusal(path: Path, output: Path, restorer: Restorer) -> ErrorCode | None:
    """Return the code with which a file is refused, or None if it is restored."""
    try:
        restore_dicom(path, output, restorer, DicomOptions(overwrite=True))
    except DatprlError as error:
        return error.code
    return None


@pytest.mark.parametrize("name", SERIES)
def test_a_real_series_is_one_even_stack(name: str, shared_data: Path) -> None:
    (series,) = group_series(scan(shared_data / name).instances)
    assert len(series.volume.slices) == SERIES[name]
    assert series.error is None
    assert series.warnings == ()


@pytest.mark.parametrize("name", SERIES)
def test_a_real_series_is_restored_without_a_new_error(
    name: str, shared_data: Path, tmp_path: Path, dimmer: Restorer, dciodvfy_errors: Errors
) -> None:
    source = subset(shared_data / name, tmp_path / "in", 6)
    restore_dicom(source, tmp_path / "out", dimmer)
    originals = {pydicom.dcmread(path).SOPInstanceUID: path for path in source.iterdir()}
    restored = sorted((tmp_path / "out").iterdir())
    assert len(restored) == 6
    for path in restored:
        reference = pydicom.dcmread(path).SourceImageSequence[0].ReferencedSOPInstanceUID
        assert dciodvfy_errors(path) <= dciodvfy_errors(originals[reference])


@pytest.mark.parametrize("name", SERIES)
def test_simpleitk_reads_the_geometry_and_values_of_a_real_series(
    name: str, shared_data: Path, tmp_path: Path, dimmer: Restorer
) -> None:
    sitk = pytest.importorskip("SimpleITK")
    (tmp_path / "in").mkdir()
    for path in sorted((shared_data / name).glob("*.dcm"))[:10]:
        shutil.copy(path, tmp_path / "in")
    restore_dicom(tmp_path / "in", tmp_path / "out", dimmer, DicomOptions(strength=0))
    (series,) = group_series(scan(tmp_path / "in").instances)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "out")))
    image = reader.Execute()
    slices = series.volume.slices
    # ITK may run through the stack from the other end; the place of each slice is the same.
    places = [image.TransformIndexToPhysicalPoint((0, 0, index)) for index in range(len(slices))]
    ours = [slices[index].geometry.position for index in range(len(slices))]
    if np.abs(np.array(places[0]) - ours[0]).max() > 1:
        slices = slices[::-1]
    ours = [each.geometry.position for each in slices]
    np.testing.assert_allclose(places, ours, atol=2e-2)  # ITK spreads the rounding of the table evenly
    np.testing.assert_allclose(image.GetSpacing()[:2][::-1], slices[0].geometry.spacing, atol=1e-4)
    values = sitk.GetArrayFromImage(image)
    middle = len(slices) // 2
    tolerance = 0.51 * max(float(each.read().max()) for each in slices) / 32767 if "pet" in name else 0
    np.testing.assert_allclose(values[middle], slices[middle].read(), atol=tolerance)


def test_the_suv_factor_of_the_real_pet_is_kept(shared_data: Path, tmp_path: Path, dimmer: Restorer) -> None:
    source = subset(shared_data / "pet/train/acrin042_pet_ac", tmp_path / "in", 4)
    restore_dicom(source, tmp_path / "out", dimmer)
    (before,) = group_series(scan(source).instances)
    (after,) = group_series(scan(tmp_path / "out").instances)
    factor = volume_suv_factor(before.volume, before.earliest)
    assert volume_suv_factor(after.volume, after.earliest) == factor
    # 91 kg; 588.8 MBq given at 07:21, images corrected to 09:59:47.
    assert factor == pytest.approx(91_000 / (588802304.0 * 2 ** (-9527 / 6588)), rel=1e-6)


def test_a_tilted_uneven_series_is_restored_with_its_padding_intact(
    shared_data: Path, tmp_path: Path, dimmer: Restorer, dciodvfy_errors: Errors
) -> None:
    source = shared_data / "dicom_format/ct_gantry_tilt_nonuniform_ge"
    outcome = restore_dicom(source, tmp_path / "out", dimmer)
    assert [line.split(":")[0] for line in outcome.warnings] == ["W_UNEVEN_SPACING", "W_TILT"]
    originals = {pydicom.dcmread(path).SOPInstanceUID: path for path in source.iterdir()}
    for path in (tmp_path / "out").iterdir():
        image = pydicom.dcmread(path)
        original_path = originals[image.SourceImageSequence[0].ReferencedSOPInstanceUID]
        original = pydicom.dcmread(original_path)
        outside = (original.pixel_array <= -160) | (original.pixel_array >= 240)
        np.testing.assert_array_equal(image.pixel_array[outside], original.pixel_array[outside])
        assert image.ImagePositionPatient == original.ImagePositionPatient
        assert dciodvfy_errors(path) <= dciodvfy_errors(original_path)


def test_a_localizer_of_three_orientations_is_three_volumes(
    shared_data: Path, tmp_path: Path, dimmer: Restorer
) -> None:
    source = shared_data / "dicom_format/multi_orientation_localizer"
    with pytest.raises(DatprlError) as caught:
        restore_dicom(source, tmp_path / "out", dimmer)
    assert caught.value.code is ErrorCode.AMBIGUOUS
    outcome = restore_dicom(source, tmp_path / "out", dimmer, DicomOptions(all_series=True))
    assert outcome.summary == "13 slices restored in 3 series"


@pytest.mark.parametrize("name", ["d2n_84_001.dcm", "d2n_philips_enhanced_anat.dcm", "enh_6_2.dcm"])
def test_a_real_enhanced_image_is_written_back_without_a_new_error(
    name: str, shared_data: Path, tmp_path: Path, dimmer: Restorer, dciodvfy_errors: Errors
) -> None:
    source = shared_data / FORMAT_FOLDER / name
    restore_dicom(source, tmp_path / "out", dimmer)
    output = tmp_path / "out" / "0001.dcm"
    assert dciodvfy_errors(output) <= dciodvfy_errors(source)
    before, after = pydicom.dcmread(source), pydicom.dcmread(output)
    assert after.NumberOfFrames == before.NumberOfFrames
    for mine, theirs in zip(
        after.PerFrameFunctionalGroupsSequence, before.PerFrameFunctionalGroupsSequence, strict=True
    ):
        assert mine.PlanePositionSequence == theirs.PlanePositionSequence


def test_every_odd_file_is_restored_or_refused_with_a_code(shared_data: Path, tmp_path: Path, dimmer: Restorer) -> None:
    folder = shared_data / FORMAT_FOLDER
    seen = {path.name: refusal(path, tmp_path / "out", dimmer) for path in sorted(folder.iterdir())}
    for name, code in REFUSED.items():
        assert seen[name] is code, name
    restored = [name for name, code in seen.items() if code is None]
    assert len(restored) >= 30
    assert len(seen) - len(restored) > 30
