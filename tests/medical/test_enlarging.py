"""MR on a finer grid: what is interpolated, where every pixel lies, and what other people's programs read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.degradations import truncate_k_space
from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.jobs.restore import RestoreOptions, restore
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.enlarging import enlarge_volume, enlarged_geometry, fill_k_space
from datprl_toolkit.medical.geometry import SliceGeometry
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.made_by import read_made_by
from datprl_toolkit.medical.nifti_restore import restore_dicom_as_nifti
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import Modality, write_synthetic_series

if TYPE_CHECKING:
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.restoring import Restorer

Errors = Callable[[Path], frozenset[str]]
Tool = Callable[[str], str]
PLAIN = DicomOptions(strength=0, scale=2)


def only_volume(path: Path) -> Volume:
    (series,) = group_series(scan(path).instances)
    return series.volume


def extent(volume: Volume) -> list[np.ndarray]:
    """Return the outer corners of the first slice, in mm."""
    geometry, (_, rows, columns) = volume.slices[0].geometry, volume.shape
    along, down = np.array(geometry.orientation[:3]), np.array(geometry.orientation[3:])
    return [
        np.array(geometry.position)
        + (column - 0.5) * geometry.spacing[1] * along
        + (row - 0.5) * geometry.spacing[0] * down
        for row in (0, rows)
        for column in (0, columns)
    ]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(8, 12), (9, 7), (1, 5)])
def test_a_smooth_image_is_interpolated_where_its_new_pixels_lie(scale: int, size: tuple[int, int]) -> None:
    def image(step: float) -> np.ndarray:
        # The slowest wave that mirroring continues without a kink, sampled at the centres of pixels.
        y, x = ((np.arange(round(n / step)) + 0.5) * step / n for n in size)
        return 5.0 + np.cos(np.pi * y)[:, None] * np.cos(np.pi * x)[None]

    # One row has no room for a wave along the column: its centre is where the wave crosses zero.
    np.testing.assert_allclose(fill_k_space(image(1), scale), image(1 / scale) if min(size) > 1 else 5.0, atol=1e-12)


@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from([2, 4]), st.integers(0, 99))
def test_filling_keeps_the_mean_and_what_is_constant(rows: int, columns: int, scale: int, seed: int) -> None:
    image = np.random.default_rng(seed).uniform(-1, 1, (rows, columns))
    assert fill_k_space(image - 10, scale).mean() == pytest.approx(image.mean() - 10)
    np.testing.assert_allclose(fill_k_space(np.full((rows, columns), 3.0), scale), 3.0)


def test_the_network_is_given_what_it_was_trained_on() -> None:
    """A slice that lost three quarters of its k-space, and the small one that a scanner gives instead, agree."""
    y, x = np.mgrid[:128, :128] / 128
    slow = [np.exp(-(((y - a) ** 2 + (x - b) ** 2) / 0.02)) for a, b in ((0.4, 0.5), (0.6, 0.45))]
    full = 100 * (slow[0] + 0.5 * slow[1])
    small = full.reshape(32, 4, 32, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(fill_k_space(small, 4), truncate_k_space(full, 4), atol=2.0)


def test_a_magnitude_stays_a_magnitude() -> None:
    edge = np.zeros((16, 16))
    edge[:, 8:] = 100.0
    assert fill_k_space(edge, 4).min() >= 0
    assert fill_k_space(edge - 50, 4).min() < -50  # a signed image rings below its smallest value


def test_an_image_does_not_ring_into_its_other_side() -> None:
    """The plain Fourier transform would: it takes the last column for a neighbour of the first."""
    ramp = np.tile(np.linspace(0, 100, 32), (8, 1))
    enlarged = fill_k_space(ramp, 2)
    positions = (np.arange(64) + 0.5) / 2 - 0.5
    assert np.abs(enlarged[4] - positions * 100 / 31)[8:-8].max() < 0.2
    assert np.abs(enlarged[4] - np.clip(positions, 0, 31) * 100 / 31).max() < 1.0


def test_the_outer_edges_of_a_slice_stay_where_they_are() -> None:
    oblique = (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)
    geometry = enlarged_geometry(SliceGeometry((10.0, 20.0, 30.0), oblique, (3.0, 2.0)), 4)
    assert geometry.spacing == (0.75, 0.5)
    assert geometry.position == pytest.approx((10 - 0.375 * (0.8 * 2 - 0.6 * 3), 20 - 0.375 * (0.6 * 2 + 0.8 * 3), 30))


@pytest.mark.parametrize("scale", [2, 4])
def test_a_restored_series_lies_on_the_finer_grid(
    scale: int, tmp_path: Path, tiny: Restorer, dciodvfy_errors: Errors
) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 3)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(scale=scale))
    before, after = only_volume(tmp_path / "in"), only_volume(tmp_path / "out")
    assert after.shape == (3, 40 * scale, 48 * scale)
    np.testing.assert_allclose(extent(after), extent(before), atol=1e-6)
    for path in (tmp_path / "out").iterdir():
        assert dciodvfy_errors(path) == frozenset()
        image = pydicom.dcmread(path)
        assert image.SourceImageSequence[0].SpatialLocationsPreserved == "NO"
        assert [code.CodeValue for code in image.DerivationCodeSequence] == ["113085", "113086"]
        made_by = read_made_by(image)
        assert made_by is not None
        assert made_by.scale == scale


def test_strength_zero_writes_the_zero_filled_slices(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 2)
    restore_dicom(tmp_path / "in", tmp_path / "out", identity, PLAIN)
    before, after = only_volume(tmp_path / "in"), only_volume(tmp_path / "out")
    for source, result in zip(before.slices, after.slices, strict=True):
        expected = np.clip(np.rint(fill_k_space(source.read(), 2)), 0, 4095)
        np.testing.assert_array_equal(result.read(), expected)


def test_the_series_differs_from_one_that_was_not_enlarged(tmp_path: Path, identity: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 1)
    for scale in (1, 2, 4):
        restore_dicom(tmp_path / "in", tmp_path / str(scale), identity, DicomOptions(strength=0, scale=scale))
    series = {pydicom.dcmread(tmp_path / name / "0001.dcm").SeriesInstanceUID for name in "124"}
    assert len(series) == 3


def test_padding_grows_with_its_pixels(tmp_path: Path, tiny: Restorer) -> None:
    def pad(dataset: pydicom.FileDataset, index: int) -> None:
        dataset.add_new("PixelPaddingValue", "US", 7)
        pixels = dataset.pixel_array.copy()
        pixels[:3] = 7
        dataset.PixelData = pixels.tobytes()

    write_synthetic_series(tmp_path / "in", "MR", 2, change=pad)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(scale=2))
    for image in only_volume(tmp_path / "out").slices:
        padding = image.pixel_format.padding_mask(image.read_stored())
        assert padding[:6].all()


def test_other_readers_find_the_new_grid(tmp_path: Path, tiny: Restorer, tool: Tool) -> None:
    sitk = pytest.importorskip("SimpleITK")
    write_synthetic_series(tmp_path / "in", "MR", 4)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, DicomOptions(scale=2))
    restore_dicom_as_nifti(tmp_path / "in", tmp_path / "ours.nii", tiny, DicomOptions(scale=2))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "out")))
    image = reader.Execute()
    np.testing.assert_allclose(image.GetSpacing(), (1.25, 1.25, 3.0), atol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), (-60.625, -50.625, -100.0), atol=1e-6)
    command = [tool("dcm2niix"), "-f", "theirs", "-o", str(tmp_path), str(tmp_path / "out")]
    subprocess.run(command, capture_output=True, check=True)
    ours, theirs = nibabel.load(tmp_path / "ours.nii"), nibabel.load(tmp_path / "theirs.nii")
    assert isinstance(ours, nibabel.Nifti1Image)
    assert isinstance(theirs, nibabel.Nifti1Image)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-4)
    np.testing.assert_array_equal(ours.get_fdata(), theirs.get_fdata())


def test_report_and_maps_are_on_the_new_grid(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 3)
    options = DicomOptions(scale=2, uncertainty=tmp_path / "maps")
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, options)
    deviation = pydicom.dcmread(tmp_path / "maps" / "deviation.dcm")
    assert (deviation.Rows, deviation.Columns) == (80, 96)
    report = make_report(tmp_path / "in", tmp_path / "out", restorer=tiny)
    (part,) = report.parts
    assert [check.name for check in part.checks if check.holds is False] == []
    assert ("Size", "3 slices of 96 x 80 pixels, enlarged from 48 x 40 by filling k-space with zeros") in part.facts
    assert part.network is not None  # the slices that were restored again are those in the files


@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_other_modalities_are_not_enlarged(modality: Modality, tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", modality, 2)
    for target in (tmp_path / "out", tmp_path / "out.nii"):
        with pytest.raises(DatprlError, match="--scale has no meaning for") as caught:
            restore(tmp_path / "in", target, tiny, RestoreOptions(scale=2))
        assert caught.value.code is ErrorCode.OPTION
        assert not target.exists()


def test_mr_is_enlarged_by_two_or_four(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="by 2 or 4, not 3"):
        DicomOptions(scale=3)
    write_synthetic_series(tmp_path / "in", "MR", 1)
    with pytest.raises(DatprlError, match="by 2 or 4, not 8"):
        enlarge_volume(only_volume(tmp_path / "in"), 8)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["d2n_84_001.dcm", "enh_6_2.dcm"])
def test_a_real_enhanced_image_is_enlarged_without_a_new_error(
    name: str, shared_data: Path, tmp_path: Path, dimmer: Restorer, dciodvfy_errors: Errors
) -> None:
    source = shared_data / "dicom_format/files" / name
    restore_dicom(source, tmp_path / "out", dimmer, DicomOptions(scale=2))
    output = tmp_path / "out" / "0001.dcm"
    assert dciodvfy_errors(output) <= dciodvfy_errors(source)
    before, after = only_volume(source), only_volume(output)
    assert after.shape == (before.shape[0], 2 * before.shape[1], 2 * before.shape[2])
    for one, two in zip(enlarge_volume(before, 2).slices, after.slices, strict=True):
        np.testing.assert_allclose(two.geometry.position, one.geometry.position, atol=1e-6)
        np.testing.assert_allclose(two.geometry.spacing, one.geometry.spacing, atol=1e-9)
