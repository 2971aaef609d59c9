"""Every odd raster and every scene that stands beside the repository, judged by the readers of other people."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from rasterio.crs import CRS
from rio_cogeo.cogeo import cog_validate

from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.raster_reading import quiet_opening
from datprl_toolkit.remote_sensing.seams import measure_seams
from datprl_toolkit.remote_sensing.testing import stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from tests.remote_sensing.conftest import SHARED_DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.remote_sensing.options import ContextMode
    from datprl_toolkit.restoring import Restorer

REFUSED = ("cog_cmap", "slc", "corrupt")  # a palette, complex numbers, damage: see test_failures.py
SIDE = 150
SCALE = 4

# Some have no georeference, or scales that differ, of which the readers that judge here warn.
pytestmark = [
    pytest.mark.shared,
    pytest.mark.filterwarnings(
        "ignore::rasterio.errors.NotGeoreferencedWarning", "ignore:(Scales|Offsets) differ:UserWarning"
    ),
]


def scenes() -> list[Path]:
    return sorted((SHARED_DATA / "rs_scene").rglob("*.tif"))


def rasters() -> list[Path]:
    found = sorted((SHARED_DATA / "geotiff_format").glob("*.tif"))
    return [path for path in found if not path.stem.endswith(REFUSED)] + scenes()


@pytest.fixture(params=rasters(), ids=lambda path: path.stem)
def source(request: pytest.FixtureRequest, tmp_path: Path, run_tool: Callable[..., str]) -> Path:
    """A raster, or the middle of it where it is larger: as GDAL cuts it, without touching a pixel."""
    path: Path = request.param
    with quiet_opening(), rasterio.open(path) as dataset:
        height, width = dataset.shape
    if max(height, width) <= SIDE:
        return path
    top, left = max(height - SIDE, 0) // 2, max(width - SIDE, 0) // 2
    part = map(str, (left, top, min(SIDE, width), min(SIDE, height)))
    run_tool("gdal_translate", "-q", "-of", "VRT", "-srcwin", *part, str(path), str(tmp_path / "part.vrt"))
    return tmp_path / "part.vrt"


def described(run_tool: Callable[..., str], name: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run_tool("gdalinfo", "-json", str(name)))
    return told


def reference(told: dict[str, Any]) -> CRS | None:
    wkt = told.get("coordinateSystem", {}).get("wkt")
    return CRS.from_wkt(wkt) if wkt else None


def transform(told: dict[str, Any]) -> list[float] | None:
    """Return what gdalinfo says of the grid; the identity says nothing."""
    terms: list[float] | None = told.get("geoTransform")
    return None if terms == [0, 1, 0, 0, 0, 1] else terms


def pixels(path: Path) -> Any:
    scene = Scene.open(path)
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


def test_enlarged_it_is_a_cog_on_the_exact_grid(source: Path, tmp_path: Path, run_tool: Callable[..., str]) -> None:
    output = restore_scene(source, tmp_path / "out.tif", stub_restorer(), SceneOptions(scale=SCALE)).output
    before, after = described(run_tool, source), described(run_tool, output)
    assert reference(after) == reference(before)
    assert after["size"] == [SCALE * length for length in before["size"]]
    terms = transform(before)
    if terms is None:
        assert transform(after) is None
    else:
        divided = [term / by for term, by in zip(terms, (1, SCALE, SCALE, 1, SCALE, SCALE), strict=True)]
        assert transform(after) == pytest.approx(divided, rel=1e-12)
        for corner, place in before["cornerCoordinates"].items():
            assert after["cornerCoordinates"][corner] == pytest.approx(place, rel=1e-9)
    places = [(SCALE * point["pixel"], SCALE * point["line"]) for point in before.get("gcps", {}).get("gcpList", ())]
    assert [(point["pixel"], point["line"]) for point in after.get("gcps", {}).get("gcpList", ())] == places
    assert after["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    assert cog_validate(output, strict=True) == (True, [], [])
    for old, new in zip(before["bands"], after["bands"], strict=True):
        for key in ("type", "colorInterpretation", "noDataValue"):
            assert str(new.get(key)) == str(old.get(key))
        assert bool(new.get("overviews")) == (max(after["size"]) > 512)
        assert new.get("mask", {}).get("flags") == old.get("mask", {}).get("flags")
    thumbnail = ("-q", "-of", "PNG", "-ot", "Byte", "-b", "1", "-outsize", "512", "0")
    run_tool("gdal_translate", *thumbnail, str(output), str(tmp_path / "small.png"))


def test_as_zarr_it_is_read_by_old_gdal_and_by_xarray_as_the_cog_is(
    source: Path, tmp_path: Path, run_tool: Callable[..., str]
) -> None:
    cog = restore_scene(source, tmp_path / "out.tif", stub_restorer()).output
    options = SceneOptions(zarr_profile="legacy")
    store = restore_scene(source, tmp_path / "out.zarr", stub_restorer(), options).output
    assert pixels(store).tobytes() == pixels(cog).tobytes() == pixels(source).tobytes()
    has_nodata = Scene.open(source).nodata is not None  # a mask lies beside the pixels in a store, and hides none
    with (
        xr.open_zarr(store, decode_coords="all") as dataset,
        cast("xr.DataArray", rioxarray.open_rasterio(cog, masked=has_nodata)) as expected,
    ):
        restored = dataset["restored"]
        assert restored.rio.crs == expected.rio.crs
        assert restored.rio.transform() == expected.rio.transform()
        assert str(restored.rio.encoded_nodata) == str(expected.rio.encoded_nodata)
        assert np.array_equal(np.asarray(restored), np.asarray(expected), equal_nan=True)
    name = f'ZARR:"{store}":/restored:0'
    legacy, written = described(run_tool, name), described(run_tool, cog)
    assert reference(legacy) == reference(written)
    terms = transform(written)
    if terms is None or terms[2] == terms[4] == 0:  # GDAL reads the grid of a store from the places of its pixels
        assert transform(legacy) == (terms if terms is None else pytest.approx(terms, rel=1e-9))
    assert str(legacy["bands"][0].get("noDataValue")) == str(written["bands"][0].get("noDataValue"))
    run_tool("gdal_translate", "-q", name, str(tmp_path / "copy.tif"))
    with quiet_opening(), rasterio.open(tmp_path / "copy.tif") as dataset:
        copied = dataset.read(1)
    assert copied.tobytes() == pixels(source)[0].tobytes()


@pytest.mark.parametrize("scene", scenes(), ids=lambda path: path.stem)
def test_the_tiles_of_a_scene_equal_the_whole_and_leave_no_seam(scene: Path, tmp_path: Path, tiny: Restorer) -> None:
    with rasterio.open(scene) as dataset:
        values = dataset.read([1, 2, 3], window=((0, 200), (0, 200))).astype(np.float32) / np.float32(255)
    original = write_raster(tmp_path / "scene.tif", values, photometric="RGB")
    restored = {}
    modes: tuple[ContextMode, ...] = ("scene", "tile")
    for context, tile in product(modes, (64, 1024)):
        options = SceneOptions(tile=tile, halo=48, context=context, scaling="minmax:0,1")
        output = restore_scene(original, tmp_path / f"{context}{tile}.tif", tiny, options).output
        restored[context, tile] = pixels(output)
    assert np.abs(restored["scene", 64] - restored["scene", 1024]).max() <= 1e-4
    assert np.abs(restored["tile", 64] - restored["tile", 1024]).max() > 1e-4
    seams = measure_seams(tmp_path / "scene64.tif", tile=64, original=original)
    assert seams.index <= 1.02
    assert seams.is_seamless


@pytest.mark.usefixtures("shared_data")
def test_all_of_them_are_found() -> None:
    assert len(rasters()) == 29
