"""Inspecting whatever it is: a folder of everything, numbered through, with what is left out."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.jobs.inspect import inspect
from datprl_toolkit.medical.testing import write_synthetic_series


def scene(path: Path) -> Path:
    options = {"driver": "GTiff", "height": 80, "width": 90, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=from_origin(0, 0, 10, 10), **options) as file:
        file.write(np.full((1, 80, 90), 7, np.uint8))
    return path


def picture(path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32), dtype=np.uint8)).save(path)
    return path


def test_a_file_that_may_not_be_read_is_listed_and_the_rest_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene(tmp_path / "a.tif")
    scene(tmp_path / "b.tif")
    opened = Path.open

    def refuse_one(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "b.tif":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse_one)
    found = inspect(tmp_path)
    assert [item.title.split(":")[0] for item in found.items] == ["a.tif"]
    assert [(finding.code, finding.where) for finding in found.problems] == [("E_CORRUPT", "b.tif")]


def test_a_folder_of_everything_is_listed_and_numbered_through(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 3)
    write_synthetic_series(tmp_path / "pet", "PT", 3)
    scene(tmp_path / "a.tif")
    scene(tmp_path / "b.tif")
    picture(tmp_path / "c.png")
    picture(tmp_path / "d.png")
    (tmp_path / "e.txt").write_text("words")
    (tmp_path / "f.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:100])
    found = inspect(tmp_path)
    assert [item.kind for item in found.items] == ["dicom", "dicom", "images", "raster", "raster"]
    assert [item.number for item in found.items] == [1, 2, 3, 4, 5]
    assert found.items[3].title.startswith("a.tif: ")
    assert [finding.where for finding in found.problems] == ["f.tif"]
    assert found.skipped == {"file of no known format": 1}


def test_the_json_has_stable_keys_and_is_strict(tmp_path: Path) -> None:
    told = json.loads(json.dumps(inspect(picture(tmp_path / "in.png")).as_json(), allow_nan=False))
    assert set(told) == {"form", "source", "items", "problems", "skipped"}
    assert set(told["items"][0]) == {
        "number", "kind", "title", "restorable", "facts", "treatment", "problems", "other_readers"
    }  # fmt: skip
    assert told["form"] == 1
    assert told["items"][0]["facts"]["size"] == {"32 x 24": 1}


def test_a_broken_picture_among_others_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    broken = picture(tmp_path / "b.png")
    broken.write_bytes(broken.read_bytes()[:60])
    item = inspect(tmp_path).items[0]
    assert not item.restorable
    assert [(finding.code, finding.where) for finding in item.problems] == [("E_TRUNCATED", "b.png")]


@pytest.mark.parametrize("make", ["nothing", "empty folder", "text", "folder of text"])
def test_nothing_usable_is_one_line(tmp_path: Path, make: str) -> None:
    source = tmp_path / "in"
    if "folder" in make:
        source.mkdir()
    if "text" in make:
        (source / "a.txt" if source.is_dir() else source).write_text("words")
    with pytest.raises(DatprlError) as error:
        inspect(source)
    assert "\n" not in str(error.value)


def test_an_unmarked_nan_nodata_is_valid_json(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    options = {"driver": "GTiff", "height": 70, "width": 70, "count": 1, "dtype": "float32", "nodata": np.nan}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=from_origin(0, 0, 10, 10), **options) as file:
        file.write(np.linspace(0, 1, 4900, dtype=np.float32).reshape(1, 70, 70))
    json.dumps(inspect(path).as_json(), allow_nan=False)


def test_the_page_explains_every_code_and_no_other() -> None:
    root = Path(__file__).resolve().parents[2]
    places = (
        "medical/inspection medical/header_notes medical/other_readers medical/geometry medical/grouping "
        "medical/profiles medical/nifti_restore medical/nifti_inspection remote_sensing/inspection "
        "remote_sensing/bands images/inspection"
    )
    code = r"\b[WR]_[A-Z_]+[A-Z0-9]\b"
    used: set[str] = set()
    for name in places.split():
        used |= set(re.findall(code, (root / "datprl_toolkit" / f"{name}.py").read_text(encoding="utf-8")))
    page = (root / "docs" / "inspect.md").read_text(encoding="utf-8")
    assert set(re.findall(rf"^\| `({code})` \|", page, re.M)) == used
