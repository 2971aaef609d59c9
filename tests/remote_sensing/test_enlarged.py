"""Scenes restored at two, three and four times their resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import ColorInterp

from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.resize import enlarge

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer


def _all(scene: Scene) -> npt.NDArray[Any]:
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


def _bicubic(values: npt.NDArray[Any], factor: int) -> npt.NDArray[np.float64]:
    return np.round(enlarge(values.astype(np.float64), factor), 6)


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_network_that_changes_nothing_gives_the_cubic_interpolation_on_the_exact_grid(
    tmp_path: Path, untouched: Restorer, factor: int, suffix: str
) -> None:
    values = photograph(3, 61, 83, "uint16")
    transform = Affine(9.5, 2.25, 500_000.125, 2.25, -9.5, 5_000_000.25)
    source = write_raster(tmp_path / "scene.tif", values, transform=transform, photometric="RGB")
    outcome = restore_scene(source, tmp_path / f"out{suffix}", untouched, SceneOptions(scale=factor, tile=96, halo=8))
    scene = Scene.open(outcome.output)
    assert scene.grid == Scene.open(source).grid.enlarged(factor)
    assert np.array_equal(_all(scene), np.clip(np.rint(_bicubic(values, factor)), 0, 65535))


def test_a_scene_whose_pixels_are_points_keeps_its_corner(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(
        tmp_path / "scene.tif",
        photograph(1, 30, 40),
        finish=lambda dataset: dataset.update_tags(AREA_OR_POINT="Point"),
    )
    scene = Scene.open(restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(scale=2)).output)
    assert scene.tags[""]["AREA_OR_POINT"] == "Point"
    assert scene.grid.transform == Affine(5, 0, 500_000, 0, -5, 5_000_000)


def test_what_is_no_data_is_repeated_and_never_mixed_into_data(tmp_path: Path, untouched: Restorer) -> None:
    values = photograph(3, 60, 60, "int16")
    values[:, 20:33, 10:41] = -32768
    source = write_raster(tmp_path / "scene.tif", values, nodata=-32768, photometric="RGB")
    outcome = restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(scale=3))
    after = _all(Scene.open(outcome.output))
    absent = np.repeat(np.repeat(values == -32768, 3, axis=1), 3, axis=2)
    assert np.array_equal(after == -32768, absent)
    assert after[~absent].min() > 0


def test_other_bands_are_interpolated_and_say_so_while_alpha_and_mask_are_repeated(
    tmp_path: Path, untouched: Restorer
) -> None:
    values = photograph(5, 40, 50)
    values[4] = np.where(np.arange(50) % 9 < 3, 0, 255)
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined, ColorInterp.alpha]
    source = write_raster(
        tmp_path / "scene.tif", values, colours=colours, descriptions=["r", "g", "b", "nir", ""], photometric="RGB"
    )
    scene = Scene.open(restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(scale=2)).output)
    assert [band.description for band in scene.bands[:4]] == ["r", "g", "b", "nir (resampled x2, cubic)"]
    assert scene.bands[4].colour == "alpha"
    after = _all(scene)
    repeated = np.repeat(np.repeat(values, 2, axis=1), 2, axis=2)
    assert np.array_equal(after[4], repeated[4])
    seen = repeated[4] != 0
    assert np.abs(after[3].astype(int) - repeated[3])[seen].max() < 60
    assert not np.array_equal(after[3][seen], repeated[3][seen])
    assert np.array_equal(after[3][~seen], repeated[3][~seen])


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_a_mask_is_repeated(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    mask = np.full((40, 50), 255, np.uint8)
    mask[7:19, 3:33] = 0
    source = write_raster(tmp_path / "scene.tif", photograph(3, 40, 50), mask=mask, photometric="RGB")
    scene = Scene.open(restore_scene(source, tmp_path / f"out{suffix}", untouched, SceneOptions(scale=4)).output)
    assert scene.has_mask
    with scene.reader() as reader:
        assert np.array_equal(reader.read_mask(whole(scene.grid.shape)), np.repeat(np.repeat(mask, 4, 0), 4, 1))


def test_shards_of_an_enlarged_scene_fit_together(
    tmp_path: Path, untouched: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 512)
    values = photograph(4, 301, 411)
    values[:3, 100:140, 150:200] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB")
    one = restore_scene(source, tmp_path / "many.tif", untouched, SceneOptions(scale=3, tile=200, halo=16)).output
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 2048)
    other = restore_scene(source, tmp_path / "one.tif", untouched, SceneOptions(scale=3, tile=2048, halo=16)).output
    assert np.array_equal(_all(Scene.open(one)), _all(Scene.open(other)))


def test_a_comparison_of_an_enlarged_scene_has_one_size(tmp_path: Path, tiny: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 40, 50), photometric="RGB")
    (comparison,) = restore_scene(source, tmp_path / "out.tif", tiny, SceneOptions(scale=2)).comparisons
    assert comparison.before.shape == comparison.after.shape == (80, 100, 3)
    assert comparison.title == "interpolated x2, the whole scene"


def test_what_is_no_data_is_no_change_in_the_comparison_of_an_enlarged_scene(
    tmp_path: Path, untouched: Restorer
) -> None:
    values = photograph(3, 40, 50)
    values[0, 10:14, 20:23] = values[:, 30, 30] = 255  # in one band, and in all
    source = write_raster(tmp_path / "scene.tif", values, nodata=255, photometric="RGB")
    (comparison,) = restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(scale=4)).comparisons
    change = np.abs(comparison.after - comparison.before)
    assert np.nanmax(change) <= 0.5
    assert np.isnan(change[120:124, 120:124]).all()
    assert np.isnan(change).sum() == 3 * 4 * 4
