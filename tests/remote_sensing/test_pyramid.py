"""The pyramid: means of what is data, made while the shards are written, the same as from the whole image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.pyramid import Reduction, level_count
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.zarr_layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.options import ZarrProfile
    from datprl_toolkit.restoring import Restorer


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 1024)
    monkeypatch.setattr("datprl_toolkit.remote_sensing.pyramid.SMALLEST_LEVEL", 80)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("profile", ["default", "qgis", "legacy"])
def test_every_level_is_the_halved_one_below_whoever_made_it(
    tmp_path: Path, untouched: Restorer, profile: ZarrProfile
) -> None:
    values = photograph(2, 1030, 1201, "uint16")
    values[:, 300:420, 500:999] = 7
    source = write_raster(tmp_path / "scene.tif", values, nodata=7)
    options = SceneOptions(bands=(1,), tile=512, halo=0, zarr_profile=profile)
    output = restore_scene(source, tmp_path / "out.zarr", untouched, options).output
    layout = Layout(Scene.open(output), profile)
    assert 0 < layout.direct_levels < layout.levels == 4
    group: Any = zarr.open_group(output, mode="r")
    assert np.array_equal(group["restored"][:], values)
    reduction = Reduction(7, None)
    for level in range(1, 5):
        below = group["restored" if level == 1 else f"{level - 1}/restored"][:]
        assert np.array_equal(group[f"{level}/restored"][:], reduction.halve(below, None)[0])
    assert (group["1/restored"][:, 160:200, 260:480] == 7).all()


@pytest.mark.usefixtures("small_shards")
def test_levels_are_aligned_and_named_as_the_convention_says(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 200, 301), nodata=0)
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    group: Any = zarr.open_group(output, mode="r")
    layout = group.attrs["multiscales"]["layout"]
    assert [entry["asset"] for entry in layout] == ["restored", "1/restored", "2/restored"]
    assert [entry.get("derived_from") for entry in layout] == [None, "restored", "1/restored"]
    assert layout[2]["transform"] == {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}
    assert layout[2]["spatial:transform"] == [40.0, 0.0, 5e5, 0.0, -40.0, 5e6]
    assert layout[2]["spatial:shape"] == list(group["2/restored"].shape[1:]) == [50, 76]
    assert "multiscales" in {entry["name"] for entry in group.attrs["zarr_conventions"]}
    with xr.open_zarr(output, group="2", decode_coords="all", consolidated=False) as level:
        assert level["restored"].rio.transform() == Affine(40, 0, 5e5, 0, -40, 5e6)
        assert level["restored"].rio.crs.to_epsg() == 32633
        assert level["restored"].rio.encoded_nodata == 0
        assert level.x.values[0] == 5e5 + 20


def test_small_scenes_have_no_pyramid(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 100, 512))
    group = zarr.open_group(restore_scene(source, tmp_path / "out.zarr", untouched).output, mode="r")
    assert "multiscales" not in group.attrs
    assert (level_count((512, 1)), level_count((513, 1)), level_count((30_000, 30_000))) == (0, 1, 6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from(["uint8", "int16", "float32"]))
@settings(max_examples=30)
def test_a_halved_pixel_is_the_mean_of_those_that_are_data(height: int, width: int, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (2, height, width)).astype(dtype)
    mask = rng.integers(0, 2, (height, width)).astype(np.uint8) * 255
    halved, halved_mask = Reduction(0, None).halve(values, mask)
    assert halved_mask is not None
    for row in range(-(-height // 2)):
        for column in range(-(-width // 2)):
            place = slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2)
            assert bool(halved_mask[row, column]) == bool(mask[place].any())
            for band in range(2):
                data = values[band][place][(mask[place] != 0) & (values[band][place] != 0)]
                found = halved[band, row, column]
                if data.size == 0:
                    assert found == 0
                elif dtype == "float32":
                    assert found == np.float32(data.mean(dtype=np.float64))
                else:
                    assert found == max(round(float(data.mean(dtype=np.float64))), 1)


def test_what_alpha_hides_is_not_mixed_in_and_alpha_itself_is_averaged() -> None:
    values = np.array([[[100, 200], [50, 60]], [[255, 0], [0, 0]]], np.uint8)
    halved, _ = Reduction(None, 1).halve(values, None)
    assert halved[:, 0, 0].tolist() == [100, 64]


def test_without_nodata_what_is_not_finite_stays_so() -> None:
    values = np.full((1, 2, 4), np.nan, np.float32)
    values[0, 0, 2] = 3
    halved, _ = Reduction(None, None).halve(values, None)
    assert np.isnan(halved[0, 0, 0])
    assert halved[0, 0, 1] == 3
