"""Where layers lie: in millimetres, in the patient, as other people's tools say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from napari_datprl import writer
from napari_datprl.choices import Choices, prepare
from napari_datprl.geometry import describe_position, patient_position
from napari_datprl.layers import restored_layer
from napari_datprl.messages import Network
from napari_datprl.sources import KEY
from napari_datprl.testing import fill, opened
from napari_datprl.upright import keep_upright
from napari_datprl.windows import full_window, windows_for

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari_datprl.engine_process import EngineProcess
    from pydicom.dataset import FileDataset

VOXELS = [(0, 0, 0), (3, 11, 29), (4, 39, 47)]
COSINES = {
    "axial": [1, 0, 0, 0, 1, 0],
    "sagittal": [0, 1, 0, 0, 0, -1],
    "coronal": [1, 0, 0, 0, 0, -1],
    "feet first": [-1, 0, 0, 0, 1, 0],
    "oblique": [np.cos(0.3), np.sin(0.3), 0, -np.sin(0.3), np.cos(0.3), 0],
}


def turned(cosines: list[float], dataset: FileDataset, index: int) -> None:
    """Turn a synthetic slice round: its stack then runs along its own normal."""
    normal = np.cross(cosines[:3], cosines[3:])
    dataset.ImageOrientationPatient = [float(f"{value:.8f}") for value in cosines]
    dataset.ImagePositionPatient = [
        round(float(value), 6) for value in np.array([-60, -50, -100]) + 3.0 * index * normal
    ]
    dataset.PixelSpacing = [2.5, 1.5]


def itk(folder: Path) -> Any:
    reader: Any = sitk.ImageSeriesReader()  # type: ignore[no-untyped-call]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("name", list(COSINES))
def test_voxels_lie_in_the_patient_where_simpleitk_says(name: str, tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 5, change=partial(turned, COSINES[name]))
    layer, image = opened(tmp_path / "ct"), itk(tmp_path / "ct")
    volume = layer.metadata[KEY].volume
    for index in VOXELS:
        expected = image.TransformIndexToPhysicalPoint(index[::-1])
        by_affine = layer.metadata["patient_affine"] @ [*index, 1]
        assert np.allclose(by_affine[:3], expected, atol=1e-4)
        assert np.allclose(patient_position(volume, index), expected, atol=1e-4)
        assert float(layer.data[index]) == image[index[::-1]]
    assert np.allclose(np.abs(layer.scale), (3.0, 2.5, 1.5))
    assert layer.metadata["oblique"] == (name == "oblique")


@pytest.mark.parametrize(
    ("name", "labels"),
    [("axial", "SPL"), ("sagittal", "RIP"), ("coronal", "PIL"), ("feet first", "IPR")],
)
def test_axes_are_called_after_where_they_lead(name: str, labels: str, tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 5, change=partial(turned, COSINES[name]))
    expected = {"S": [0, 0, 1], "I": [0, 0, -1], "P": [0, 1, 0], "A": [0, -1, 0], "L": [1, 0, 0], "R": [-1, 0, 0]}
    layer = opened(tmp_path / "ct")
    assert "".join(layer.axis_labels) == labels
    for axis, label in enumerate(labels):
        direction = layer.metadata["patient_affine"][:3, axis]
        assert np.allclose(direction / np.linalg.norm(direction), expected[label])


def test_an_axial_series_lies_on_the_axes_of_the_patient(ct_folder: Path, pet_folder: Path) -> None:
    for folder in (ct_folder, pet_folder):
        layer = opened(folder)
        world = layer.data_to_world((2, 5, 7))
        assert np.allclose(world[::-1], patient_position(layer.metadata[KEY].volume, (2, 5, 7)))
        assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_the_head_is_up_in_coronal_and_sagittal_planes(model: ViewerModel, ct_folder: Path) -> None:
    model.add_layer(opened(ct_folder))
    keep_upright(model)

    def vertical() -> str:
        return str(model.scene.camera.orientation2d[0])

    assert vertical() == "down"
    for order, expected in (((1, 0, 2), "up"), ((2, 0, 1), "up"), ((0, 1, 2), "down")):
        model.dims.order = order
        assert vertical() == expected
    model.scene.camera.orientation2d = ("up", "right")
    model.dims.order = (0, 2, 1)
    assert vertical() == "up", "a person turned it over"


def test_a_missing_slice_is_said_and_places_stay_those_of_the_slices(tmp_path: Path) -> None:
    paths = write_synthetic_series(tmp_path / "ct", "CT", 6)
    paths[3].unlink()
    layer = opened(tmp_path / "ct")
    assert any(line.startswith("W_MISSING_SLICE") for line in layer.metadata["warnings"])
    volume = layer.metadata[KEY].volume
    assert patient_position(volume, (3, 0, 0))[2] == pytest.approx(-100.0 + 3.0 * 4)


def test_a_place_is_told_by_the_ends_of_the_patient() -> None:
    assert describe_position(np.array([12.34, -5.0, -78.9])) == "L 12.3 A 5.0 I 78.9 mm"


def test_windows_have_the_names_and_values_of_the_clinic() -> None:
    assert windows_for("HU")["Lung"] == (-1350.0, 150.0)
    assert windows_for("Bq/ml", 0.001)["SUV 0-5"] == (0.0, 5000.0)
    assert windows_for("Bq/ml") == {}
    assert full_window(np.array([3.0, 3.0, np.nan])) == (3.0, 4.0)
    assert full_window(np.array([np.nan])) == (0.0, 1.0)


def test_the_writer_writes_what_the_restored_layer_shows(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "finish", partial(writer.finish, engine=engine))
    original = opened(ct_folder)
    restoration, asked = prepare(original, Choices(Network(tiny_weights, "cpu"), strength=0.5), 0)
    data, options, _ = restored_layer(restoration, "restored", original)
    with pytest.raises(DatprlError, match="E_OPTION"):
        writer.write_volume(str(tmp_path / "early.dicom"), data, options)
    fill(restoration, asked, engine)
    (written,) = writer.write_volume(str(tmp_path / "out.dicom"), data, options)
    assert np.array_equal(np.asarray(opened(tmp_path / "out").data), np.asarray(data))
    assert written == str(tmp_path / "out")
    with pytest.raises(DatprlError, match="E_EXISTS"):
        writer.write_volume(str(tmp_path / "out.dicom"), data, options)
    with pytest.raises(DatprlError, match="only a layer restored"):
        writer.write_volume(str(tmp_path / "other.dicom"), original.data, {"metadata": original.metadata})


def test_means_over_mirror_images_are_shown_and_written_as_the_command_line_does(
    ct_folder: Path, engine: EngineProcess, tiny_weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datprl_toolkit.jobs import restore
    from datprl_toolkit.restoring import Restorer

    monkeypatch.setattr(writer, "finish", partial(writer.finish, engine=engine))
    original = opened(ct_folder)
    choices = Choices(Network(tiny_weights, "cpu", self_ensemble=True))
    restoration, asked = prepare(original, choices, 0)
    data, options, _ = restored_layer(restoration, "restored", original)
    fill(restoration, asked, engine)
    writer.write_volume(str(tmp_path / "out.dicom"), data, options)
    restore(ct_folder, tmp_path / "job", Restorer.from_pretrained(tiny_weights, device="cpu", self_ensemble=True))
    made = [sorted((tmp_path / folder).rglob("*.dcm")) for folder in ("out", "job")]
    for one, other in zip(*made, strict=True):
        shown, expected = pydicom.dcmread(one), pydicom.dcmread(other)
        assert shown.DerivationDescription == expected.DerivationDescription
        assert "mean over four mirror images" in shown.DerivationDescription
        assert shown.SOPInstanceUID == expected.SOPInstanceUID
        assert np.array_equal(shown.pixel_array, expected.pixel_array)
