"""Scenes as layers: lazy levels, the coordinates of the map, and stored values under the cursor."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import pytest
import zarr
from affine import Affine
from napari_datprl import scenes
from napari_datprl.scene_layers import describe_scene_position, map_position, scene_layer
from napari_datprl.scene_reader import get_reader
from napari_datprl.sources import KEY, SceneSource
from napari_datprl.testing import settle

from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

HEIGHT, WIDTH = 1500, 1200
TRANSFORM = Affine(10.0, 0.0, 399960.0, 0.0, -10.0, 5300040.0)


@pytest.fixture(scope="session")
def geotiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = photograph(3, HEIGHT, WIDTH, "uint16")
    values[:, :40, :60] = 0
    return write_raster(
        tmp_path_factory.mktemp("scene") / "scene.tif", values, transform=TRANSFORM, crs="EPSG:32632", nodata=0
    )


@pytest.fixture(scope="session")
def store(geotiff: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "scene.zarr"
    restore_scene(geotiff, path, stub_restorer(0.1), SceneOptions())
    return path


def levels(data: Any) -> list[Any]:
    return list(data) if isinstance(data, list) else [data]


def test_a_scene_opens_as_levels_of_colours_with_its_bands_and_its_place(geotiff: Path) -> None:
    data, options, kind = scene_layer(geotiff)
    assert kind == "image"
    assert [level.shape for level in levels(data)] == [(1500, 1200, 3), (750, 600, 3)]
    assert options["rgb"]
    assert all(level.dtype == np.uint8 for level in levels(data))
    assert options["metadata"]["crs"] == "EPSG:32632"
    assert [str(unit) for unit in options["units"]] == ["m", "m"]
    first = options["affine"] @ [0, 0, 1]
    assert np.allclose(first[:2], [-(5300040.0 - 5.0), 399960.0 + 5.0])
    last = options["affine"] @ [1, 2, 1]
    assert np.allclose(last[:2] - first[:2], [10.0, 20.0])


def test_the_finest_level_is_the_raster_itself(geotiff: Path) -> None:
    scene = Scene.open(geotiff)
    found = scenes.scene_levels(scene, (3, 1))
    import rasterio

    with rasterio.open(geotiff) as dataset:
        expected = np.moveaxis(dataset.read([3, 1]), 0, -1)
        coarse = np.moveaxis(dataset.read([3, 1], out_shape=(2, 750, 600)), 0, -1)
    assert np.array_equal(found[0].compute(scheduler="synchronous"), expected)
    assert found[1].shape == coarse.shape
    assert np.abs(found[1].compute(scheduler="synchronous").astype(int) - coarse.astype(int)).max() <= 400
    assert np.array_equal(scenes.scene_levels(scene, (2,))[0][:50, :70].compute(), expected_band(geotiff, 2)[:50, :70])


def expected_band(path: Path, band: int) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read(band)
    return values


def test_a_store_gives_its_own_pyramid(store: Path) -> None:
    group: Any = zarr.open_group(store, mode="r")
    found = scenes.scene_levels(Scene.open(store), (1, 2, 3))
    names = [entry["asset"] for entry in dict(group.attrs)["multiscales"]["layout"]]
    assert len(found) == len(names) > 1
    for level, name in zip(found, names, strict=True):
        assert np.array_equal(level.compute(scheduler="synchronous"), np.moveaxis(group[name][:], 0, -1))


def test_nothing_is_read_until_it_is_shown_and_then_only_that(geotiff: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = scenes._RasterBlocks.read

    def counted(self: Any, factor: int, shape: Any, block_info: Any = None) -> np.ndarray:
        block = original(self, factor, shape, block_info)
        read.append(block.size)
        return block

    monkeypatch.setattr(scenes._RasterBlocks, "read", counted)
    with dask.config.set(scheduler="synchronous"):
        data, _, _ = scene_layer(geotiff)
        opening = sum(read)
        assert opening == 750 * 600 * 3, "the coarsest level alone, to choose what is white"
        read.clear()
        np.asarray(data[0][600:700, 700:800])
    assert sum(read) == 512 * 512 * 3


def test_values_under_the_cursor_are_those_that_are_stored_with_their_place_on_the_map(geotiff: Path) -> None:
    _, options, _ = scene_layer(geotiff)
    source = options["metadata"][KEY]
    assert isinstance(source, SceneSource)
    values = [expected_band(geotiff, band)[700, 800] for band in (1, 2, 3)]
    said = describe_scene_position(source, 700, 800)
    assert said == f"bands 1, 2, 3: {', '.join(map(str, values))}, x 407965.00 y 5293035.00"
    assert "no data, no data, no data" in describe_scene_position(source, 3, 3)
    assert describe_scene_position(source, -1, 5) == ""
    assert map_position(source.scene, 0, 0) == (399965.0, 5300035.0)


def test_the_status_bar_tells_them_too(geotiff: Path, model: Viewer) -> None:
    from napari_datprl.status import show_values

    show_values(model)
    (layer,) = model.open(str(geotiff), plugin="datprl-toolkit")
    world = layer.data_to_world((700, 800))
    assert "x 407965.00 y 5293035.00" in layer.get_status(world, world=True)["coordinates"]


def test_a_picture_without_a_place_is_left_to_others(tmp_path: Path) -> None:
    bare = write_raster(tmp_path / "bare.tif", photograph(1, 40, 50), crs=None, transform=None)
    assert get_reader(str(bare)) is None
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "nowhere.tif")) is None


def test_a_rotated_scene_lies_as_its_transform_says(tmp_path: Path) -> None:
    turned = Affine.translation(1000, 2000) @ Affine.rotation(30) @ Affine.scale(2, -2)
    path = write_raster(tmp_path / "turned.tif", photograph(1, 40, 50), transform=turned, crs="EPSG:32632")
    _, options, _ = scene_layer(path)
    world = options["affine"] @ [10, 20, 1]
    x, y = turned @ (20.5, 10.5)
    assert np.allclose(world[:2], [-y, x])


@pytest.mark.gl
@pytest.mark.parametrize("kind", ["geotiff", "store"])
def test_a_scene_is_seen_north_up_with_its_pyramid(kind: str, viewer: Viewer, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(kind)
    (layer,) = viewer.open(str(path), plugin="datprl-toolkit")
    viewer.reset_view()
    settle(1.0)
    assert layer.multiscale
    assert layer.data_level > 0
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    shown = picture.max(axis=-1) > 8
    rows, columns = np.nonzero(shown)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.03)
    top, left = rows.min(), columns.min()
    corner = picture[top + 2 : top + height // 60, left + 2 : left + width // 60]
    middle = picture[top + height // 3 : top + 2 * height // 3, left + width // 3 : left + 2 * width // 3]
    assert corner.size == 0 or corner.mean() < middle.mean(), "what is no data lies in the north-west"
    assert middle.std() > 10
    viewer.scene.camera.zoom *= 12
    settle(1.0)
    assert layer.data_level == 0


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A store of 2.2 GB in the toolkit's own layout, whose blocks are all missing, and so read as no data."""
    from datprl_toolkit.remote_sensing.zarr_layout import Layout
    from datprl_toolkit.remote_sensing.zarr_writing import create_store

    small = Scene.open(write_raster(tmp_path / "small.tif", photograph(3, 64, 64, "uint8"), transform=TRANSFORM))
    target = replace(small, grid=replace(small.grid, height=30000, width=24000), path=tmp_path / "huge.zarr")
    create_store(tmp_path / "huge.zarr", Layout(target), {})
    return tmp_path / "huge.zarr"


@pytest.mark.gl
def test_of_a_store_of_two_gigabytes_only_what_is_shown_is_read(
    huge: Path, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    asked: list[str] = []
    original, get = zarr.Array.__getitem__, zarr.storage.LocalStore.get

    def counted(self: Any, key: Any) -> Any:
        found = original(self, key)
        read.append(np.asarray(found).nbytes)
        return found

    async def noted(self: Any, key: str, *others: Any, **options: Any) -> Any:
        asked.append(key)
        return await get(self, key, *others, **options)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    monkeypatch.setattr(zarr.storage.LocalStore, "get", noted)
    finest: Any = zarr.open_group(huge, mode="r")["restored"]
    assert finest.nbytes > 2 * 10**9
    (layer,) = viewer.open(str(huge), plugin="datprl-toolkit")
    viewer.reset_view()
    settle(0.5)
    shown = viewer.window._qt_viewer.canvas.size
    coarsest = int(np.prod(layer.data[-1].shape))
    assert layer.data_level > 2
    # The level that is shown has up to four times the pixels of the screen, and its blocks reach beyond the view.
    assert 0 < sum(read) < coarsest + 3 * 4 * (shown[0] + 512) * (shown[1] + 512)
    assert not any(key.startswith("restored/c/") for key in asked)
    read.clear()
    viewer.scene.camera.zoom *= layer.downsample_factors[layer.data_level][0] * 1.5
    settle(0.5)
    assert layer.data_level == 0
    assert 0 < sum(read) < 3 * 4 * (shown[0] + 512) * (shown[1] + 512)
    assert 0 < len({key for key in asked if key.startswith("restored/c/")}) <= 4, "of 180 shards"


def test_a_store_without_a_pyramid_is_seen_from_afar_through_some_of_its_pixels(tmp_path: Path) -> None:
    values = photograph(3, 1100, 2100, "uint8")
    copied = write_raster(tmp_path / "scene.tif", values, transform=TRANSFORM)
    import rioxarray

    image: Any = rioxarray.open_rasterio(copied)
    image.to_dataset(name="image").to_zarr(tmp_path / "bare.zarr", zarr_format=2)
    found = scenes.scene_levels(Scene.open(tmp_path / "bare.zarr"), (1, 2, 3))
    assert [level.shape[:2] for level in found] == [(1100, 2100), (550, 1050), (275, 525)]
    assert np.array_equal(np.asarray(found[2]), np.moveaxis(values, 0, -1)[::4, ::4])
