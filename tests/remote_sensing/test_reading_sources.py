"""Scenes that are not one local file: several files, products, addresses, STAC items."""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio.shutil
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.identify import identify
from datprl_toolkit.jobs.inspect import inspect
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.reading_sources import is_scene_name, locate
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.testing import identity_restorer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

COLOURS = {"B04": 0, "B03": 1, "B02": 2}


def band_files(folder: Path, names: dict[str, int], suffix: str = ".tif", **creation: Any) -> list[Path]:
    """Write the planes of one image as files of one band each."""
    folder.mkdir(parents=True, exist_ok=True)
    image = photograph(3, 40, 60, "uint16")
    return [write_raster(folder / f"{name}{suffix}", image[[place]], **creation) for name, place in names.items()]


def as_source(files: list[Path]) -> str:
    return ",".join(map(str, files))


def values(source: str | Path, numbers: tuple[int, ...] = (1, 2, 3)) -> npt.NDArray[Any]:
    scene = Scene.open(source)
    with scene.reader() as reader:
        return reader.read(numbers, whole(scene.grid.shape)).values


def test_files_with_commas_are_the_bands_of_one_scene(tmp_path: Path, brighter: Restorer) -> None:
    files = band_files(tmp_path, COLOURS, nodata=0)
    source = as_source(files)
    scene = Scene.open(source)
    assert [(band.description, band.colour) for band in scene.bands] == [
        ("B04", "red"), ("B03", "green"), ("B02", "blue"),
    ]  # fmt: skip
    assert scene.grid == Scene.open(files[0]).grid
    assert scene.nodata == 0
    assert np.array_equal(values(source), photograph(3, 40, 60, "uint16"))
    restore_scene(source, tmp_path / "out.tif", brighter, SceneOptions(scaling="reflectance:10000"))
    stacked = write_raster(tmp_path / "stacked.tif", photograph(3, 40, 60, "uint16"), nodata=0)
    restore_scene(stacked, tmp_path / "same.tif", brighter, SceneOptions(scaling="reflectance:10000", bands=(1, 2, 3)))
    assert np.array_equal(values(tmp_path / "out.tif"), values(tmp_path / "same.tif"))


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ({"T33_B02_10m": 0, "T33_B03_10m": 1, "T33_B04_10m": 2}, (3, 2, 1)),
        ({"LC09_L2SP_192_SR_B4": 0, "LC09_L2SP_192_SR_B3": 1, "LC09_L2SP_192_SR_B2": 2}, (1, 2, 3)),
        ({"LE07_L1TP_192_B1": 0, "LE07_L1TP_192_B2": 1, "LE07_L1TP_192_B3": 2}, (3, 2, 1)),
        ({"LT05_L1TP_192_B4": 0, "LT05_L1TP_192_B3": 1, "LT05_L1TP_192_B2": 2, "LT05_L1TP_192_B1": 2}, (2, 3, 4)),
        ({"first": 0, "second": 1, "third": 2}, (1, 2, 3)),
        ({"blue": 0, "red": 1, "green": 2}, (2, 3, 1)),
    ],
    ids=["sentinel", "landsat 9", "landsat 7", "landsat 5", "in order", "by colour"],
)
def test_colours_come_from_names_or_the_order(tmp_path: Path, names: dict[str, int], numbers: tuple[int, ...]) -> None:
    scene = Scene.open(as_source(band_files(tmp_path, names)))
    choice = choose_bands(scene)
    assert (choice.numbers, choice.warning) == (numbers, None)


def test_a_coarser_band_is_brought_to_the_finest_grid_and_says_so(tmp_path: Path) -> None:
    files = band_files(tmp_path, COLOURS)
    coarse = photograph(1, 20, 30, "uint16", seed=5)
    files.append(write_raster(tmp_path / "B11.tif", coarse, transform=Affine(20, 0, 500_000, 0, -20, 5_000_000)))
    scene = Scene.open(as_source(files))
    assert scene.grid.shape == (40, 60)
    assert scene.bands[3].description == "B11 (resampled x2, cubic)"
    resampled = values(as_source(files), (4,))[0]
    means = resampled.reshape(20, 2, 30, 2).mean(axis=(1, 3))
    assert np.abs(means - coarse[0]).mean() < 0.02 * coarse.mean()


def test_files_of_other_places_are_no_scene(tmp_path: Path) -> None:
    files = band_files(tmp_path, COLOURS)
    away = write_raster(
        tmp_path / "away.tif", photograph(1, 40, 60, "uint16"), transform=Affine(10, 0, 500_010, 0, -10, 5_000_000)
    )
    other = write_raster(tmp_path / "other.tif", photograph(1, 40, 60, "uint16"), crs="EPSG:32634")
    for wrong in (away, other):
        with pytest.raises(DatprlError) as raised:
            Scene.open(as_source([*files, wrong]))
        assert raised.value.code == ErrorCode.GEOMETRY
        assert wrong.name in str(raised.value)
        assert "\n" not in str(raised.value)


def test_an_absent_file_among_several_is_named(tmp_path: Path) -> None:
    files = band_files(tmp_path, COLOURS)
    with pytest.raises(DatprlError, match=r"E_MISSING.*B08\.tif"):
        Scene.open(as_source([*files, tmp_path / "B08.tif"]))


def test_control_points_and_rpcs_of_the_files_are_kept(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, column, 10 + column, 50 - row) for row in (0, 40) for column in (0, 60)]

    def finish(dataset: Any) -> None:
        dataset.gcps = (points, CRS.from_epsg(4326))

    files = band_files(tmp_path, COLOURS, crs=None, transform=None, finish=finish)
    one, several = Scene.open(files[0]), Scene.open(as_source(files))
    kept = [(point.row, point.col, point.x, point.y) for point in several.grid.control_points]
    assert kept == [(point.row, point.col, point.x, point.y) for point in points]
    assert several.grid.control_crs == one.grid.control_crs


@pytest.mark.parametrize(
    ("folder", "names", "suffix"),
    [
        ("S2B_MSIL2A.SAFE/GRANULE/L2A/IMG_DATA/R10m", {"T33_B04_10m": 0, "T33_B03_10m": 1, "T33_B02_10m": 2}, ".tif"),
        ("LC08_L1TP", {"LC08_L1TP_19_B4": 0, "LC08_L1TP_19_B3": 1, "LC08_L1TP_19_B2": 2}, ".TIF"),
        (
            "HLS",
            {"HLS.L30.T17.2021.v2.0.B04": 0, "HLS.L30.T17.2021.v2.0.B03": 1, "HLS.L30.T17.2021.v2.0.B02": 2},
            ".tif",
        ),
    ],
    ids=["sentinel 2", "landsat", "hls"],
)
def test_the_folder_of_a_product_is_one_scene(tmp_path: Path, folder: str, names: dict[str, int], suffix: str) -> None:
    band_files(tmp_path / folder, names, suffix)
    product = tmp_path / Path(folder).parts[0]
    if folder.startswith("S2B"):  # the coarser copies that such a product has too
        band_files(tmp_path / folder.replace("10m", "20m"), {name.replace("10m", "20m"): 0 for name in names}, suffix)
    assert identify(product) == "raster"
    assert np.array_equal(values(product), photograph(3, 40, 60, "uint16"))
    outcome = restore(product, tmp_path / "out.tif", identity_restorer(), RestoreOptions())
    assert "by colour interpretation" in outcome.summary
    assert np.array_equal(values(tmp_path / "out.tif"), photograph(3, 40, 60, "uint16"))


def test_a_folder_of_several_scenes_is_no_product(tmp_path: Path) -> None:
    for scene in ("A", "B"):
        band_files(tmp_path / "several", {f"{scene}_{name}": place for name, place in COLOURS.items()})
    assert not is_scene_name(str(tmp_path / "several"))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder by http, and give its address; in a process of its own, since GDAL waits without letting go."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            port = re.search(r"port (\d+)", server.stdout.readline())
            assert port is not None
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            server.kill()


def test_a_remote_scene_is_read_as_a_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    (tmp_path / "files").mkdir()
    files = band_files(tmp_path / "files", COLOURS)
    with served(tmp_path / "files") as address:
        far = f"{address}/B04.tif"
        assert np.array_equal(values(far, (1,)), values(files[0], (1,)))
        restore_scene(far, tmp_path / "far.tif", stub_restorer(0.125))
        restore_scene(files[0], tmp_path / "near.tif", stub_restorer(0.125))
        assert np.array_equal(values(tmp_path / "far.tif", (1,)), values(tmp_path / "near.tif", (1,)))
        together = ",".join(f"{address}/{file.name}" for file in files)
        assert np.array_equal(values(together), photograph(3, 40, 60, "uint16"))
        with pytest.raises(DatprlError) as raised:
            Scene.open(f"{address}/nothing.tif")
        assert raised.value.code == ErrorCode.MISSING
        assert "\n" not in str(raised.value)


def test_a_stac_item_is_a_scene(tmp_path: Path) -> None:
    files = band_files(tmp_path, COLOURS)
    assets = {
        colour: {"href": file.name, "type": "image/tiff", "eo:bands": [{"name": file.stem, "common_name": colour}]}
        for colour, file in zip(("red", "green", "blue"), files, strict=True)
    }
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "scene",
        "geometry": None,
        "links": [],
        "assets": assets,
    }
    (tmp_path / "item.json").write_text(json.dumps(item))
    assert identify(tmp_path / "item.json") == "raster"
    assert np.array_equal(values(tmp_path / "item.json"), photograph(3, 40, 60, "uint16"))


def test_a_stac_item_with_one_raster_is_restored_as_that_raster(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "image.tif", photograph(3, 40, 60, "uint16"))
    assets = {"image": {"href": "image.tif", "type": "image/tiff", "roles": ["data"]}}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "scene", "links": [], "assets": assets}
    (tmp_path / "item.json").write_text(json.dumps(item))
    assert np.array_equal(values(tmp_path / "item.json"), values(raster))
    output = restore(tmp_path / "item.json", tmp_path / "out.tif", identity_restorer()).output
    assert Scene.open(output).grid == Scene.open(raster).grid


def test_a_file_in_a_folder_that_may_not_be_entered_is_said_to_be_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    for read in (identify, inspect):
        with pytest.raises(DatprlError, match=r"E_CORRUPT: it cannot be read: Permission denied .*scene\.tif"):
            read(tmp_path / "scene.tif")


def test_no_file_of_a_scene_is_ever_an_output(tmp_path: Path) -> None:
    files = band_files(tmp_path, COLOURS)
    before = files[1].read_bytes()
    with pytest.raises(DatprlError, match="never modified"):
        restore_scene(as_source(files), files[1], stub_restorer(), SceneOptions(overwrite=True))
    with pytest.raises(DatprlError, match="never modified"):
        restore(as_source(files), files[1], identity_restorer(), RestoreOptions(overwrite=True))
    assert files[1].read_bytes() == before


def test_no_file_behind_a_virtual_raster_is_ever_an_output(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "source.tif", photograph(3, 20, 30))
    before = source.read_bytes()
    rasterio.shutil.copy(source, tmp_path / "virtual.vrt", driver="VRT")
    rasterio.shutil.copy(tmp_path / "virtual.vrt", tmp_path / "nested.vrt", driver="VRT")
    for name in ("virtual.vrt", "nested.vrt"):
        with pytest.raises(DatprlError, match="never modified") as raised:
            restore_scene(tmp_path / name, source, stub_restorer(), SceneOptions(overwrite=True))
        assert raised.value.code == ErrorCode.OPTION
        with pytest.raises(DatprlError, match="never modified"):
            restore(tmp_path / name, source, identity_restorer(), RestoreOptions(overwrite=True))
    assert source.read_bytes() == before
    assert restore_scene(tmp_path / "nested.vrt", tmp_path / "out.tif", stub_restorer()).output.exists()


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("https://host/a.tif", ("/vsicurl/https://host/a.tif",)),
        ("https://host/a.tif?sig=1,2", ("/vsicurl/https://host/a.tif?sig=1,2",)),
        ("s3://bucket/key.tif", ("/vsis3/bucket/key.tif",)),
        ("gs://bucket/key.tif", ("/vsigs/bucket/key.tif",)),
        ("s3://b/1.tif,s3://b/2.tif", ("/vsis3/b/1.tif", "/vsis3/b/2.tif")),
        ("/vsizip/a.zip/b.tif", ("/vsizip/a.zip/b.tif",)),
        ("a.tif", ("a.tif",)),
    ],
    ids=["https", "signed", "s3", "gs", "two", "zip", "local"],
)
def test_addresses_are_what_gdal_calls_them(text: str, files: tuple[str, ...]) -> None:
    assert locate(text).files == files
