from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from affine import Affine

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, OutputError
from datprl_toolkit.files import disk_full
from datprl_toolkit.remote_sensing import Scene, SceneOptions, batch
from datprl_toolkit.remote_sensing.batch import BatchOutcome, manifest_path, restore_batch
from datprl_toolkit.remote_sensing.batch_manifest import BatchRecord, open_manifest
from datprl_toolkit.remote_sensing.batch_sources import BatchScene, find_scenes
from datprl_toolkit.remote_sensing.batch_watching import SilentWatcher
from datprl_toolkit.remote_sensing.restore import restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster
from datprl_toolkit.remote_sensing.windows import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.restoring import Outcome, Progress, Restorer

DEFAULT = SceneOptions()
WHERE = {name: Affine(10, 0, 500_000 + 500 * place, 0, -10, 5_000_000) for place, name in enumerate("abc")}


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for place, (name, transform) in enumerate(WHERE.items()):
        write_raster(folder / f"{name}.tif", photograph(3, 40, 50, seed=place), transform=transform)
    return folder


def run(
    sources: Sequence[Path | str], destination: Path, options: SceneOptions = DEFAULT, **further: object
) -> BatchOutcome:
    gain = 0.125 if "gain" not in further else float(str(further.pop("gain")))
    return restore_batch(find_scenes(sources), destination, stub_restorer(gain), options, **further)  # type: ignore[arg-type]


def values(path: Path) -> np.ndarray:
    scene = Scene.open(path)
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


def test_a_folder_becomes_one_store_with_a_georeferenced_group_for_each_scene(tiles: Path, tmp_path: Path) -> None:
    outcome = run([tiles], tmp_path / "out.zarr")
    assert (outcome.done, outcome.failed) == (("a", "b", "c"), ())
    for name, transform in WHERE.items():
        single = tmp_path / f"{name}.zarr"
        restore_scene(tiles / f"{name}.tif", single, stub_restorer(0.125))
        assert np.array_equal(values(tmp_path / "out.zarr" / name), values(single))
        opened = xr.open_zarr(tmp_path / "out.zarr", group=name, decode_coords="all")
        assert opened.rio.crs.to_epsg() == 32633
        assert opened.rio.transform() == transform
    root = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert sorted(root.group_keys()) == ["a", "b", "c"]
    listed = json.loads((tmp_path / "out.zarr" / "zarr.json").read_text())["attributes"]["scenes"]
    assert listed["b"] == {
        "spatial:bbox": [500_500.0, 4_999_600.0, 501_000.0, 5_000_000.0],
        "spatial:shape": [40, 50],
        "spatial:transform": [10.0, 0.0, 500_500.0, 0.0, -10.0, 5_000_000.0],
        "proj:code": "EPSG:32633",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.zarr", "b.zarr", "c.zarr", "out.manifest.jsonl", "out.zarr", "tiles",
    ]  # fmt: skip


def test_xarray_opens_all_scenes_of_a_store_with_their_pyramids(tiles: Path, tmp_path: Path) -> None:
    write_raster(tiles / "c.tif", photograph(1, 600, 700), transform=WHERE["c"])
    run([tiles], tmp_path / "out.zarr")
    scenes = xr.open_groups(tmp_path / "out.zarr", engine="zarr")
    try:
        assert {"/a", "/b", "/c", "/c/1"} <= set(scenes)
        assert np.array_equal(scenes["/a"]["restored"].to_numpy(), values(tmp_path / "out.zarr" / "a"))
    finally:
        for scene in scenes.values():
            scene.close()


@pytest.mark.parametrize("form", ["tif", "zarr"])
def test_a_folder_becomes_a_folder_that_mirrors_it(tiles: Path, tmp_path: Path, form: str) -> None:
    (tiles / "deep").mkdir()
    (tiles / "c.tif").rename(tiles / "deep" / "c.tif")
    outcome = run([tiles], tmp_path / "out", form=form)
    assert outcome.done == ("a", "b", "deep/c")
    assert Scene.open(tmp_path / "out" / "deep" / f"c.{form}").grid.transform == WHERE["c"]
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()
    assert [json.loads(line)["output"] for line in lines] == [f"{name}.{form}" for name in ("a", "b", "deep/c")]


@pytest.mark.parametrize("output", ["out", "out.zarr"])
def test_a_failing_scene_does_not_stop_the_others_and_is_tried_again(tiles: Path, tmp_path: Path, output: str) -> None:
    whole_file = (tiles / "b.tif").read_bytes()
    (tiles / "b.tif").write_bytes(whole_file[:3000])
    outcome = run([tiles], tmp_path / output)
    assert (outcome.done, outcome.failed) == (("a", "c"), ("b",))
    failed = outcome.records[1]
    assert failed.code == "E_CORRUPT"
    assert failed.message.startswith("E_CORRUPT: ")
    assert not (tmp_path / output / "b").exists()
    assert not (tmp_path / output / "b.tif").exists()

    (tiles / "b.tif").write_bytes(whole_file)
    again = run([tiles], tmp_path / output)
    assert (again.done, again.skipped, again.failed) == (("b",), ("a", "c"), ())
    assert [record.status for record in again.records] == ["done"] * 3
    assert len(again.manifest.read_text().splitlines()) == 3


def test_what_is_done_is_not_done_again_and_not_touched(tiles: Path, tmp_path: Path) -> None:
    run([tiles], tmp_path / "out")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / "out").glob("*.tif")}
    again = run([tiles], tmp_path / "out")
    assert again.skipped == ("a", "b", "c")
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}


def test_an_output_that_was_removed_is_made_again(tiles: Path, tmp_path: Path) -> None:
    run([tiles], tmp_path / "out")
    (tmp_path / "out" / "a.tif").unlink()
    assert run([tiles], tmp_path / "out").done == ("a",)


def test_outputs_of_other_options_are_kept_unless_they_may_be_replaced(tiles: Path, tmp_path: Path) -> None:
    run([tiles], tmp_path / "out.zarr")
    before = values(tmp_path / "out.zarr" / "a")
    with pytest.raises(OutputError, match="3 of the outputs exist already") as raised:
        run([tiles], tmp_path / "out.zarr", SceneOptions(strength=0.5))
    assert raised.value.code == ErrorCode.EXISTS
    assert np.array_equal(values(tmp_path / "out.zarr" / "a"), before)
    outcome = run([tiles], tmp_path / "out.zarr", SceneOptions(strength=0.5, overwrite=True))
    assert outcome.done == ("a", "b", "c")
    assert not np.array_equal(values(tmp_path / "out.zarr" / "a"), before)


def test_a_changed_input_is_no_longer_done(tiles: Path, tmp_path: Path) -> None:
    run([tiles], tmp_path / "out")
    write_raster(tiles / "a.tif", photograph(3, 41, 50), transform=WHERE["a"])
    outcome = run([tiles], tmp_path / "out", SceneOptions(overwrite=True))
    assert (outcome.done, outcome.skipped) == (("a",), ("b", "c"))
    assert Scene.open(tmp_path / "out" / "a.tif").grid.height == 41


def test_a_file_that_is_no_output_of_the_batch_is_not_replaced(tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.tif").write_text("somebody's work")
    with pytest.raises(OutputError, match="1 of the outputs"):
        run([tiles], tmp_path / "out")
    assert (tmp_path / "out" / "b.tif").read_text() == "somebody's work"


def test_a_store_that_is_no_batch_is_never_written_into(tiles: Path, tmp_path: Path) -> None:
    restore_scene(tiles / "a.tif", tmp_path / "out.zarr", stub_restorer())
    before = (tmp_path / "out.zarr" / "zarr.json").read_bytes()
    with pytest.raises(OutputError, match="not the store of a batch"):
        run([tiles], tmp_path / "out.zarr", SceneOptions(overwrite=True))
    assert (tmp_path / "out.zarr" / "zarr.json").read_bytes() == before


class Interrupting(SilentWatcher):
    """Ends the run in the middle of a scene, as a person or a scheduler does."""

    def __init__(self, name: str, error: type[BaseException]) -> None:
        self.name, self.error = name, error

    def progress(self, scene: BatchScene, progress: Progress) -> None:
        if scene.name == self.name and progress.step == "restoring":
            raise self.error


@pytest.mark.parametrize("output", ["out", "out.zarr"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_cancelled_batch_keeps_what_is_done_and_goes_on(
    tiles: Path, tmp_path: Path, output: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        run([tiles], tmp_path / output, watcher=Interrupting("b", error))
    left = {path.name for path in (tmp_path / output).iterdir()}
    assert left & {"a", "a.tif"}
    assert not left & {"b", "b.tif", "c", "c.tif"}
    again = run([tiles], tmp_path / output)
    assert (again.done, again.skipped) == (("b", "c"), ("a",))
    uninterrupted = run([tiles], tmp_path / f"other_{output}")
    suffix = "" if output.endswith(".zarr") else ".tif"
    for name in "abc":
        one, other = (folder / f"{name}{suffix}" for folder in (tmp_path / output, uninterrupted.output))
        assert np.array_equal(values(one), values(other))


def test_a_line_of_the_manifest_that_was_cut_off_costs_one_scene_only(tiles: Path, tmp_path: Path) -> None:
    outcome = run([tiles], tmp_path / "out", SceneOptions())
    text = outcome.manifest.read_text()
    outcome.manifest.write_text(text[:-20])
    again = run([tiles], tmp_path / "out", SceneOptions(overwrite=True))
    assert (again.done, again.skipped) == (("c",), ("a", "b"))


def killed_before_it_recorded(tiles: Path, destination: Path) -> Path:
    """Make outputs whose last has no record, and return it."""
    outcome = run([tiles], destination)
    lines = outcome.manifest.read_text().splitlines(keepends=True)
    outcome.manifest.write_text("".join(lines[:2]))
    return outcome.output / ("c" if destination.suffix == ".zarr" else "c.tif")


@pytest.mark.parametrize("output", ["out.zarr", "out"])
def test_a_run_that_was_killed_before_it_recorded_an_output_is_believed(
    tiles: Path, tmp_path: Path, output: str
) -> None:
    finished = killed_before_it_recorded(tiles, tmp_path / output)
    before = {path: path.stat().st_mtime_ns for path in [finished, *finished.rglob("*")]}
    again = run([tiles], tmp_path / output)
    assert (again.done, again.skipped, again.failed) == (("c",), ("a", "b"), ())
    assert "complete already" in again.records[2].summary
    assert before == {path: path.stat().st_mtime_ns for path in [finished, *finished.rglob("*")]}
    assert run([tiles], tmp_path / output).skipped == ("a", "b", "c")


@pytest.mark.parametrize("output", ["out.zarr", "out"])
def test_an_output_without_a_record_that_another_job_made_is_left_as_it_is(
    tiles: Path, tmp_path: Path, output: str
) -> None:
    finished = killed_before_it_recorded(tiles, tmp_path / output)
    before = values(finished)
    write_raster(tiles / "c.tif", photograph(3, 40, 50, seed=9), transform=WHERE["c"])
    again = run([tiles], tmp_path / output)
    assert (again.done, again.failed) == ((), ("c",))
    assert again.records[2].code == "E_EXISTS"
    assert str(finished) in again.records[2].message
    assert np.array_equal(values(finished), before)
    assert run([tiles], tmp_path / output, SceneOptions(overwrite=True)).done == ("c",)
    assert not np.array_equal(values(finished), before)


def test_a_file_that_is_no_manifest_is_not_appended_to(tiles: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("to do: milk\n")
    with pytest.raises(OutputError, match="line 1 is no record"):
        run([tiles], tmp_path / "out", manifest=tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "to do: milk\n"


def test_a_second_run_of_the_same_batch_is_refused(tiles: Path, tmp_path: Path) -> None:
    with open_manifest(manifest_path(tmp_path / "out")), pytest.raises(OutputError, match="another run"):
        run([tiles], tmp_path / "out")
    assert len(run([tiles], tmp_path / "out").done) == 3


def test_a_full_disk_ends_the_batch_at_once(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def full(source: str, output: Path, *_: object, **__: object) -> Outcome:
        calls.append(source)
        raise disk_full(output)

    monkeypatch.setattr(batch, "restore_scene", full)
    with pytest.raises(OutputError, match="E_DISK_FULL"):
        run([tiles], tmp_path / "out")
    assert len(calls) == 1


def test_a_fault_of_ours_is_recorded_as_one_line_and_the_others_go_on(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = restore_scene

    def faulty(source: str, *rest: object, **named: object) -> Outcome:
        if source.endswith("b.tif"):
            raise ZeroDivisionError("division\nby zero")
        return real(source, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "restore_scene", faulty)
    outcome = run([tiles], tmp_path / "out")
    assert outcome.failed == ("b",)
    assert outcome.records[1].code == "E_INTERNAL"
    assert outcome.records[1].message.startswith("E_INTERNAL: ZeroDivisionError: division by zero.")


def test_options_of_a_table_hold_for_their_scene_alone(tiles: Path, tmp_path: Path) -> None:
    (tiles / "list.csv").write_text('source,name,strength,bands\na.tif,first,,\nb.tif,second,0,"3,2,1"\n')
    outcome = run([tiles / "list.csv"], tmp_path / "out")
    assert outcome.done == ("first", "second")
    assert not np.array_equal(values(tmp_path / "out" / "first.tif"), values(tiles / "a.tif"))
    assert np.array_equal(values(tmp_path / "out" / "second.tif"), values(tiles / "b.tif"))
    with rasterio.open(tmp_path / "out" / "second.tif") as dataset:
        assert dataset.tags()["DATPRL_BANDS"] == "3,2,1"


def test_a_value_in_a_table_that_cannot_be_used_ends_the_batch_before_it_begins(tiles: Path, tmp_path: Path) -> None:
    (tiles / "list.csv").write_text("source,strength\na.tif,1\nb.tif,7\n")
    with pytest.raises(OptionError, match="strength must be"):
        run([tiles / "list.csv"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_scenes_inside_one_another_are_refused_for_a_store_and_fine_in_a_folder(tiles: Path, tmp_path: Path) -> None:
    (tiles / "a").mkdir()
    (tiles / "b.tif").rename(tiles / "a" / "b.tif")
    with pytest.raises(InputError, match="inside the scene 'a'"):
        run([tiles], tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    assert run([tiles], tmp_path / "out").done == ("a", "a/b", "c")


def test_the_inputs_are_never_an_output(tiles: Path) -> None:
    with pytest.raises(OutputError, match="never modified"):
        run([tiles / "a.tif", tiles / "b.tif"], tiles, SceneOptions(overwrite=True))


def test_the_watcher_is_told_of_everything(tiles: Path, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    class Watcher(SilentWatcher):
        def planned(self, scenes: Sequence[BatchScene], skipped: Sequence[BatchScene]) -> None:
            told.append(("planned", f"{len(scenes)} {len(skipped)}"))

        def started(self, scene: BatchScene) -> None:
            told.append(("started", scene.name))

        def finished(self, scene: BatchScene, record: BatchRecord, outcome: Outcome | None) -> None:
            told.append((record.status, scene.name))

    (tiles / "c.tif").write_bytes(b"")
    run([tiles / "a.tif", tiles / "c.tif"], tmp_path / "out", watcher=Watcher())
    assert told == [("planned", "2 0"), ("started", "a"), ("done", "a"), ("started", "c"), ("failed", "c")]


def test_a_manifest_names_no_path_but_those_that_were_given(
    tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tiles / "b.tif").write_bytes(b"II*\x00 damaged")
    outcome = run(["tiles"], Path("out.zarr"))
    assert str(tmp_path) not in outcome.manifest.read_text()
    assert {record.source for record in outcome.records} == {str(Path("tiles", f"{name}.tif")) for name in "abc"}


def test_other_weights_make_another_fingerprint(tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene,) = find_scenes([tiles / "a.tif"])
    other = stub_restorer()
    prints = {batch.fingerprint(scene, SceneOptions(), stub_restorer())}
    assert batch.fingerprint(scene, SceneOptions(overwrite=True), other) in prints
    assert batch.fingerprint(scene, SceneOptions(tile=64), other) not in prints
    assert batch.fingerprint(replace(scene, source=str(tiles / "b.tif")), SceneOptions(), other) not in prints
    monkeypatch.setattr(other, "card", SimpleNamespace(name="stub", sha256="1" * 64))
    assert batch.fingerprint(scene, SceneOptions(), other) not in prints


def halves(folder: Path) -> list[Path]:
    """Write the two halves of one image, of which one is far brighter, as tiles that lie side by side."""
    image = photograph(3, 64, 128)
    image[:, :, 64:] = image[:, :, 64:] // 4 + 190
    return [
        write_raster(
            folder / f"{name}.tif", image[:, :, left : left + 64], transform=Affine(10, 0, 10 * left, 0, -10, 0)
        )
        for name, left in (("left", 0), ("right", 64))
    ]


def test_tiles_of_a_mosaic_share_a_context_that_later_ones_fit(tmp_path: Path, tiny: Restorer) -> None:
    left, right = halves(tmp_path)
    options = SceneOptions(scaling="uint8")
    first = restore_batch(find_scenes([left, right]), tmp_path / "shared", tiny, options, shared_context=True)
    assert first.done == ("left", "right")
    context = tmp_path / "shared" / "manifest.context.safetensors"
    kept = context.read_bytes()
    own = restore_batch(find_scenes([left, right]), tmp_path / "own", tiny, options)
    assert own.done == ("left", "right")
    assert not np.array_equal(values(tmp_path / "shared" / "right.tif"), values(tmp_path / "own" / "right.tif"))
    write_raster(tmp_path / "third.tif", photograph(3, 64, 64, seed=9), transform=Affine(10, 0, 1280, 0, -10, 0))
    scenes = find_scenes([left, right, tmp_path / "third.tif"])
    again = restore_batch(scenes, tmp_path / "shared", tiny, options, shared_context=True)
    assert (again.done, again.skipped) == (("third",), ("left", "right"))
    assert context.read_bytes() == kept
    with pytest.raises(OutputError, match="2 of the outputs exist already"):
        restore_batch(scenes[:2], tmp_path / "shared", tiny, options)


def test_scenes_that_are_scaled_apart_share_no_context(tmp_path: Path, tiny: Restorer) -> None:
    scenes = find_scenes(halves(tmp_path))
    for options in (SceneOptions(), SceneOptions(scaling="percentile"), SceneOptions(scaling="uint8", context="tile")):
        with pytest.raises(OptionError):
            restore_batch(scenes, tmp_path / "out", tiny, options, shared_context=True)


def test_one_store_for_all_scenes_has_no_stac_items(tiles: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no place for STAC items"):
        run([tiles], tmp_path / "out.zarr", SceneOptions(stac=True))
    assert not (tmp_path / "out.zarr").exists()


def test_an_output_has_the_time_and_the_platform_of_its_item_in_a_catalogue(tiles: Path, tmp_path: Path) -> None:
    taken = {"datetime": "2024-05-06T07:08:09Z", "platform": "sentinel-2a", "instruments": ["msi"]}
    features = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "properties": taken | {"eo:cloud_cover": 12},
            "assets": {"image": {"href": f"tiles/{name}.tif", "type": "image/tiff"}},
        }
        for name in "ab"
    ]
    (tmp_path / "search.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    run([tmp_path / "search.json"], tmp_path / "out", SceneOptions(stac=True))
    properties = json.loads((tmp_path / "out" / "a.json").read_text())["properties"]
    assert {key: properties.get(key) for key in taken} == taken
    assert "eo:cloud_cover" not in properties  # clouds may be fewer now
    assert "time of acquisition" not in properties["description"]


def test_a_batch_replaces_the_items_it_wrote_and_no_other_file_beside_its_outputs(tiles: Path, tmp_path: Path) -> None:
    out, chosen = tmp_path / "out", SceneOptions(stac=True)
    out.mkdir()
    (out / "b.json").write_text('{"my": "notes"}')
    with pytest.raises(OutputError) as raised:
        run([tiles], out, chosen)
    assert raised.value.code == ErrorCode.EXISTS
    assert not (out / "a.tif").exists()
    assert (out / "b.json").read_text() == '{"my": "notes"}'
    (out / "b.json").unlink()
    run([tiles], out, chosen)
    (out / "b.tif").unlink()
    assert run([tiles], out, chosen).done == ("b",)
