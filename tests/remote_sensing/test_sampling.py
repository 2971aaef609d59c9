from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.context import CONTEXT_COUNT, CONTEXT_SIZE, SAMPLED_WHOLE, as_batch, context_images
from datprl_toolkit.remote_sensing.sampling import SAMPLE_COUNT, SAMPLE_SIZE, sample_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path


def test_a_small_scene_is_its_own_sample(tmp_path: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "scene.tif", photograph(1, 97, 130)))
    with scene.reader() as reader:
        sample = sample_scene(reader, [1], scene.grid.shape)
    assert sample.windows == (Window(0, 97, 0, 130),)
    assert sample.values().size == 97 * 130


def test_a_large_scene_is_sampled_all_over_with_windows_of_one_size(tmp_path: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "scene.tif", photograph(1, 1500, 2100)))
    with scene.reader() as reader:
        sample = sample_scene(reader, [1], scene.grid.shape)
    assert {(window.height, window.width) for window in sample.windows} == {(SAMPLE_SIZE, SAMPLE_SIZE)}
    assert 8 <= len(sample.windows) <= SAMPLE_COUNT
    for quarter in (Window(0, 750, 0, 1050), Window(750, 1500, 1050, 2100)):
        assert any(quarter.top <= window.top < quarter.bottom for window in sample.windows)
        assert any(quarter.left <= window.left < quarter.right for window in sample.windows)


def test_a_single_island_in_an_ocean_of_nodata_is_found(tmp_path: Path) -> None:
    values = np.zeros((1, 3000, 3000), np.uint8)
    values[0, 1300:1310, 2222:2230] = 7
    scene = Scene.open(write_raster(tmp_path / "scene.tif", values, nodata=0, tiled=True, compress="deflate"))
    with scene.reader() as reader:
        sample = sample_scene(reader, [1], scene.grid.shape)
    assert set(sample.values().tolist()) == {7}
    assert sample.level.tolist() == [7]


def test_a_scene_without_data_gives_an_empty_sample(tmp_path: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "scene.tif", np.zeros((2, 700, 80), np.uint8), nodata=0))
    with scene.reader() as reader:
        sample = sample_scene(reader, [1, 2], scene.grid.shape)
    assert sample.is_empty
    assert sample.values().size == 0


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (97, 61), (700, 80), (600, 900)])
def test_the_context_is_computed_from_images_as_the_network_will_see_them(
    tmp_path: Path, shape: tuple[int, int], factor: int
) -> None:
    values = photograph(3, *shape, "uint16")
    values[:, : shape[0] // 3] = 0
    scene = Scene.open(write_raster(tmp_path / "scene.tif", values, nodata=0))
    with scene.reader() as reader:
        sample = sample_scene(reader, [1, 2, 3], scene.grid.shape, largest=SAMPLED_WHOLE // factor)
    centred = context_images(sample, scene_profile(None, scene.dtype, sample.values), factor)
    images = as_batch(centred)
    height, width = (length * factor for length in shape)
    assert all(0 < each.row < height and 0 < each.column < width for each in centred)
    assert 1 <= len(images) <= CONTEXT_COUNT
    assert images.dtype == np.float32
    assert 0 <= images.min() <= images.max() <= 1
    assert max(images.shape[-2:]) <= 2 * CONTEXT_SIZE
