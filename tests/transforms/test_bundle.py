"""The MONAI bundle runs from the command line, without a network, and gives what ``datprl restore`` writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from monai.bundle import ConfigWorkflow

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.testing import Modality
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.transforms.monai import find_volumes

BUNDLE = Path(__file__).parents[2] / "recipes" / "monai_bundle"
CONFIGS = BUNDLE / "configs"
METADATA = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))

Series = Callable[[Modality], Path]


def run(dataset: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the bundle as a person would, with every way to the network closed."""
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(CONFIGS / "inference.json")]
    paths = ["--meta_file", str(CONFIGS / "metadata.json"), "--bundle_root", str(BUNDLE)]
    chosen = ["--dataset_dir", str(dataset), "--output_dir", str(output), *options]
    logging = ["--logging_file", str(CONFIGS / "logging.conf")]
    return subprocess.run(
        [*command, *paths, *logging, *chosen], capture_output=True, text=True, check=False, env={**os.environ, **closed}
    )


def test_it_restores_a_series_and_a_nifti_file_as_the_command_line_does(series: Series, tmp_path: Path) -> None:
    source = series("CT")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "chest").symlink_to(source)
    result = run(tmp_path / "in", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "chest_restored.nii.gz"
    restored = nibabel.load(path)
    assert isinstance(restored, nibabel.Nifti1Image)
    restore_dicom(source, tmp_path / "series", Restorer.from_pretrained("small"))
    images = [pydicom.dcmread(file) for file in sorted((tmp_path / "series").glob("*.dcm"))]
    expected = np.stack([image.pixel_array for image in images]).transpose(2, 1, 0)
    values = restored.get_fdata()
    assert np.abs(values - expected).max() <= 0.501
    place = restored.affine @ [0, 0, 0, 1]
    np.testing.assert_allclose(place[:3] * (-1, -1, 1), images[0].ImagePositionPatient, atol=1e-3)


@pytest.mark.parametrize("modality", ["MR"])
def test_monai_finds_every_property_that_a_bundle_has_to_have(modality: Modality, series: Series) -> None:
    workflow = ConfigWorkflow(
        config_file=str(CONFIGS / "inference.json"),
        meta_file=str(CONFIGS / "metadata.json"),
        workflow_type="inference",
        bundle_root=str(BUNDLE),
        dataset_dir=str(series(modality)),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_the_versions_in_its_metadata_are_those_it_is_tested_with() -> None:
    for package in ("monai", "torch", "numpy"):
        named = METADATA[{"torch": "pytorch"}.get(package, package) + "_version"]
        pinned = re.search(rf"^{package}==(.*)$", (BUNDLE.parents[1] / "constraints.txt").read_text(), re.MULTILINE)
        assert pinned is not None
        assert named == pinned[1]
    assert METADATA["version"] == METADATA["required_packages_version"]["datprl-toolkit"] == version("datprl-toolkit")


def test_volumes_are_found_as_files_and_as_folders(series: Series, tmp_path: Path) -> None:
    assert find_volumes(series("CT")) == [{"image": str(series("CT"))}]
    (tmp_path / "b").symlink_to(series("CT"))
    (tmp_path / "a.nii.gz").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    assert [Path(item["image"]).name for item in find_volumes(tmp_path)] == ["a.nii.gz", "b"]
    for folder, code in ((tmp_path / "empty", ErrorCode.EMPTY), (tmp_path / "none", ErrorCode.MISSING)):
        with pytest.raises(DatprlError) as caught:
            find_volumes(folder)
        assert caught.value.code is code
