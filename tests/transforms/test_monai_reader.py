"""The reader sorts by position, scales slice by slice, and refuses what one affine cannot describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pydicom
import pytest
from monai.data import MetaTensor
from monai.transforms import LoadImage

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical.quantity import suv_factor
from datprl_toolkit.medical.testing import CT_PADDING, Modality, write_synthetic_series
from datprl_toolkit.transforms.monai import SeriesReader
from datprl_toolkit.transforms.series import read_series

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

Series = Callable[[Modality], Path]


def load(folder: Path) -> MetaTensor:
    image = LoadImage(reader=SeriesReader, ensure_channel_first=True)(str(folder))
    assert isinstance(image, MetaTensor)
    return image


def test_every_pet_slice_has_its_own_slope_and_an_empty_first_slice_spoils_nothing(tmp_path: Path) -> None:
    paths = write_synthetic_series(tmp_path / "in", "PT")
    expected = []
    for path in paths:
        dataset = pydicom.dcmread(path)
        expected.append(dataset.pixel_array * float(dataset.RescaleSlope))
    image = load(tmp_path / "in")
    np.testing.assert_allclose(image.numpy()[0], np.stack(expected).transpose(2, 1, 0), rtol=1e-6)
    assert image.meta["unit"] == "Bq/ml"
    assert float(image.meta["suv_factor"]) == pytest.approx(suv_factor(pydicom.dcmread(paths[0])))


def test_slices_lie_by_position_and_not_by_instance_number(tmp_path: Path) -> None:
    def shuffle(dataset: FileDataset, index: int) -> None:
        dataset.InstanceNumber = [4, 1, 6, 2, 5, 3][index]

    write_synthetic_series(tmp_path / "plain", "MR")
    write_synthetic_series(tmp_path / "shuffled", "MR", change=shuffle)
    plain, shuffled = load(tmp_path / "plain"), load(tmp_path / "shuffled")
    np.testing.assert_array_equal(plain.numpy(), shuffled.numpy())
    np.testing.assert_array_equal(plain.affine, shuffled.affine)


@pytest.mark.parametrize("row", [(1, 0, 0), (0, 1, 0), (0.8, 0.6, 0)])
def test_the_affine_is_that_of_simpleitk(row: tuple[float, float, float], tmp_path: Path) -> None:
    column = np.cross((0, 0, 1), row) if row[2] == 0 and row[0] == 1 else np.array([0, 0, -1])
    normal = np.cross(row, column)

    def turn(dataset: FileDataset, index: int) -> None:
        dataset.ImageOrientationPatient = [*map(float, row), *map(float, column)]
        dataset.ImagePositionPatient = [float(value) for value in np.array([5, -7, 11]) + 3.0 * index * normal]
        dataset.PixelSpacing = [2.0, 2.5]

    paths = write_synthetic_series(tmp_path / "in", "CT", 4, change=turn)
    reader = pytest.importorskip("SimpleITK").ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    theirs = reader.Execute()
    image = load(tmp_path / "in")
    for index in ((0, 0, 0), (47, 0, 0), (0, 39, 3), (12, 5, 2)):
        place = (image.affine.numpy() @ [*index, 1])[:3] * (-1, -1, 1)
        np.testing.assert_allclose(place, theirs.TransformIndexToPhysicalPoint(index), atol=1e-4)
        assert float(image[(0, *index)]) == theirs[index]


def test_padding_is_told_in_physical_values(series: Series) -> None:
    assert load(series("CT")).meta["padding"].tolist() == [CT_PADDING, CT_PADDING]
    assert "padding" not in load(series("PT")).meta


def _drop(index: int, position: list[float]) -> list[float]:
    return [position[0], position[1], position[2] + (3.0 if index > 2 else 0.0)]


def _tilt(index: int, position: list[float]) -> list[float]:
    return [position[0], position[1] + 0.5 * index, position[2]]


def moved(folder: Path, move: Callable[[int, list[float]], list[float]]) -> Path:
    def change(dataset: FileDataset, index: int) -> None:
        dataset.ImagePositionPatient = move(index, [float(value) for value in dataset.ImagePositionPatient])

    write_synthetic_series(folder, "CT", change=change)
    return folder


def test_what_an_affine_cannot_describe_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    folder = moved(tmp_path / "in", _drop)
    reader = SeriesReader()
    with pytest.raises(DatprlError) as caught:
        reader.get_data(reader.read(folder))
    assert caught.value.code is ErrorCode.GEOMETRY
    _, metadata = SeriesReader(uneven=True).get_data(folder)
    assert np.linalg.norm(metadata["affine"][:3, 2]) == pytest.approx(3.0 * 6 / 5)
    assert "W_MISSING_SLICE" in metadata["warnings"]


def test_the_shear_of_a_tilted_gantry_is_in_the_affine(tmp_path: Path) -> None:
    folder = moved(tmp_path / "in", _tilt)
    _, metadata = SeriesReader().get_data(folder)
    np.testing.assert_allclose(metadata["affine"][:3, 2], [0, -0.5, 3.0])
    with pytest.raises(DatprlError) as caught:
        read_series(folder)  # as for TorchIO, whose affines have no shear
    assert caught.value.code is ErrorCode.GEOMETRY


def test_one_of_several_series_is_chosen(tmp_path: Path) -> None:
    for modality in ("CT", "MR"):
        write_synthetic_series(tmp_path / "in" / modality, modality)
    with pytest.raises(DatprlError) as caught:
        SeriesReader().get_data(tmp_path / "in")
    assert caught.value.code is ErrorCode.AMBIGUOUS
    _, metadata = (reader := SeriesReader(series="2")).get_data(reader.read(tmp_path / "in"))
    assert metadata["modality"] == "MR"


def test_no_other_reader_takes_over_a_series_that_is_refused(tmp_path: Path) -> None:
    def truncate(dataset: FileDataset, index: int) -> None:
        if index == 2:
            dataset.PixelData = dataset.PixelData[:100]

    write_synthetic_series(tmp_path / "in", "CT", change=truncate)
    with pytest.raises(DatprlError) as caught:
        load(tmp_path / "in")
    assert caught.value.code is ErrorCode.TRUNCATED


def test_nifti_is_left_to_the_readers_of_monai(tmp_path: Path) -> None:
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    written = nibabel.Nifti1Image(np.ones((4, 5, 6), np.float32), affine)  # type: ignore[no-untyped-call]
    nibabel.save(written, tmp_path / "volume.nii.gz")
    image = load(tmp_path / "volume.nii.gz")
    assert image.shape == (1, 4, 5, 6)
    np.testing.assert_array_equal(image.affine, affine)


def test_dicom_is_known_by_its_content(series: Series, tmp_path: Path) -> None:
    (tmp_path / "note.dcm").write_text("no DICOM")
    assert SeriesReader().verify_suffix(str(series("CT")))
    assert not SeriesReader().verify_suffix(str(tmp_path / "note.dcm"))
