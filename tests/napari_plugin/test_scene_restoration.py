"""Scenes in the viewer: restored tile by tile where somebody looks, compared at every level, written as a whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image
from napari_datprl import writer
from napari_datprl.choices import Choices, Profile, likely_profile, prepare
from napari_datprl.combined import Difference, Wiped
from napari_datprl.comparing import Mode
from napari_datprl.layers import restored_layer
from napari_datprl.messages import Cancelled, Failed, Finished, Loaded, Network, SliceAnswered
from napari_datprl.regions import Regions
from napari_datprl.requests import can_write, prompts_request, write_request
from napari_datprl.scene_layers import describe_scene_position, scene_layer
from napari_datprl.scene_restoration import MOST_TILES, TILE, SceneRestoration, overlap, tiles_of
from napari_datprl.sources import KEY
from napari_datprl.testing import fill, wait_for
from napari_datprl.viewing import shown_region

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer
    from napari_datprl.engine_process import EngineProcess

WHOLE = np.random.default_rng(0).normal(size=(9, 7, 3))
HEIGHT, WIDTH = 700, 1100
TURNED = Affine.translation(400000, 5300000) @ Affine.rotation(20) @ Affine.scale(10, -10)


@given(key=st.tuples(*(st.one_of(st.integers(-length, length - 1), st.slices(length)) for length in WHOLE.shape)))
def test_regions_are_indexed_as_the_array_that_they_make_up(key: tuple[Any, ...]) -> None:
    regions = Regions(lambda rows, columns: WHOLE[rows, columns], WHOLE.shape, WHOLE.dtype)
    assert np.array_equal(regions[key], WHOLE[key])
    assert np.array_equal(regions[..., key[2]], WHOLE[..., key[2]])
    assert np.array_equal(np.asarray(regions), WHOLE)


def test_the_tiles_that_are_seen_come_first_and_a_large_scene_is_not_kept_whole() -> None:
    shown = Window(9000, 9800, 20000, 21500)
    tiles = tiles_of((30000, 30000), shown)
    assert len(tiles) == MOST_TILES
    seen = [overlap(tile, shown) for tile in tiles]
    assert sum(seen) == 3 * 3
    assert all(seen[: sum(seen)])
    small = tiles_of((700, 1100), Window(0, 700, 0, 1100))
    assert sum(tile.height * tile.width for tile in small) == 700 * 1100


@pytest.fixture(scope="module")
def geotiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = photograph(3, HEIGHT, WIDTH, "uint16")
    values[:, :40, :60] = 0
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", values, nodata=0, transform=TURNED)


@pytest.fixture(scope="module")
def written(geotiff: Path, tiny_weights: str, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What the command line writes at strength 0.5, (rows, columns, bands)."""
    target = tmp_path_factory.mktemp("written") / "scene.tif"
    restore_scene(geotiff, target, Restorer.from_pretrained(tiny_weights, device="cpu"), SceneOptions(strength=0.5))
    with rasterio.open(target) as dataset:
        return np.moveaxis(dataset.read(), 0, -1)


@pytest.fixture(scope="module")
def restored(geotiff: Path, engine: EngineProcess, tiny_weights: str) -> tuple[Image, Image, SceneRestoration]:
    """The scene and what was restored of it, as layers, at strength 0.5."""
    data, options, _ = scene_layer(geotiff)
    layer = Image(data, **options)
    made, asked = prepare(layer, Choices(Network(tiny_weights, "cpu"), strength=0.5), 0)
    assert isinstance(made, SceneRestoration)
    assert np.asarray(made.stack[0])[..., 3].max() == 0, "what is not restored is transparent"
    assert isinstance(fill(made, asked, engine), Finished)
    data, options, _ = restored_layer(made, "restored", layer)
    options["metadata"]["restored_from"] = layer
    return layer, Image(data, **options), made


def test_what_is_seen_of_a_scene_is_what_the_command_line_writes(
    restored: tuple[Image, Image, SceneRestoration], geotiff: Path, written: np.ndarray
) -> None:
    before, after, made = restored
    source = made.source
    shown = np.asarray(after.data[0])
    assert shown.shape == (HEIGHT, WIDTH, 4)
    assert (shown[..., 3] == 255).all()
    assert np.abs(shown[..., :3].astype(int) - source.stretched(written)).max() <= 1
    assert np.abs(shown[..., :3].astype(int) - np.asarray(before.data[0])).max() > 3
    coarse = np.asarray(after.data[1])
    assert coarse.shape == (*before.data[1].shape[:2], 4)
    halves = shown[: HEIGHT // 2 * 2, : WIDTH // 2 * 2, :3].reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3)
    assert np.abs(coarse[..., :3] - halves.mean(axis=(1, 3))).mean() < 12
    for row, column in ((300, 800), (600, 100)):
        said = describe_scene_position(source, row, column, made)
        assert f"restored {', '.join(map(str, written[row, column]))}, difference" in said
    assert "restored no data, no data, no data" in describe_scene_position(source, 3, 3, made)
    made.set_strength(0.0)
    assert np.array_equal(np.asarray(after.data[0])[..., :3], np.asarray(before.data[0]))
    made.set_strength(0.5)


class Read:
    """An array that keeps the shapes of what is read of it."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.shapes = values, values.shape, list[tuple[int, ...]]()

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        self.shapes.append(self.values[key].shape[:2])
        return self.values[key]


@pytest.mark.parametrize("bands", [(1, 2, 3), (1,)])
def test_a_tile_that_arrives_is_all_that_is_read_and_drawn_of_a_view(
    restored: tuple[Image, Image, SceneRestoration], bands: tuple[int, ...]
) -> None:
    source = restored[2].source
    fine = Read(np.asarray(source.levels[0])[..., : len(bands)].squeeze())
    source = replace(source, bands=bands, levels=[fine, fine.values[::2, ::2]])
    tiles = tiles_of((HEIGHT, WIDTH), Window(0, HEIGHT, 0, WIDTH))
    made = SceneRestoration(source, Network("any", "cpu"), 1.0, tiles)
    view = np.s_[100:650, 300:1000]
    at_once = SceneRestoration(source, Network("any", "cpu"), 1.0, tiles)
    made.stack[0][view], made.stack[1][:]
    assert fine.shapes == [], "nothing is restored yet"
    for index, tile in enumerate(tiles):
        change = np.random.default_rng(index).normal(0, 3000, (tile.height, tile.width, len(bands))).astype(np.float32)
        made.add(index, change)
        at_once.add(index, change)
        fine.shapes.clear()
        shown, coarse = made.stack[0][view], made.stack[1][:]
        seen = [max(0, min(650, tile.bottom) - max(100, tile.top)), max(0, min(1000, tile.right) - max(300, tile.left))]
        assert fine.shapes == ([tuple(seen)] if all(seen) else [])
        shown[:] = 0
    assert np.array_equal(made.stack[0][view], at_once.stack[0][view], equal_nan=True)
    assert np.array_equal(coarse, at_once.stack[1][:], equal_nan=True)
    first = np.s_[tiles[0].top : tiles[0].bottom, tiles[0].left : tiles[0].right]
    made.add(0, np.zeros((tiles[0].height, tiles[0].width, len(bands)), np.float32))
    again, stored = made.stack[0][first], fine.values[first]
    assert np.array_equal(again[..., :3], source.stretched(stored)) if source.is_coloured else (again == stored).all()


@pytest.mark.parametrize("ending", [".tif", ".zarr"])
def test_a_scene_is_written_whole_as_the_command_line_writes_it(
    ending: str,
    restored: tuple[Image, Image, SceneRestoration],
    engine: EngineProcess,
    written: np.ndarray,
    tmp_path: Path,
) -> None:
    made = restored[2]
    assert can_write(made)
    target = tmp_path / f"out{ending}"
    reply = fill(made, write_request(made, target), engine)
    assert isinstance(reply, Finished), reply
    _, options, _ = scene_layer(target)
    assert np.array_equal(np.asarray(options["metadata"][KEY].levels[0]), written)
    again = fill(made, write_request(made, target), engine)
    assert isinstance(again, Failed)
    assert again.error.code is ErrorCode.EXISTS


def test_the_writer_copies_an_original_in_another_format(
    restored: tuple[Image, Image, SceneRestoration],
    engine: EngineProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "finish", partial(writer.finish, engine=engine))
    before = restored[0]
    (path,) = writer.write_scene(str(tmp_path / "copy.zarr"), before.data, {"metadata": before.metadata})
    _, options, _ = scene_layer(tmp_path / "copy.zarr")
    assert path == str(tmp_path / "copy.zarr")
    copied, original = options["metadata"][KEY].levels[0], before.metadata[KEY].levels[0]
    assert np.array_equal(np.asarray(copied), np.asarray(original))
    with pytest.raises(DatprlError, match="only a georeferenced scene"):
        writer.write_scene(str(tmp_path / "other.zarr"), before.data, {"metadata": {}})


def test_layers_with_a_pyramid_are_compared_at_every_level_and_only_where_it_is_shown(
    restored: tuple[Image, Image, SceneRestoration], geotiff: Path, written: np.ndarray
) -> None:
    before, after, _ = restored
    with rasterio.open(geotiff) as dataset:
        original = np.moveaxis(dataset.read(), 0, -1).astype(float)
    difference = Difference(before, after)
    rows, columns = slice(100, 400), slice(200, 900)
    expected = (written - original).mean(axis=-1)[rows, columns]
    assert np.abs(difference.data[0][rows, columns] - expected).max() < 1
    assert difference.sample(None).shape == before.data[1].shape[:2]
    for level in range(2):
        whole = np.asarray(after.data[level])
        line = round(0.4 * whole.shape[1])
        for side, seen, hidden in (
            ("left", slice(None, line), slice(line, None)),
            ("right", slice(line, None), slice(None, line)),
        ):
            wiped = Wiped(after, side, 0.4)  # type: ignore[arg-type]  # one of the two
            found = wiped.data[level][:, line - 50 : line + 50]
            assert np.array_equal(found, np.asarray(wiped.data[level])[:, line - 50 : line + 50])
            assert np.array_equal(np.asarray(wiped.data[level])[:, seen], whole[:, seen])
            assert (np.asarray(wiped.data[level])[:, hidden, 3] == 0).all()


def test_the_network_is_asked_about_the_middle_of_what_is_shown(geotiff: Path) -> None:
    data, options, _ = scene_layer(geotiff)
    layer, profile = Image(data, **options), IntensityProfile("all", 0.0, 10000.0, "1")
    asked = prompts_request(layer, Window(0, HEIGHT, 0, WIDTH), Network(), profile)
    rows, columns = slice(HEIGHT // 2 - 256, HEIGHT // 2 + 256), slice(WIDTH // 2 - 256, WIDTH // 2 + 256)
    with rasterio.open(geotiff) as dataset:
        expected = np.moveaxis(dataset.read(), 0, -1)[rows, columns]
    assert np.array_equal(asked.image, profile.to_unit(expected))
    assert likely_profile(layer).low == options["metadata"][KEY].window[0]


def test_scaling_is_that_which_a_person_chose(geotiff: Path, engine: EngineProcess, tiny_weights: str) -> None:
    data, options, _ = scene_layer(geotiff)
    layer = Image(data, **options)
    low, high = options["metadata"][KEY].window
    for chosen, ends in ((Profile.REFLECTANCE, (0.0, 10000.0)), (Profile.SHOWN, (low, high))):
        made, asked = prepare(layer, Choices(Network(tiny_weights, "cpu"), chosen), 0)
        replies = []
        for reply in engine.ask(asked):
            replies.append(reply)
            if isinstance(reply, SliceAnswered):
                engine.cancel()
        assert isinstance(replies[-1], Cancelled)
        profile = next(reply.profile for reply in replies if isinstance(reply, Loaded))
        assert profile is not None
        assert (profile.low, profile.high) == pytest.approx(ends)
        assert made.done == 0


@pytest.mark.gl
def test_a_scene_is_restored_where_it_is_seen_and_compared_along_its_own_columns(
    viewer: Viewer, geotiff: Path, engine: EngineProcess, tiny_weights: str
) -> None:
    (original,) = viewer.open(str(geotiff), plugin="datprl-toolkit")
    _, restore = viewer.window.add_plugin_dock_widget("datprl-toolkit", "Restore")
    wait_for(lambda: not restore.engine.is_working)
    restore.engine = engine
    restore.weights.setCurrentText(tiny_weights)
    restore.device.setCurrentText("cpu")
    viewer.reset_view()
    viewer.scene.camera.center = (0.0, *original.data_to_world((HEIGHT - 50, WIDTH - 50)))
    viewer.scene.camera.zoom *= 16
    shown = shown_region(viewer, original)
    assert (shown.bottom, shown.right) == (HEIGHT, WIDTH)
    assert shown.top > TILE
    restore.start()
    tiles = restore.run.restoration.tiles
    assert tiles[0] == Window(TILE, HEIGHT, 2 * TILE, WIDTH)
    made = restore.run.restoration
    wait_for(lambda: made.done > 0 or restore.start_button.isEnabled())
    restore.cancel()
    wait_for(lambda: restore.start_button.isEnabled() and not engine.is_working)
    assert made.complete or f"{made.done} of 6 tiles are restored and stay" in restore.message.text()
    assert made.change_at(HEIGHT - 50, WIDTH - 50) is not None
    after = viewer.layers[1]
    assert restore.export_button.isEnabled()
    assert restore.export_button.text() == "Write scene ..."
    viewer.reset_view()
    _, compare = viewer.window.add_plugin_dock_widget("datprl-toolkit", "Compare")
    compare.set_mode(Mode.CURTAIN)
    *halves, line = list(viewer.layers)[2:]
    assert [half.multiscale for half in halves] == [True, True]
    ends = np.array([original.world_to_data(point) for point in line.data[0]])
    assert np.allclose(ends, [[-0.5, WIDTH / 2 - 0.5], [HEIGHT - 0.5, WIDTH / 2 - 0.5]], atol=0.1)
    compare.set_mode(Mode.OFF)
    assert list(viewer.layers) == [original, after]
