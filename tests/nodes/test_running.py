"""Workflows run: once, again, after a failure, after a change, on threads and on a cluster."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from datprl_nodes.api import run_workflow
from datprl_nodes.devices import device_alone
from datprl_nodes.running import Engine
from datprl_nodes.workflow import Workflow, load_workflow
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.metrics.report import Report
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from datprl_nodes.api import Run

CHAIN = """
name: chain
inputs: {photo: {type: Picture}}
steps:
  brighter: {node: acme_brighten, inputs: {picture: photo}}
  brightest: {node: acme_brighten, inputs: {picture: brighter}, parameters: {amount: 20}}
  mean: {node: acme_measure, inputs: {picture: brightest}}
outputs: {bright.png: brightest, mean.json: mean}
"""
EACH = """
name: batch
inputs: {photos: {type: Picture, each: "*.png"}}
steps:
  restored: {node: restore_picture, inputs: {picture: photos}, parameters: {weights: tiny, device: cpu}}
  mean: {node: acme_measure, inputs: {picture: restored}}
  table: {node: join_reports, inputs: {reports: mean}}
outputs: {"restored/{photos}.png": restored, table.json: table}
"""
MIXED = """
name: series and scene
inputs: {ct: {type: Volume}, clear: {type: Scene}}
steps:
  restored_ct: {node: restore_volume, inputs: {volume: ct}, parameters: {weights: tiny, device: cpu}}
  scores: {node: score, inputs: {image: restored_ct, reference: ct}}
  cloudy: {node: clouds, inputs: {image: clear}}
  restored: {node: restore_scene, inputs: {scene: cloudy}, parameters: {weights: tiny, device: cpu, format: zarr}}
outputs: {ct: restored_ct, scores.json: scores, scene.zarr: restored}
"""

pytestmark = pytest.mark.usefixtures("acme")


class Runner:
    """Runs workflows in one folder with one store and remembers what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0

    def __call__(
        self, text: str, inputs: dict[str, Path], changes: dict[str, Any] | None = None, **options: Any
    ) -> Run:
        path = self.folder / "workflow.yaml"
        path.write_text(text, encoding="utf-8")
        self.runs += 1
        self.events: list[tuple[str, str]] = []
        return run_workflow(
            load_workflow(path).with_parameters(changes or {}),
            self.folder / f"out{self.runs}",
            inputs,
            observe=lambda event: self.events.append((event.task, event.state)),
            **options,
        )

    @property
    def done(self) -> set[str]:
        return {task for task, state in self.events if state == "done"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.chdir(tmp_path)
    return Runner(tmp_path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("one", "two", "three"):
        pixels = np.random.default_rng(len(name) + ord(name[1])).integers(0, 100, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def test_a_workflow_hands_out_its_outputs_a_record_and_a_drawing(run: Runner, picture: Path) -> None:
    finished = run(CHAIN, {"photo": picture})
    assert sorted(path.name for path in finished.destination.iterdir()) == [
        "bright.png", "mean.json", "provenance.json", "workflow.svg",
    ]  # fmt: skip
    before, after = (read_picture(path).pixels for path in (picture, finished.destination / "bright.png"))
    np.testing.assert_array_equal(after, before + 30)
    report = Report.from_json((finished.destination / "mean.json").read_text())
    assert report.mean("mean") == after.mean()
    assert not list(run.folder.rglob(".datprl-partial-*"))


def test_a_second_run_does_nothing_and_gives_the_same_bytes(run: Runner, picture: Path) -> None:
    first, second = run(CHAIN, {"photo": picture}), run(CHAIN, {"photo": picture})
    assert run.done == set()
    assert second.kept == {"brighter", "brightest", "mean"}
    for name in ("bright.png", "mean.json"):
        assert (first.destination / name).read_bytes() == (second.destination / name).read_bytes()


def test_a_change_runs_what_depends_on_it_and_nothing_else(run: Runner, picture: Path) -> None:
    run(CHAIN, {"photo": picture})
    run(CHAIN, {"photo": picture}, {"brightest": {"amount": 21}})
    assert run.done == {"brightest", "mean"}
    run(CHAIN, {"photo": picture}, {"brightest": {"amount": 20}})
    assert run.done == set()
    Image.fromarray(read_picture(picture).pixels.astype(np.uint8) // 2).save(picture)
    run(CHAIN, {"photo": picture})
    assert run.done == {"brighter", "brightest", "mean"}


def test_the_same_file_under_another_name_is_not_worked_on_again(run: Runner, picture: Path) -> None:
    run(CHAIN, {"photo": picture})
    run(CHAIN, {"photo": picture.rename(picture.with_name("other.png"))})
    assert run.done == set()


def test_only_what_is_needed_runs_when_a_result_was_damaged(run: Runner, picture: Path) -> None:
    first = run(CHAIN, {"photo": picture})
    store = run.folder / ".datprl-store"
    key = first.results["brightest"].key
    (store / key[:2] / key / "picture.png").write_bytes(b"damaged")
    run(CHAIN, {"photo": picture})
    assert run.done == {"brightest"}


def test_an_output_changed_in_place_does_not_come_back_from_the_store(run: Runner, picture: Path) -> None:
    first = run(CHAIN, {"photo": picture})
    (first.destination / "bright.png").write_bytes(b"edited")
    second = run(CHAIN, {"photo": picture})
    assert read_picture(second.destination / "bright.png").pixels.shape == (24, 32)


def test_fresh_runs_everything(run: Runner, picture: Path) -> None:
    run(CHAIN, {"photo": picture})
    run(CHAIN, {"photo": picture}, fresh=True)
    assert run.done == {"brighter", "brightest", "mean"}


def test_a_failure_in_the_middle_is_one_line_keeps_what_is_done_and_the_next_run_goes_on(
    run: Runner, picture: Path
) -> None:
    Path("STOP").touch()
    with pytest.raises(DatprlError, match=r"^E_NODE: step 'mean' \(acme_measure\): .*RuntimeError: somebody") as caught:
        run(CHAIN, {"photo": picture})
    assert len(str(caught.value).splitlines()) == 1
    assert not (run.folder / "out1").exists()
    assert ("mean", "failed") in run.events
    Path("STOP").unlink()
    finished = run(CHAIN, {"photo": picture})
    assert run.done == {"mean"}
    assert (finished.destination / "mean.json").exists()


def test_a_person_who_interrupts_keeps_what_is_done(run: Runner, picture: Path) -> None:
    workflow = run.folder / "workflow.yaml"
    workflow.write_text(CHAIN, encoding="utf-8")

    def stop(event: Any) -> None:
        if event.task == "brightest" and event.state == "running":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workflow(load_workflow(workflow), run.folder / "out", {"photo": picture}, observe=stop)
    assert not (run.folder / "out").exists()
    assert not list(run.folder.rglob(".datprl-partial-*"))
    run(CHAIN, {"photo": picture})
    assert run.done == {"brightest", "mean"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"E_OPTION: the input 'photo' of the workflow is not named \(Picture\). Add: --input photo=PATH"),
        ({"photo": Path("nowhere.png")}, r"E_MISSING: there is no such file or folder for the input 'photo' \(.*\).$"),
        ({"phot": Path("in.png")}, "E_OPTION: the workflow has no input 'phot'. Perhaps 'photo' was meant"),
        (
            {"photo": Path("text.png")},
            r"E_UNKNOWN_FORMAT: step 'brighter' \(acme_brighten\): the content is no picture",
        ),
    ],
)
def test_a_wrong_input_is_one_line_that_names_it(
    run: Runner, picture: Path, inputs: dict[str, Path], message: str
) -> None:
    Path("text.png").write_text("no picture")
    with pytest.raises(DatprlError, match=message):
        run(CHAIN, inputs)
    assert not (run.folder / "out1").exists()


def test_an_output_that_is_there_or_inside_the_input_is_refused_before_any_work(run: Runner, photos: Path) -> None:
    (run.folder / "out1").mkdir()
    with pytest.raises(DatprlError, match="E_EXISTS"):
        run(EACH, {"photos": photos})
    with pytest.raises(DatprlError, match="lies inside the input 'photos'"):
        run_workflow(load_workflow(run.folder / "workflow.yaml"), photos / "out", {"photos": photos})
    assert run.events == []


def test_weights_that_are_not_there_stop_the_run_before_it_begins(run: Runner, photos: Path) -> None:
    with pytest.raises(
        DatprlError, match=r"E_WEIGHTS: step 'restored\[one\]' \(restore_picture\): there are no weights"
    ):
        run(EACH.replace("tiny", "enormous"), {"photos": photos})
    assert run.events == []


def test_each_file_of_a_folder_runs_by_itself_and_is_named_in_the_outputs(
    run: Runner, photos: Path, tiny_weights: str
) -> None:
    finished = run(EACH, {"photos": photos})
    assert sorted(path.name for path in (finished.destination / "restored").iterdir()) == [
        "one.png", "three.png", "two.png",
    ]  # fmt: skip
    table = Report.from_json((finished.destination / "table.json").read_text())
    assert [label for label, _ in table.rows] == ["one: picture", "three: picture", "two: picture"]
    (photos / "two.png").unlink()
    run(EACH, {"photos": photos})
    assert run.done == {"table"}


def test_a_folder_without_such_files_is_empty(run: Runner, tmp_path: Path, tiny_weights: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatprlError, match=r"E_EMPTY: no file is like '\*.png' for the input 'photos'"):
        run(EACH, {"photos": tmp_path / "empty"})


def test_other_weights_under_the_same_name_are_noticed(
    run: Runner, photos: Path, tiny_weights: str, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datprl_toolkit.restoring.testing import tiny_restorer
    from datprl_toolkit.weights import FOLDER_VARIABLE, save_weights

    run(EACH, {"photos": photos})
    other = tiny_restorer(seed=1)
    (run.folder / "weights").mkdir()
    save_weights(run.folder / "weights" / "tiny.safetensors", other.network, other.card)
    monkeypatch.setenv(FOLDER_VARIABLE, str(run.folder / "weights"))
    run(EACH, {"photos": photos})
    assert "restored[one]" in run.done


def test_warnings_are_told_again_when_the_result_was_kept(run: Runner, picture: Path) -> None:
    for _ in range(2):
        finished = run(CHAIN, {"photo": picture}, {"brighter": {"amount": 201}})
        assert finished.warnings == ("brighter: W_BRIGHT: very bright",)


def test_the_record_follows_every_output_to_the_inputs_and_names_no_place_of_the_machine(
    run: Runner, photos: Path, tiny_weights: str, weights_folder: Path
) -> None:
    weights = str(weights_folder / "tiny.safetensors")
    finished = run(EACH, {"photos": photos}, {"restored": {"weights": weights}})
    text = (finished.destination / "provenance.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert str(run.folder) not in text
    assert str(weights_folder) not in text
    activity = record["activity"]["datprl:step-restored-one"]
    assert len(activity["datprl:weights-sha256"]) == 64
    made_by = {each["prov:entity"]: each["prov:activity"] for each in record["wasGeneratedBy"].values()}
    used: dict[str, set[str]] = {}
    for each in record["used"].values():
        used.setdefault(each["prov:activity"], set()).add(each["prov:entity"])
    reached, waiting = set(), [each["prov:usedEntity"] for each in record["wasDerivedFrom"].values()]
    while waiting:
        entity = waiting.pop()
        assert entity in record["entity"]
        reached.add(entity)
        waiting += used.get(made_by.get(entity, ""), set()) - reached
    assert {f"datprl:input-photos.{name}" for name in ("one", "two", "three")} <= reached


def test_the_record_is_read_by_the_library_of_its_standard(run: Runner, picture: Path) -> None:
    model: Any = pytest.importorskip("prov.model", reason="the package prov is not installed")
    finished = run(CHAIN, {"photo": picture})
    record = model.ProvDocument.deserialize(finished.destination / "provenance.json", format="json")
    labels = {str(each.label) for each in record.get_records(model.ProvActivity)}
    assert labels == {"brighter", "brightest", "mean"}
    made = list(record.get_records(model.ProvGeneration))
    assert len(made) == 3


def test_threads_and_a_cluster_of_two_workers_give_identical_hashes(
    run: Runner, photos: Path, tiny_weights: str
) -> None:
    from distributed import LocalCluster

    write_synthetic_series(run.folder / "ct", "CT", 2)
    clear = write_raster(run.folder / "clear.tif", photograph(3, 60, 70))
    cases: list[tuple[str, dict[str, Path]]] = [
        (EACH, {"photos": photos}),
        (MIXED, {"ct": run.folder / "ct", "clear": clear}),
    ]
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        engine = Engine(cluster=cluster.scheduler_address)
        for text, inputs in cases:
            on_threads = run(text, inputs, engine=Engine(threads=2), store=run.folder / "first")
            on_cluster = run(text, inputs, engine=engine, store=run.folder / "second")
            assert run.done == set(on_cluster.results)
            digests = [
                {name: result.digest for name, result in each.results.items()} for each in (on_threads, on_cluster)
            ]
            assert digests[0] == digests[1]
            keys = [{result.key for result in each.results.values()} for each in (on_threads, on_cluster)]
            assert keys[0] == keys[1]
            for path in on_threads.destination.rglob("*.png"):
                other = on_cluster.destination / path.relative_to(on_threads.destination)
                assert path.read_bytes() == other.read_bytes()
        Path("STOP").touch()
        with pytest.raises(DatprlError, match=r"E_NODE: step 'mean\[\w+\]' \(acme_measure\)"):
            run(EACH, {"photos": photos}, {"restored": {"strength": 0.5}}, engine=engine)


def test_a_cluster_that_does_not_answer_is_one_line(run: Runner, picture: Path) -> None:
    with pytest.raises(DatprlError, match=r"E_DEVICE: no Dask scheduler answers there \(nonsense\)"):
        run(CHAIN, {"photo": picture}, engine=Engine(cluster="nonsense"))


@pytest.mark.parametrize("device", ["cpu", "test:7"])
def test_a_device_is_used_by_one_step_at_a_time(device: str) -> None:
    inside, most, lock = [0], [0], threading.Lock()

    def work() -> None:
        with device_alone(device):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_who_waits_for_a_device_can_be_stopped() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with device_alone("test:8"), pytest.raises(KeyboardInterrupt), device_alone("test:8", stop):
        pytest.fail("two steps had the device")


def test_a_store_that_was_removed_is_made_anew(run: Runner, picture: Path) -> None:
    run(CHAIN, {"photo": picture})
    shutil.rmtree(run.folder / ".datprl-store")
    run(CHAIN, {"photo": picture})
    assert run.done == {"brighter", "brightest", "mean"}


def test_a_node_of_a_notebook_runs_without_being_installed(run: Runner, picture: Path) -> None:
    from datprl_nodes import find_node
    from datprl_nodes.workflow import Step, WorkflowInput

    node = find_node("acme_brighten").model_validate({"amount": 3})
    workflow = Workflow(
        inputs={"photo": WorkflowInput(type="Picture", default=str(picture))},
        steps={"a": Step(node=node, inputs={"picture": ("photo",)})},
        outputs={"a.png": "a"},
    )
    finished = run_workflow(workflow, run.folder / "out")
    before, after = read_picture(picture).pixels, read_picture(finished.destination / "a.png").pixels
    np.testing.assert_array_equal(after, before + 3)
