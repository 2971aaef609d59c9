"""The napari reader: DICOM only, lazy, in physical units and millimetres."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from napari_datprl.reader import get_reader
from npe2 import PluginManifest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

MANIFEST = Path(__file__).parents[2] / "napari_plugin" / "napari_datprl" / "napari.yaml"


def dicom() -> Path:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(found, str)
    return Path(found)


def test_the_manifest_is_valid_and_its_functions_exist() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "datprl-toolkit"


def test_a_slice_opens_in_hounsfield_units_with_its_spacing() -> None:
    reader = get_reader(str(dicom()))
    assert reader is not None
    ((data, options, kind),) = reader(str(dicom()))
    source = pydicom.dcmread(dicom())
    assert isinstance(source, Dataset)
    expected = source.pixel_array * float(source.RescaleSlope) + float(source.RescaleIntercept)
    assert kind == "image"
    assert np.array_equal(np.asarray(data)[0], expected)
    assert options["scale"][1:] == tuple(float(value) for value in source.PixelSpacing)
    assert options["metadata"]["unit"] == "HU"


def test_files_of_other_kinds_are_left_to_others(tmp_path: Path) -> None:
    other = tmp_path / "a.dcm"
    other.write_text("no DICOM at all")
    assert get_reader(str(other)) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "nowhere")) is None


def test_the_plugin_imports_neither_torch_nor_pydicom_at_start() -> None:
    check = "import sys, napari_datprl.reader; print({'torch', 'monai', 'pydicom', 'dask'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.shared
def test_a_pet_series_opens_lazily_in_the_geometry_of_the_scanner() -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "pet" / "train" / "acrin042_pet_ac"
    if not folder.exists():
        pytest.skip("the real PET series stands in ../shared, which is not here")
    reader = get_reader(str(folder))
    assert reader is not None
    ((data, options, _),) = reader(str(folder))
    assert data.shape == (135, 128, 128)
    assert options["metadata"]["unit"] == "Bq/ml"
    assert float(data[60].max()) > 0
    assert options["scale"][0] > 0
