"""GDAL keeps little where nothing is read twice, and more where neighbours share strips or bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import rasterio

from datprl_toolkit.jobs.look import shrink_scene
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.combining import mosaic_scenes
from datprl_toolkit.remote_sensing.context_map import map_prompts
from datprl_toolkit.remote_sensing.radiometry import measure_radiometry
from datprl_toolkit.remote_sensing.raster_reading import RasterReader
from datprl_toolkit.remote_sensing.reading_cache import FOR_EDGES, FOR_STRIPS, cache_bytes
from datprl_toolkit.remote_sensing.rewriting import copy_scene
from datprl_toolkit.remote_sensing.seams import measure_seams
from datprl_toolkit.remote_sensing.seams_overlap import measure_disagreement
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.verify import verify_scene
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}


@pytest.mark.parametrize(
    ("bands", "creation", "expected"),
    [
        pytest.param(3, TILED, FOR_EDGES, id="tiled, all bands at once"),
        pytest.param(4, TILED, FOR_STRIPS, id="tiled, a band is copied afterwards"),
        pytest.param(3, {}, FOR_STRIPS, id="strips"),
    ],
)
def test_what_is_kept_goes_by_what_is_read_again(
    bands: int, creation: dict[str, Any], expected: int, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(bands, 128, 192), **creation)
    assert cache_bytes(Scene.open(path), (1, 2, 3)) == expected


USES: dict[str, Callable[[Path, Path], object]] = {
    "seams": lambda scene, other: measure_seams(scene, tile=32, original=other),
    "disagreement": lambda scene, other: measure_disagreement(scene, other),
    "radiometry": lambda scene, other: measure_radiometry(scene, other),
    "prompts": lambda scene, _: map_prompts(scene, scene.with_name("map.json"), tiny_restorer(), SceneOptions(tile=64)),
    "copying": lambda scene, _: copy_scene(Scene.open(scene), scene.with_name("copy.tif")),
    "mosaic": lambda scene, _: mosaic_scenes([Scene.open(scene)], scene.with_name("mosaic.tif")),
    "a picture of all": lambda scene, _: shrink_scene(Scene.open(scene), 32),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_who_reads_a_scene_through_lets_gdal_keep_little_whatever_the_machine_has(
    use: Callable[[Path, Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = write_raster(tmp_path / "scene.tif", photograph(3, 100, 120), photometric="RGB")
    other = restore_scene(scene, tmp_path / "other.tif", stub_restorer()).output
    granted = []
    read = RasterReader.read

    def watched_read(self: RasterReader, *arguments: Any) -> Any:
        granted.append(rasterio.env.getenv().get("GDAL_CACHEMAX"))
        return read(self, *arguments)

    monkeypatch.setattr(RasterReader, "read", watched_read)
    use(scene, other)
    verify_scene(other, lambda _: granted.append(rasterio.env.getenv().get("GDAL_CACHEMAX")))
    assert len(granted) > 1
    assert set(granted) <= {FOR_EDGES, FOR_STRIPS}
