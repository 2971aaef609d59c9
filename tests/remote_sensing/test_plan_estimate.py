from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest
import rasterio
from affine import Affine

from datprl_toolkit.remote_sensing import SceneOptions
from datprl_toolkit.remote_sensing.plan_estimate import estimate_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster

if TYPE_CHECKING:
    from pathlib import Path


def sparse(path: Path, side: int, **creation: object) -> Path:
    """Write a scene of which the file holds no pixel at all."""
    profile = {
        "driver": "GTiff", "count": 3, "width": side, "height": side, "dtype": "uint16", "crs": "EPSG:32633",
        "transform": Affine(10, 0, 0, 0, -10, 0), "sparse_ok": True, "tiled": True, "blockxsize": 512,
        "blockysize": 512, "bigtiff": True, "photometric": "RGB", **creation,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile):
        pass
    return path


def test_a_scene_of_forty_thousand_megapixels_is_planned_from_a_sample(tmp_path: Path) -> None:
    source = sparse(tmp_path / "huge.tif", 200_000)
    estimate = estimate_scene(source, stub_restorer(), SceneOptions())
    assert (estimate.width, estimate.height, estimate.bands) == (200_000, 200_000, 3)
    assert estimate.shards == 98**2
    assert estimate.tiles == 391**2
    assert estimate.bytes_written == 200_000**2 * 3 * 2
    assert 1.0 < estimate.bytes_read / estimate.bytes_written < 1.25
    assert estimate.bytes_stored == source.stat().st_size
    # What the process has had already counts too, and here it has run other tests before.
    assert estimate.memory - 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 2**30
    assert estimate.seconds == pytest.approx(estimate.seconds_per_tile * estimate.tiles)
    assert list(tmp_path.iterdir()) == [source]


def test_a_huge_scene_without_data_is_not_searched(tmp_path: Path) -> None:
    estimate = estimate_scene(sparse(tmp_path / "void.tif", 100_000, nodata=0), stub_restorer(), SceneOptions())
    assert (estimate.share, estimate.seconds) == (0.0, 0.0)


def test_tiles_and_shards_are_counted_on_the_enlarged_grid(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(5, 300, 700, "uint16"))
    options = SceneOptions(scale=4, tile=512, other_bands="drop", bands=(1, 2, 3))
    estimate = estimate_scene(source, stub_restorer(), options)
    assert (estimate.width, estimate.height, estimate.bands) == (2800, 1200, 3)
    assert (estimate.shards, estimate.tiles) == (2, 3 * 6)
    assert estimate.bytes_written == 2800 * 1200 * 3 * 2
    assert "bands 1, 2, 3 of 5 (as asked)" in estimate.restored


def test_where_half_of_the_scene_is_no_data_half_of_the_time_is_needed(tmp_path: Path) -> None:
    values = photograph(1, 2000, 2000)
    values[:, :, 1000:] = 0
    source = write_raster(tmp_path / "half.tif", values, nodata=0)
    assert estimate_scene(source, stub_restorer(), SceneOptions()).share == pytest.approx(0.5, abs=0.15)


def test_a_wider_context_is_read_and_counted(tmp_path: Path) -> None:
    source = sparse(tmp_path / "scene.tif", 10_000)
    usual, local = (estimate_scene(source, stub_restorer(), SceneOptions(context=mode)) for mode in ("scene", "local"))
    assert local.bytes_read > 1.1 * usual.bytes_read
    assert local.halo == usual.halo == 64
