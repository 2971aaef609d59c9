"""Scenes written anew, judged by GDAL and xarray: pixels, place and metadata stay what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from datprl_toolkit.errors import DatprlError, OutputError
from datprl_toolkit.remote_sensing import Scene, SceneOptions
from datprl_toolkit.remote_sensing.combining import mosaic_scenes, stack_scenes
from datprl_toolkit.remote_sensing.manifest import read_mark
from datprl_toolkit.remote_sensing.restore import restore_scene
from datprl_toolkit.remote_sensing.rewriting import copy_scene, select_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def pixels(scene: Scene) -> npt.NDArray[Any]:
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_scene_survives_the_way_to_zarr_and_back(tmp_path: Path, dtype: str) -> None:
    values = photograph(4, 70, 90, dtype)
    descriptions = ["B02", "B03", "B04", "B08"]
    source = Scene.open(write_raster(tmp_path / "a.tif", values, nodata=7, descriptions=descriptions))
    zarr = copy_scene(source, tmp_path / "b.zarr")
    back = copy_scene(zarr, tmp_path / "c.tif")
    for scene in (zarr, back):
        np.testing.assert_array_equal(pixels(scene), values)
        assert scene.grid == source.grid
        assert scene.nodata == 7
        assert [band.description for band in scene.bands] == descriptions
    with rasterio.open(tmp_path / "c.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_mask_and_alpha_come_along(tmp_path: Path) -> None:
    mask = np.full((40, 50), 255, np.uint8)
    mask[:9] = 0
    masked = Scene.open(write_raster(tmp_path / "m.tif", photograph(3, 40, 50), mask=mask))
    copied = copy_scene(masked, tmp_path / "m2.tif")
    with copied.reader() as reader:
        np.testing.assert_array_equal(reader.read_mask(whole((40, 50))) != 0, mask != 0)
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    rgba = Scene.open(write_raster(tmp_path / "a.tif", photograph(4, 40, 50), colours=colours))
    chosen = select_scene(rgba, tmp_path / "a2.tif", bands=[2])
    assert [band.colour for band in chosen.bands] == ["green", "alpha"]
    np.testing.assert_array_equal(pixels(chosen), pixels(rgba)[[1, 3]])


def test_a_window_keeps_its_place_on_the_ground(tmp_path: Path) -> None:
    values = photograph(3, 80, 90, "uint16")
    source = Scene.open(write_raster(tmp_path / "a.tif", values))
    part = select_scene(source, tmp_path / "b.tif", bands=[3, 1], window=Window(20, 50, 30, 90))
    np.testing.assert_array_equal(pixels(part), values[[2, 0], 20:50, 30:90])
    with rasterio.open(tmp_path / "a.tif") as whole_file, rasterio.open(tmp_path / "b.tif") as file:
        assert file.xy(0, 0) == whole_file.xy(20, 30)
        assert file.crs == whole_file.crs


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"bands": [4]}, "Name different ones of the bands 1, 2, 3"),
        ({"bands": [1, 1]}, "Name different ones"),
        ({"window": Window(0, 81, 0, 10)}, "rows 0 to 81 and columns 0 to 10 are not inside 80 rows and 90 columns"),
    ],
)
def test_what_is_not_in_the_scene_cannot_be_selected(tmp_path: Path, choice: dict[str, Any], message: str) -> None:
    scene = Scene.open(write_raster(tmp_path / "a.tif", photograph(3, 80, 90)))
    with pytest.raises(DatprlError, match=message):
        select_scene(scene, tmp_path / "b.tif", **choice)
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize("ending", ["tif", "zarr"])
def test_a_copy_says_how_the_scene_was_restored_and_does_not_pass_for_the_output_of_that_job(
    tmp_path: Path, ending: str
) -> None:
    write_raster(tmp_path / "in.tif", photograph(3, 40, 50))
    restored = restore_scene(tmp_path / "in.tif", tmp_path / f"out.{ending}", stub_restorer(0.125)).output
    copy = tmp_path / f"copy.{ending}"
    tags = copy_scene(Scene.open(restored), copy).tags[""]
    assert tags["DATPRL_MODEL"] == Scene.open(restored).tags[""]["DATPRL_MODEL"]
    assert read_mark(restored).job is not None
    assert read_mark(copy).job is None
    with pytest.raises(OutputError, match="E_EXISTS"):
        restore_scene(tmp_path / "in.tif", copy, stub_restorer(0.125), SceneOptions(resume=True))


def test_another_format_is_refused(tmp_path: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "a.tif", photograph(1, 20, 20)))
    with pytest.raises(DatprlError, match=r"Let the name of the output end in \.tif or \.zarr"):
        copy_scene(scene, tmp_path / "b.png")


def test_single_bands_are_stacked_in_order_under_their_names(tmp_path: Path) -> None:
    values = photograph(3, 40, 50, "uint16")
    scenes = [Scene.open(write_raster(tmp_path / f"B{n}.tif", values[n : n + 1])) for n in (2, 0, 1)]
    stacked = stack_scenes(scenes, tmp_path / "stack.tif")
    np.testing.assert_array_equal(pixels(stacked), values[[2, 0, 1]])
    assert [band.description for band in stacked.bands] == ["B2", "B0", "B1"]


@pytest.mark.parametrize("nodata", [0, None])
def test_the_quarters_of_a_scene_make_the_scene_again(tmp_path: Path, nodata: float | None) -> None:
    values = photograph(2, 60, 80, "uint16")
    source = Scene.open(write_raster(tmp_path / "a.tif", values, nodata=nodata))
    quarters = [
        select_scene(source, tmp_path / f"{top}_{left}.tif", window=Window(top, top + 35, left, left + 45))
        for top, left in ((25, 35), (0, 0), (0, 35), (25, 0))
    ]
    mosaic = mosaic_scenes(quarters, tmp_path / "mosaic.tif")
    np.testing.assert_array_equal(pixels(mosaic), values)
    assert mosaic.grid == source.grid
    gap = mosaic_scenes([quarters[0], quarters[1]], tmp_path / "gap.tif")
    with gap.reader() as reader:
        valid = reader.read([1, 2], whole(gap.grid.shape)).valid
    assert valid[:, :35, :45].all()
    assert not valid[:, :25, 45:].any()


def test_scenes_on_other_grids_or_of_other_types_are_not_combined(tmp_path: Path) -> None:
    from affine import Affine

    scene = Scene.open(write_raster(tmp_path / "a.tif", photograph(1, 30, 30)))
    others = {
        "one grid": write_raster(
            tmp_path / "b.tif", photograph(1, 30, 30), transform=Affine(10, 0, 500_004, 0, -10, 5e6)
        ),
        "different types": write_raster(tmp_path / "c.tif", photograph(1, 30, 30, "uint16")),
        "reference systems": write_raster(tmp_path / "d.tif", photograph(1, 30, 30), crs="EPSG:32632"),
    }
    for message, path in others.items():
        with pytest.raises(DatprlError, match=message):
            mosaic_scenes([scene, Scene.open(path)], tmp_path / "mosaic.tif")
    with pytest.raises(DatprlError, match="different grids are not stacked"):
        small = Scene.open(write_raster(tmp_path / "e.tif", photograph(1, 30, 20)))
        stack_scenes([scene, small], tmp_path / "stack.tif")
