from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.remote_sensing import is_raster
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("start", [b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"])
def test_a_tiff_is_a_raster_whatever_its_name(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "scene.dat"
    path.write_bytes(start + b"\x00" * 20)
    assert is_raster(path)


@pytest.mark.parametrize("name", ["scene.tif", "scene.TIFF", "scene.jp2", "scene.vrt"])
def test_a_file_named_like_a_raster_is_ours_so_that_its_error_is_ours(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("hello")
    assert is_raster(path)


def test_a_zarr_store_is_a_raster_and_another_folder_is_not(tmp_path: Path) -> None:
    store = tmp_path / "scene.zarr"
    store.mkdir()
    assert not is_raster(store)
    (store / "zarr.json").write_text("{}")
    assert is_raster(store)


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "slice.dcm", "notes.txt"])
def test_other_files_are_no_rasters(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert not is_raster(path)


def test_nothing_is_no_raster(tmp_path: Path) -> None:
    assert not is_raster(tmp_path / "absent.tif")


def test_a_written_raster_is_one(tmp_path: Path) -> None:
    assert is_raster(write_raster(tmp_path / "scene.tif", photograph(1, 4, 4)))
