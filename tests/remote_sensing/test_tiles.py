from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.remote_sensing import Scene, SceneOptions, context_field
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context import context_images
from datprl_toolkit.remote_sensing.context_modes import plan_context, restore_in_context
from datprl_toolkit.remote_sensing.plan import Plan, plan_target, shard_size
from datprl_toolkit.remote_sensing.sampling import sample_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.threads import worker_count
from datprl_toolkit.remote_sensing.tiles import restore_tile
from datprl_toolkit.remote_sensing.windows import coarse, describe, fine, margins, split, whole
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.network.configuration import Backbone
    from datprl_toolkit.remote_sensing.options import ResolvedContext
    from datprl_toolkit.remote_sensing.tiles import WindowNetwork
    from datprl_toolkit.restoring import Restorer


def _planned(
    path: Path, restorer: Restorer, factor: int, halo: int, context: ResolvedContext = "scene"
) -> tuple[Plan, Callable[[Window], WindowNetwork]]:
    """Plan a scene and compute the context that all of it shares."""
    scene = Scene.open(path)
    choice = choose_bands(scene)
    options = SceneOptions(scale=factor)
    with scene.reader() as reader:
        sample = sample_scene(reader, choice.numbers, scene.grid.shape, largest=512 // factor)
    target, written = plan_target(scene, choice, options)
    profile = scene_profile("minmax:-0.1,1.1", scene.dtype, sample.values)
    plan = Plan(scene, target, choice.numbers, written, profile, sample.level, factor, 1.0, 2048, halo, 2048, context)
    plan = replace(plan, overlap=halo)
    shared = plan_context(plan, context_images(sample, profile, factor), restorer)

    def network(
        core: Window,
        image: npt.NDArray[np.float32],
        margins: tuple[int, int, int, int],
        flipped: tuple[int, ...] = (),
    ) -> npt.NDArray[np.float32]:
        return restore_in_context(plan, restorer, image, margins, shared, core, flipped)

    return plan, lambda core: partial(network, core)


def _holes(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values[:, 60:130, 90:170] = np.nan
    values[1, 20:24, 10:60] = np.nan
    values[:, 170:, :50] = np.nan
    return values


@pytest.mark.parametrize("context", ["scene", "field"])
@pytest.mark.parametrize(("backbone", "halo", "factor"), [("nafnet", 40, 1), ("nafnet", 40, 2), ("restormer", 80, 1)])
def test_tiles_equal_the_whole_scene_wherever_the_grid_of_tiles_lies(
    tmp_path: Path,
    backbone: Backbone,
    halo: int,
    factor: int,
    context: ResolvedContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context_field, "SPACING", 64)  # so that so small a scene has several nodes
    size = (203, 221) if factor == 1 else (140, 150)
    values = _holes(photograph(3, 203, 221, "float32"))[:, : size[0], : size[1]]
    path = write_raster(tmp_path / "scene.tif", values, nodata=float("nan"), photometric="RGB")
    plan, network = _planned(path, tiny_restorer(backbone=backbone), factor, halo, context)
    with plan.source.reader() as reader:
        everything = reader.read(plan.restored, whole(plan.source.grid.shape))
        complete = restore_tile(plan, everything, whole(plan.source.grid.shape), plan.area, network(plan.area))
        assert np.nanmax(np.abs(complete - np.repeat(np.repeat(values, factor, 1), factor, 2))) > 0.01
        for shift in (0, 40):
            for core in _shifted(plan.area, 128, shift):
                held = plan.needed(core)
                part = restore_tile(plan, reader.read(plan.restored, held), held, core, network(core))
                rows, columns = core.slices
                assert np.array_equal(np.isnan(part), np.isnan(complete[:, rows, columns]))
                difference = np.abs(part.astype(np.float64) - complete[:, rows, columns].astype(np.float64))
                assert np.nanmax(difference, initial=0.0) <= 1e-4


def _shifted(area: Window, size: int, shift: int) -> list[Window]:
    """Cut an area into tiles whose grid is moved by `shift`; those at its upper and left edge are smaller."""
    moved = Window(area.top - size + shift, area.bottom, area.left - size + shift, area.right)
    tiles = [Window(max(tile.top, 0), tile.bottom, max(tile.left, 0), tile.right) for tile in split(moved, size)]
    return [tile for tile in tiles if tile.height > 0 and tile.width > 0]


def test_a_tile_without_data_never_reaches_the_network(tmp_path: Path, tiny: Restorer) -> None:
    values = photograph(1, 300, 300)
    values[:, :150] = 0
    path = write_raster(tmp_path / "scene.tif", values, nodata=0)
    plan, _ = _planned(path, tiny, 1, 16)

    def forbidden(image: npt.NDArray[np.float32], around: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
        raise AssertionError("called")

    core = Window(0, 64, 0, 64)
    held = plan.needed(core)
    with plan.source.reader() as reader:
        pixels = reader.read(plan.restored, held)
    assert not restore_tile(plan, pixels, held, core, forbidden).any()


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_windows_of_two_resolutions_cover_each_other(factor: int) -> None:
    window = Window(13, 47, 5, 6)
    covering = fine(coarse(window, factor), factor)
    assert covering.top <= window.top
    assert covering.bottom >= window.bottom
    assert coarse(fine(window, factor), factor) == window
    assert margins(covering, window) == (
        window.top - covering.top,
        covering.bottom - window.bottom,
        window.left - covering.left,
        covering.right - window.right,
    )
    assert describe(window) == "rows 13 to 46, columns 5 to 5"


def test_shards_get_smaller_where_there_are_very_many_bands_and_workers_fewer(tmp_path: Path, tiny: Restorer) -> None:
    plan, _ = _planned(write_raster(tmp_path / "scene.tif", photograph(3, 16, 16), photometric="RGB"), tiny, 1, 64)
    assert shard_size(plan.target) == 2048
    hyperspectral = Scene.open(write_raster(tmp_path / "many.tif", np.ones((250, 8, 8), np.float32)))
    assert shard_size(hyperspectral) == 512
    assert 1 <= worker_count(plan) <= 3
