from __future__ import annotations

import resource
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
import rasterio
from affine import Affine

from datprl_toolkit.errors import OptionError, OutputError
from datprl_toolkit.remote_sensing import SceneOptions, plan, restore_scene
from datprl_toolkit.remote_sensing.plan_estimate import estimate_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Progress, Restorer


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


def test_the_four_flips_of_a_map_of_deviations_are_counted(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 200, 300))
    seen = []

    class Counting:
        def __init__(self) -> None:
            self.restorer = stub_restorer()

        def __getattr__(self, name: str) -> object:
            return getattr(self.restorer, name)

        def restore_tiled(self, *arguments: Any, **named: Any) -> Any:
            seen.append(1)
            return self.restorer.restore_tiled(*arguments, **named)

    for product in ("restored", "deviation"):
        estimate_scene(source, cast("Restorer", Counting()), SceneOptions(product=product))
    assert len(seen) == 2 * 1 + 2 * 4  # a tile is done twice, the second time by the clock


def test_what_an_earlier_run_finished_is_not_planned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "LARGEST_SHARD", 64)
    source, output = write_raster(tmp_path / "scene.tif", photograph(3, 200, 300)), tmp_path / "out.zarr"

    def cancel(progress: Progress) -> None:
        if progress.step == "restoring" and progress.done >= 7:
            raise KeyboardInterrupt

    options = SceneOptions(tile=64, halo=8, resume=True)
    with pytest.raises(KeyboardInterrupt):
        restore_scene(source, output, stub_restorer(), options, cancel)
    begun = estimate_scene(source, stub_restorer(), options, output)
    assert begun.shards == 4 * 5
    assert 0 < begun.finished < 20
    assert begun.seconds == pytest.approx(begun.seconds_per_tile * (20 - begun.finished))
    with pytest.raises(OptionError, match="another job"):
        estimate_scene(source, stub_restorer(), replace(options, halo=16), output)
    with pytest.raises(OutputError, match="earlier run"):
        estimate_scene(source, stub_restorer(), replace(options, resume=False), output)
    restore_scene(source, output, stub_restorer(), options)
    assert estimate_scene(source, stub_restorer(), options, output).finished == 20
