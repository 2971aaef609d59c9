"""Other people's programs judge what is written: dciodvfy, dcentvfy, dcmftest, dcm2niix, SimpleITK, the IOD tables."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.testing import Modality, write_synthetic_series

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer

MODALITIES: tuple[Modality, ...] = ("CT", "MR", "PT")
BUNDLED = ("CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "693_J2KI.dcm", "examples_overlay.dcm")
TABLES = ("sop_class_iod_map", "iod_module_map", "module_attribute_map")

Errors = Callable[[Path], frozenset[str]]
Tool = Callable[[str], str]


@functools.cache
def standard_tables() -> tuple[Any, ...]:
    standard = Path(str(importlib.util.find_spec("highdicom").origin)).parent / "_standard"  # type: ignore[union-attr]
    return tuple(json.loads((standard / f"{name}.json").read_text()) for name in TABLES)


def missing_attributes(path: Path) -> set[str]:
    """Return the attributes of type 1 and 2 that the mandatory modules of the SOP class ask for and that are not there.

    The tables are those that highdicom ships; attributes inside sequences are left to dciodvfy.
    """
    classes, objects, modules = standard_tables()
    dataset = pydicom.dcmread(path)
    missing = set()
    for module in objects[classes[dataset.SOPClassUID]]:
        for attribute in modules[module["key"]] if module["usage"] == "M" else ():
            keyword, kind = attribute["keyword"], attribute["type"]
            absent = keyword not in dataset or (kind == "1" and dataset[keyword].is_empty)
            if not attribute["path"] and kind in ("1", "2") and absent:
                missing.add(keyword)
    return missing


@pytest.fixture(params=MODALITIES)
def restored(request: pytest.FixtureRequest, tmp_path: Path, tiny: Restorer) -> tuple[Path, Path]:
    """Folders of a synthetic series and of what was made of it."""
    write_synthetic_series(tmp_path / "in", request.param)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    return tmp_path / "in", tmp_path / "out"


def test_a_valid_series_stays_valid(restored: tuple[Path, Path], dciodvfy_errors: Errors) -> None:
    source, output = restored
    for path in (*source.iterdir(), *output.iterdir()):
        assert dciodvfy_errors(path) == frozenset()


def test_what_the_iod_requires_is_there(restored: tuple[Path, Path]) -> None:
    source, output = restored
    for path in (*source.iterdir(), *output.iterdir()):
        assert missing_attributes(path) == set()


@pytest.mark.parametrize("name", BUNDLED)
def test_no_required_attribute_gets_lost(name: str, tmp_path: Path, tiny: Restorer) -> None:
    source = Path(str(get_testdata_file(name, download=False)))
    restore_dicom(source, tmp_path / "out", tiny)
    assert missing_attributes(tmp_path / "out" / "0001.dcm") <= missing_attributes(source)


@pytest.mark.parametrize("name", BUNDLED)
def test_no_error_is_added_to_those_of_the_source(
    name: str, tmp_path: Path, tiny: Restorer, dciodvfy_errors: Errors
) -> None:
    source = Path(str(get_testdata_file(name, download=False)))
    restore_dicom(source, tmp_path / "out", tiny)
    assert dciodvfy_errors(tmp_path / "out" / "0001.dcm") <= dciodvfy_errors(source)


def test_no_error_is_added_to_those_of_a_whole_medium(
    tmp_path: Path, dimmer: Restorer, dciodvfy_errors: Errors, tool: Tool
) -> None:
    """The CT and MR series of pydicom's DICOMDIR, each file against its source."""
    directory = Path(str(get_testdata_file("DICOMDIR", download=False)))
    restore_dicom(directory, tmp_path / "out", dimmer, DicomOptions(all_series=True, on_error="skip"))
    originals = {}
    for path in directory.parent.rglob("*"):
        if path.is_file() and path != directory:
            originals[pydicom.dcmread(path, stop_before_pixels=True, force=True).get("SOPInstanceUID")] = path
    results = sorted((tmp_path / "out").rglob("*.dcm"))
    assert {pydicom.dcmread(path).Modality for path in results} == {"CT", "MR"}
    for path in results:
        source = originals[pydicom.dcmread(path).SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert dciodvfy_errors(path) <= dciodvfy_errors(source)
        assert missing_attributes(path) <= missing_attributes(source)
    files = [str(path) for path in results]
    assert subprocess.run([tool("dcmftest"), *files], capture_output=True, text=True, check=False).returncode == 0


def test_source_and_result_are_consistent_entities_of_one_study(restored: tuple[Path, Path], tool: Tool) -> None:
    files = [str(path) for folder in restored for path in folder.iterdir()]
    result = subprocess.run([tool("dcentvfy"), *files], capture_output=True, text=True, check=False)
    assert result.stdout + result.stderr == ""


def test_the_result_is_in_the_dicom_file_format(restored: tuple[Path, Path], tool: Tool) -> None:
    files = [str(path) for path in restored[1].iterdir()]
    result = subprocess.run([tool("dcmftest"), *files], capture_output=True, text=True, check=False)
    assert result.stdout.count("yes:") == len(files)


def test_simpleitk_reads_the_geometry_of_the_source(restored: tuple[Path, Path]) -> None:
    sitk = pytest.importorskip("SimpleITK")
    volumes = []
    for folder in restored:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        volumes.append(reader.Execute())
    source, output = volumes
    assert output.GetSize() == source.GetSize()
    np.testing.assert_allclose(output.GetOrigin(), source.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(output.GetSpacing(), source.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(output.GetDirection(), source.GetDirection(), atol=1e-4)


def test_dcm2niix_reads_the_geometry_and_the_values_that_were_written(
    restored: tuple[Path, Path], tool: Tool, tmp_path: Path
) -> None:
    images = []
    for name, folder in zip(("source", "output"), restored, strict=True):
        (tmp_path / name).mkdir()
        command = [tool("dcm2niix"), "-f", "volume", "-o", str(tmp_path / name), str(folder)]
        subprocess.run(command, capture_output=True, check=True)
        (path,) = (tmp_path / name).glob("*.nii")
        image = nibabel.load(path)
        assert isinstance(image, nibabel.Nifti1Image)
        images.append(image)
    source, output = images
    np.testing.assert_allclose(output.affine, source.affine, atol=1e-4)
    largest = max(
        float((image.pixel_array * float(image.get("RescaleSlope", 1))).max())
        for image in map(pydicom.dcmread, restored[1].iterdir())
    )
    assert float(output.get_fdata().max()) == pytest.approx(largest, rel=1e-3)
