from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from dask.base import compute
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC

from datprl_toolkit.remote_sensing import Scene, SceneOptions, plan, restore_scene, threads
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

SUFFIXES = (".tif", ".zarr")
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def _all(scene: Scene) -> npt.NDArray[Any]:
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


def assert_same_scene(source: Path, output: Path) -> None:
    """The pixels are bit-identical and everything that describes them is equal."""
    before, after = Scene.open(source), Scene.open(output)
    assert (after.dtype, after.has_mask) == (before.dtype, before.has_mask)
    assert repr(after.nodata) == repr(before.nodata)
    grids = [replace(scene.grid, control_points=()) for scene in (before, after)]
    assert grids[0] == grids[1]
    points = [[vars(point) for point in scene.grid.control_points] for scene in (before, after)]
    assert points[0] == points[1]
    changing = "STATISTICS_"
    for old, new in zip(before.bands, after.bands, strict=True):
        kept = {key: value for key, value in old.tags.items() if not key.startswith(changing)}
        assert replace(new, tags={}) == replace(old, tags={})
        assert {key: value for key, value in new.tags.items() if not key.startswith(changing)} == kept
    for domain, items in before.tags.items():
        assert items.items() <= after.tags.get(domain, {}).items()
    assert _all(before).tobytes() == _all(after).tobytes()
    if before.has_mask:
        with before.reader() as old_reader, after.reader() as new_reader:
            area = whole(before.grid.shape)
            assert np.array_equal(old_reader.read_mask(area) != 0, new_reader.read_mask(area) != 0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_a_network_that_changes_nothing_leaves_every_type_bit_identical(
    tmp_path: Path, untouched: Restorer, dtype: str, suffix: str
) -> None:
    values = photograph(3, 70, 45, dtype)
    values[:, 3:9, 5:11] = 0
    if np.dtype(dtype).kind in "iu":
        values[0, 20, 20], values[1, 21, 21] = np.iinfo(dtype).max, np.iinfo(dtype).min
    source = write_raster(tmp_path / "scene.tif", values, nodata=0)
    output = tmp_path / f"out{suffix}"
    restore_scene(source, output, untouched)
    assert_same_scene(source, output)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 1, 1), (1, 1, 300), (3, 251, 509), (1, 127, 2), (13, 61, 67), (2, 33, 31)]
)
def test_every_size_and_number_of_bands_survives(
    tmp_path: Path, untouched: Restorer, shape: tuple[int, int, int], suffix: str
) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(*shape, dtype="uint16"))
    restore_scene(source, tmp_path / f"out{suffix}", untouched)
    assert_same_scene(source, tmp_path / f"out{suffix}")


def _nan(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    values[:, ::7, ::5] = np.nan
    values[0, 1, 1] = np.inf
    return values


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("nodata", [None, float("nan"), -9999.0, float(np.finfo("float32").min)])
def test_values_that_are_not_finite_come_back_as_they_were(
    tmp_path: Path, untouched: Restorer, nodata: float | None, suffix: str
) -> None:
    source = write_raster(tmp_path / "scene.tif", _nan(photograph(3, 64, 64, "float32")), nodata=nodata)
    restore_scene(source, tmp_path / f"out{suffix}", untouched)
    assert_same_scene(source, tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("nodata", [0, 255, 17])
def test_a_scene_without_any_data_is_copied_and_says_so(
    tmp_path: Path, untouched: Restorer, nodata: int, suffix: str
) -> None:
    values = np.full((3, 40, 700), nodata, np.uint8)
    source = write_raster(tmp_path / "scene.tif", values, nodata=nodata, photometric="RGB")
    outcome = restore_scene(source, tmp_path / f"out{suffix}", untouched)
    assert_same_scene(source, outcome.output)
    assert [warning.split(":")[0] for warning in outcome.warnings] == ["W_NO_DATA"]
    assert outcome.comparisons == ()


def _describe(dataset: Any) -> None:
    dataset.update_tags(TIFFTAG_DATETIME="2024:05:06 07:08:09", mission="S2A")
    dataset.update_tags(2, wavelength="560 nm", STATISTICS_MEAN="3")
    dataset.scales, dataset.offsets = (1e-4 / 3,) * 3, (-0.1 / 7,) * 3
    dataset.set_band_unit(3, "1")


def _point_registration(dataset: Any) -> None:
    dataset.update_tags(AREA_OR_POINT="Point")


def _control_points(dataset: Any) -> None:
    corners = [(0, 0), (0, 50), (40, 0), (40, 50), (11.5, 7.25)]
    points = [
        GroundControlPoint(row, col, 10 + col / 7, 50 - row / 9, 3.5, id=f"p{row}", info="i") for row, col in corners
    ]
    dataset.gcps = (points, CRS.from_epsg(4326))


def _rpcs(dataset: Any) -> None:
    terms = [1.0, 0.5, *[0.0] * 18]
    dataset.rpcs = RPC(100.0, 500.0, 50.0, 1.0, terms, terms, 20.0, 20.0, 10.0, 1.0, terms, terms, 25.0, 25.0)


NO_GRID: dict[str, Any] = {"crs": None, "transform": None}
GEOREFERENCES: dict[str, dict[str, Any]] = {
    "described": {"finish": _describe, "descriptions": ["B04", "B03", "B02"], "photometric": "RGB"},
    "pixel is point": {"finish": _point_registration},
    "rotated": {"transform": Affine(9.5, 2.25, 500_000.125, 2.25, -9.5, 5_000_000.25)},
    "south up": {"transform": Affine(10, 0, 500_000, 0, 10, 5_000_000)},
    "geographic": {"crs": "EPSG:4326", "transform": Affine(0.1, 0, 13, 0, -0.1, 52)},
    "own projection": {"crs": "+proj=laea +lat_0=52 +lon_0=10 +x_0=1 +y_0=2 +ellps=GRS80 +units=m"},
    "without crs": {"crs": None},
    "no georeference": NO_GRID,
    "control points": {**NO_GRID, "finish": _control_points},
    "polynomials": {**NO_GRID, "crs": "EPSG:4326", "finish": _rpcs},
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", GEOREFERENCES)
def test_every_georeference_and_description_survives(
    tmp_path: Path, untouched: Restorer, name: str, suffix: str
) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 40, 50, "uint16"), **GEOREFERENCES[name])
    restore_scene(source, tmp_path / f"out{suffix}", untouched)
    assert_same_scene(source, tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_alpha_and_mask_survive(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    values = photograph(4, 60, 600)
    values[3] = 255
    values[3, 10:20] = 0
    colours = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.alpha]
    alpha = write_raster(tmp_path / "alpha.tif", values, colours=colours)
    mask = np.where(values[3] > 0, 255, 0).astype(np.uint8)
    masked = write_raster(tmp_path / "masked.tif", values[:3], mask=mask, photometric="RGB")
    for source in (alpha, masked):
        output = source.with_suffix(f".out{suffix}")
        restore_scene(source, output, untouched)
        assert_same_scene(source, output)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_data_is_put_back_exactly_while_the_rest_changes(
    tmp_path: Path, brighter: Restorer, suffix: str
) -> None:
    values = photograph(3, 90, 110)
    values[:, 30:50, 40:80] = 0
    values[1, 5, 5] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB")
    outcome = restore_scene(source, tmp_path / f"out{suffix}", brighter)
    after = _all(Scene.open(outcome.output))
    assert np.array_equal(after == 0, values == 0)
    expected = np.where(values == 0, 0, np.minimum(np.rint(values + 0.125 * 255), 255))
    assert np.array_equal(after, expected.astype(np.uint8))


def test_values_outside_the_window_stay_identical(tmp_path: Path, brighter: Restorer) -> None:
    values = photograph(3, 64, 64, "int16")
    options = SceneOptions(scaling="minmax:3000,6000")
    outcome = restore_scene(write_raster(tmp_path / "scene.tif", values), tmp_path / "out.tif", brighter, options)
    after = _all(Scene.open(outcome.output))
    outside = (values < 3000) | (values > 6000)
    assert outside.any()
    assert np.array_equal(after[outside], values[outside])
    middle = (values > 3200) & (values < 5000)
    assert np.array_equal(after[middle], np.rint(values[middle] + 0.125 * 3000))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_strength_0_is_the_input_and_half_is_half_the_change(tmp_path: Path, brighter: Restorer, dtype: str) -> None:
    values = photograph(3, 64, 64, dtype)
    source = write_raster(tmp_path / "scene.tif", values)
    window = "uint8" if dtype == "uint8" else "minmax:-1,20000"
    outputs = []
    for strength in (0.0, 0.5, 1.0):
        options = SceneOptions(strength=strength, scaling=window)
        outcome = restore_scene(source, tmp_path / f"{strength}.tif", brighter, options)
        outputs.append(_all(Scene.open(outcome.output)).astype(np.float64))
    assert np.array_equal(outputs[0], values.astype(np.float64))
    # In integers each is rounded by itself; values at the end of the window are clipped or faded.
    untapered = (values > 450) & (values < 10_000) if dtype == "uint16" else (values < 200) & (dtype == "uint8")
    assert np.abs(2 * (outputs[1] - values) - (outputs[2] - values))[untapered].max(initial=0) <= 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_only_the_chosen_bands_change_and_the_others_are_copied(
    tmp_path: Path, brighter: Restorer, suffix: str
) -> None:
    values = photograph(13, 50, 60, "uint16")
    source = write_raster(tmp_path / "scene.tif", values)
    options = SceneOptions(bands=(4, 3, 2), scaling="reflectance:10000")
    outcome = restore_scene(source, tmp_path / f"out{suffix}", brighter, options)
    scene = Scene.open(outcome.output)
    after = _all(scene)
    changed = [bool((after[band] != values[band]).any()) for band in range(13)]
    assert [band + 1 for band in range(13) if changed[band]] == [2, 3, 4]
    assert [band.colour for band in scene.bands][1:4] == ["blue", "green", "red"]
    assert outcome.warnings == ()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_bands_can_be_dropped_but_alpha_stays(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    values = photograph(5, 50, 60)
    colours = [ColorInterp.undefined] * 4 + [ColorInterp.alpha]
    source = write_raster(tmp_path / "scene.tif", values, colours=colours, photometric="MINISBLACK")
    options = SceneOptions(bands=(3, 1, 2), other_bands="drop")
    scene = Scene.open(restore_scene(source, tmp_path / f"out{suffix}", untouched, options).output)
    assert [band.colour for band in scene.bands] == ["red", "green", "blue", "alpha"]
    assert np.array_equal(_all(scene), values[[2, 0, 1, 4]])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_many_shards_and_tiles_are_put_together_in_place(
    tmp_path: Path, brighter: Restorer, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 512)
    values = photograph(3, 530, 1100)
    values[:, 300:500, 100:700] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB", tiled=True)
    told: list[tuple[str, int, int]] = []
    outcome = restore_scene(
        source,
        tmp_path / f"out{suffix}",
        brighter,
        SceneOptions(tile=200, halo=24),
        lambda progress: told.append((progress.step, progress.done, progress.total)),
    )
    expected = np.where(values == 0, 0, np.minimum(np.rint(values + 0.125 * 255), 255))
    assert np.array_equal(_all(Scene.open(outcome.output)), expected.astype(np.uint8))
    tiles = [(done, total) for step, done, total in told if step == "restoring"]
    assert tiles == [(done + 1, len(tiles)) for done in range(len(tiles))]


def test_the_output_says_how_it_was_made_and_nothing_about_the_machine(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 20, 20, "uint16"))
    outcome = restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(strength=0.75))
    with rasterio.open(outcome.output) as dataset:
        tags = dataset.tags()
    assert tags["DATPRL_MODEL"] == "stub"
    assert tags["DATPRL_WEIGHTS_SHA256"] == "0" * 64
    assert tags["DATPRL_STRENGTH"] == "0.75"
    assert "percentile" in tags["DATPRL_SCALING"]
    assert str(tmp_path) not in str(tags)
    assert "percentile" in outcome.summary


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_output_inherits_no_claims_of_how_its_source_was_made(
    tmp_path: Path, untouched: Restorer, suffix: str
) -> None:
    claims = {"DATPRL_TASK": "dehazing", "DATPRL_SELF_ENSEMBLE": "8", "DATPRL_PRODUCT": "other", "CAMERA": "kept"}
    source = write_raster(
        tmp_path / "scene.tif", photograph(3, 20, 20, "uint16"), finish=lambda dataset: dataset.update_tags(**claims)
    )
    tags = Scene.open(restore_scene(source, tmp_path / f"out{suffix}", untouched).output).tags[""]
    assert tags["CAMERA"] == "kept"
    assert tags["DATPRL_MODEL"] == "stub"
    assert not {"DATPRL_TASK", "DATPRL_SELF_ENSEMBLE", "DATPRL_PRODUCT"} & set(tags)


def test_a_comparison_shows_stored_values_before_and_after_and_a_piece_of_it_closer(
    tmp_path: Path, brighter: Restorer
) -> None:
    values = photograph(3, 1200, 1500)
    values[:, :40] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB")
    comparison, closer = restore_scene(source, tmp_path / "out.tif", brighter).comparisons
    assert comparison.before.shape == comparison.after.shape == (1024, 1024, 3)
    shown = np.isfinite(comparison.before)
    assert np.array_equal(shown, np.isfinite(comparison.after))
    assert (comparison.after[shown] >= comparison.before[shown]).all()
    assert comparison.low == pytest.approx(np.percentile(comparison.before[shown], 1))
    assert comparison.high == pytest.approx(np.percentile(comparison.after[shown], 99)), "what became brighter is seen"
    assert closer.before.shape == closer.after.shape == (256, 256, 3)
    assert (closer.low, closer.high) == (comparison.low, comparison.high)
    top, bottom, left, right = map(int, re.findall(r"\d+", closer.title))
    assert np.array_equal(closer.before, np.moveaxis(values[:, top : bottom + 1, left : right + 1], 0, -1))


def test_what_is_shown_closer_is_what_changed_most(tmp_path: Path, brighter: Restorer) -> None:
    values = photograph(3, 700, 800)
    values[:, :, :540] = 255  # which cannot become brighter
    values[:, 400:] = 255
    source = write_raster(tmp_path / "scene.tif", values, photometric="RGB")
    _, closer = restore_scene(source, tmp_path / "out.tif", brighter).comparisons
    top, bottom, left, right = map(int, re.findall(r"\d+", closer.title))
    assert bottom < 400
    assert left > 530
    assert right - left == bottom - top == 255


def test_metadata_that_a_cog_cannot_hold_are_named(tmp_path: Path, untouched: Restorer) -> None:
    def finish(dataset: Any) -> None:
        dataset.update_tags(ns="camera", lens="50 mm")
        dataset.update_tags(ns="IMD", satellite="X")  # GDAL would put these into a file beside the raster

    plain = write_raster(tmp_path / "plain.tif", photograph(1, 20, 30), finish=finish)
    outcome = restore_scene(plain, tmp_path / "out.tif", untouched)
    assert outcome.warnings == ()
    assert_same_scene(plain, outcome.output)

    def finish_both(dataset: Any) -> None:
        finish(dataset)
        dataset.update_tags(1, wavelength="560 nm")

    both = write_raster(tmp_path / "both.tif", photograph(1, 20, 30), finish=finish_both)
    warnings = restore_scene(both, tmp_path / "out2.tif", untouched).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("W_METADATA: ")
    assert "camera" in warnings[0]
    assert restore_scene(both, tmp_path / "out.zarr", untouched).warnings == ()
    assert_same_scene(both, tmp_path / "out.zarr")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_domains_of_a_band_are_named(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    def finish(dataset: Any) -> None:
        dataset.update_tags(2, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.56")

    source = write_raster(tmp_path / "scene.tif", photograph(3, 20, 30), finish=finish)
    warnings = restore_scene(source, tmp_path / f"out{suffix}", untouched).warnings
    assert warnings == ("W_METADATA: metadata domains of single bands are not kept: IMAGERY",)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_our_own_zarr_is_a_scene_like_any_other(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    source = write_raster(
        tmp_path / "scene.tif", photograph(3, 300, 270, "int16"), nodata=-7, finish=_describe, photometric="RGB"
    )
    first = restore_scene(source, tmp_path / "first.zarr", untouched).output
    restore_scene(first, tmp_path / f"second{suffix}", untouched)
    assert_same_scene(source, tmp_path / f"second{suffix}")


def _shared_rasters() -> list[Path]:
    """Return every odd raster and every scene, but for those that must be refused or have 100 million values."""
    left_out = {"cog_cmap", "slc", "corrupt", "cog_world", "web_z5_z11", "above_cog"}
    folders = (SHARED_DATA / "geotiff_format", SHARED_DATA / "rs_scene" / "train")
    found = sorted(path for folder in folders for path in folder.glob("*.tif"))
    return [path for path in found if not any(path.stem.endswith(name) for name in left_out)]


@pytest.mark.shared
@pytest.mark.parametrize("source", _shared_rasters(), ids=lambda path: path.stem)
def test_every_odd_raster_and_every_scene_comes_back_bit_identical(
    tmp_path: Path, source: Path, untouched: Restorer
) -> None:
    small = _all(Scene.open(source)).size < 1_000_000
    for suffix in SUFFIXES if small else SUFFIXES[:1]:
        output = tmp_path / f"out{suffix}"
        restore_scene(source, output, untouched)
        assert_same_scene(source, output)


@pytest.mark.shared
def test_the_shared_rasters_are_found(shared_data: Path) -> None:
    assert len(_shared_rasters()) >= 24


def test_a_device_that_takes_several_tiles_at_once_gives_the_same(
    tmp_path: Path, brighter: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = photograph(3, 300, 400)
    values[:, 50:90, 60:333] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="RGB")
    outputs = []
    for device in ("cpu", "cuda"):
        monkeypatch.setattr(type(brighter), "device", torch.device(device))
        outcome = restore_scene(source, tmp_path / f"{device}.tif", brighter, SceneOptions(tile=128))
        outputs.append(_all(Scene.open(outcome.output)))
    assert np.array_equal(outputs[0], outputs[1])


def test_the_same_bytes_are_written_whatever_the_number_of_workers_in_a_task_for_each_shard(
    tmp_path: Path, tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "LARGEST_SHARD", 256)
    tasks: list[int] = []

    def counting(*graph: Any, **how: Any) -> Any:
        tasks.append(sum(len(task.dask) for task in graph))
        return compute(*graph, **how)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(threads, "compute", counting)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    source = write_raster(tmp_path / "scene.tif", photograph(3, 520, 300, "uint16"))
    outputs = []
    for workers in (1, 2, 4):
        monkeypatch.setattr(threads, "_MOST_WORKERS", workers)
        outcome = restore_scene(source, tmp_path / f"{workers}.tif", tiny, SceneOptions(tile=256, halo=16))
        outputs.append(_all(Scene.open(outcome.output)))
    assert tasks == [3 * 2] * 3
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])
    assert not np.array_equal(outputs[0], photograph(3, 520, 300, "uint16"))


def test_a_stub_that_clips_is_what_the_tests_above_rely_on() -> None:
    image = np.array([[[0.0, 0.95]]], np.float32)
    after = stub_restorer(0.125).restore_tiled(image, None, tile=8, halo=8, margins=(0, 0, 0, 0))
    assert after.tolist() == [[[0.125, 1.0]]]
