"""The nodes of this package, each on small data, and every example workflow from its file."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
from datprl_nodes import Job, find_nodes
from datprl_nodes.api import run_workflow
from datprl_nodes.calling import run_node
from datprl_nodes.checking import check, find_problems
from datprl_nodes.node import call_node, make_node
from datprl_nodes.values import KINDS, type_of
from datprl_nodes.workflow import load_workflow

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.metrics.report import Report

if TYPE_CHECKING:
    from datprl_nodes.api import Run

EXAMPLES = Path(__file__).parent.parent.parent / "nodes" / "examples"
NODES = find_nodes()
CALLS: dict[str, dict[str, str]] = {
    "read_dicom": {"source": "series"},
    "read_scene": {"source": "scene.tif"},
    "read_picture": {"source": "photo.png"},
    "restore": {"source": "photo.png"},
    "restore_volume": {"volume": "series"},
    "restore_scene": {"scene": "scene.tif"},
    "restore_picture": {"picture": "photo.png"},
    "write_dicom": {"volume": "series"},
    "write_nifti": {"volume": "series"},
    "write_geotiff": {"scene": "scene.tif"},
    "write_zarr": {"scene": "scene.tif"},
    "write_picture": {"picture": "photo.png"},
    "write_table": {"report": "report.json"},
    "low_dose_ct": {"volume": "series"},
    "low_count_pet": {"volume": "pet"},
    "low_resolution_mr": {"volume": "mr"},
    "low_resolution": {"image": "scene.tif"},
    "clouds": {"image": "scene.tif"},
    "haze": {"image": "photo.png"},
    "rain": {"image": "photo.png"},
    "camera_shake": {"image": "photo.png"},
    "select_slices": {"volume": "series"},
    "select_bands": {"scene": "scene.tif"},
    "select_window": {"scene": "scene.tif"},
    "stack_bands": {"scenes": "scene.tif"},
    "mosaic": {"scenes": "scene.tif"},
    "map_intensities": {"volume": "series"},
    "preview": {"before": "series", "after": "series"},
    "thumbnail": {"image": "scene.tif"},
    "score": {"image": "photo.png", "reference": "photo.png"},
    "quality_report": {"before": "scene.tif", "after": "other.tif"},
    "measure_seams": {"scene": "scene.tif"},
    "explain": {"sources": "photo.png"},
    "join_reports": {"reports": "report.json"},
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "low_dose_ct": {"views": 60},
    "select_bands": {"bands": [2]},
    "select_window": {"height": 20, "width": 30},
    "measure_seams": {"tile": 16},
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the inputs of the examples, and of each node."""
    folder = tmp_path_factory.mktemp("made") / "inputs"
    with mock.patch.object(sys, "argv", ["make_inputs.py", str(folder)]):
        runpy.run_path(str(EXAMPLES / "make_inputs.py"), run_name="__main__")
    from datprl_toolkit.medical.testing import write_synthetic_series
    from datprl_toolkit.remote_sensing.testing import photograph, write_raster

    for name, modality in (("series", "CT"), ("pet", "PT"), ("mr_series", "MR")):
        write_synthetic_series(folder / name, modality, 2)  # type: ignore[arg-type]
    shutil.rmtree(folder / "mr_small", ignore_errors=True)
    write_raster(folder / "scene.tif", photograph(3, 60, 70))
    write_raster(folder / "other.tif", photograph(3, 60, 70).clip(20, 230))
    shutil.copyfile(folder / "photos" / "portrait.png", folder / "photo.png")
    (folder / "report.json").write_text(Report("r", ("x",), (("a", (1.0,)),)).to_json())
    return folder


def test_every_node_is_tried() -> None:
    assert set(CALLS) == {name for name, node in NODES.items() if node.__module__.startswith("datprl_nodes.")}


@pytest.mark.parametrize("name", CALLS)
def test_a_node_makes_what_it_says_from_what_it_takes_and_leaves_its_inputs_alone(
    inputs: Path, tmp_path: Path, tiny_weights: str, name: str
) -> None:
    kind = NODES[name]
    weights = {"weights": "tiny", "device": "cpu"} if "weights" in kind.model_fields else {}
    node = make_node(name, kind, {**weights, **PARAMETERS.get(name, {})})
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    values = {}
    for port, file in CALLS[name].items():
        types = kind.inputs()[port].types
        value = next(
            _open(each, inputs / ("mr_series" if file == "mr" else file)) for each in types if _fits(each, file)
        )
        values[port] = (value,) if kind.inputs()[port].many else value
    outputs = call_node(node, values, Job(tmp_path))
    (output,) = outputs.values()
    (declared,) = kind.outputs().values()
    assert type_of(output) in declared.types
    reference = KINDS[type_of(output)].keep(output, tmp_path)
    again = KINDS[type_of(output)].recall(reference, tmp_path)
    assert type_of(again) == type_of(output)
    if type_of(output) == "Path":
        assert output.suffix == kind.suffix or name == "restore"
        assert output.exists()
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


def _fits(kind: str, file: str) -> bool:
    return (
        kind == {".tif": "Scene", ".png": "Picture", ".json": "Report", "": "Volume"}[Path(file).suffix]
        or kind == "Path"
    )


def _open(kind: str, path: Path) -> Any:
    return KINDS[kind].open(path)


def run_example(name: str, inputs: Path, destination: Path, **changes: dict[str, Any]) -> Run:
    workflow = load_workflow(EXAMPLES / f"{name}.yaml")
    for step in workflow.steps.values():
        if "weights" in NODES[str(step.node)].model_fields:
            step.parameters["weights"] = "tiny"
    (declared,) = workflow.inputs.items()
    assert declared[1].default is not None
    source = inputs / Path(declared[1].default).relative_to("../../demo/inputs")
    return run_workflow(workflow.with_parameters(dict(changes)), destination, {declared[0]: source})


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_fits_together_and_says_what_it_is_for(path: Path) -> None:
    workflow = load_workflow(path)
    assert find_problems(workflow) == []
    assert workflow.description
    assert all(declared.description for declared in workflow.inputs.values())
    assert f"nodes/examples/{path.name}" in path.read_text(encoding="utf-8")
    assert check(workflow).steps


@pytest.mark.usefixtures("tiny_weights")
def test_the_pet_ct_study_gives_two_series_pictures_and_a_page(inputs: Path, tmp_path: Path) -> None:
    finished = run_example("pet_ct_study", inputs, tmp_path / "out")
    out = finished.destination
    assert len(list((out / "ct").iterdir())) == len(list((out / "pet").iterdir())) == 4
    assert read_picture(out / "ct.png").pixels.std() > 10
    assert "<html" in (out / "pet.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("tiny_weights")
def test_the_low_dose_trial_scores_before_and_after(inputs: Path, tmp_path: Path) -> None:
    finished = run_example("low_dose_ct_trial", inputs, tmp_path / "out", quarter_dose={"views": 60})
    scores = Report.from_json((finished.destination / "scores.json").read_text())
    assert [label for label, _ in scores.rows] == ["score_before: mean of 1", "score_after: mean of 1"]
    assert all(np.isfinite(figures).all() for _, figures in scores.rows)
    lines = (finished.destination / "scores.csv").read_text().splitlines()
    assert lines[0].startswith(",PSNR [dB],SSIM,RMSE [HU]")


@pytest.mark.usefixtures("tiny_weights")
def test_the_satellite_batch_makes_a_store_for_each_scene_and_a_table_of_seams(inputs: Path, tmp_path: Path) -> None:
    import xarray as xr

    finished = run_example("satellite_batch", inputs, tmp_path / "out")
    for name, size in (("coast", (160, 600)), ("field", (120, 140))):
        with xr.open_zarr(finished.destination / f"{name}.zarr") as store:
            assert store["restored"].shape[1:] == size
        assert max(read_picture(finished.destination / "small" / f"{name}.png").pixels.shape) <= 256
    assert len((finished.destination / "seams.csv").read_text().splitlines()) == 3


@pytest.mark.usefixtures("tiny_weights")
def test_the_hazy_scene_is_scored_against_the_clear_one(inputs: Path, tmp_path: Path) -> None:
    finished = run_example("hazy_scene", inputs, tmp_path / "out")
    scores = Report.from_json((finished.destination / "scores.json").read_text())
    assert [label for label, _ in scores.rows] == ["before: mean of 3", "after: mean of 3"]
    assert (finished.destination / "report.html").stat().st_size > 10_000


@pytest.mark.usefixtures("tiny_weights")
def test_the_mr_example_writes_dicom_and_nifti_of_the_same_values(inputs: Path, tmp_path: Path) -> None:
    import nibabel as nib

    from datprl_toolkit.medical.opening import open_volume

    finished = run_example("mr_super_resolution", inputs, tmp_path / "out")
    volume = open_volume(finished.destination / "restored").volume
    image: Any = nib.load(finished.destination / "restored.nii")
    voxels = np.asarray(image.dataobj)
    np.testing.assert_array_equal(voxels[:, ::-1, 0].T, volume.slices[0].read())


def test_the_training_pairs_have_the_same_names_and_sizes(inputs: Path, tmp_path: Path) -> None:
    finished = run_example("training_pairs", inputs, tmp_path / "out")
    for kind in ("rain", "shake", "low_resolution"):
        for name in ("portrait", "turned"):
            clean, spoilt = (
                read_picture(finished.destination / folder / f"{name}.png").pixels for folder in ("clean", kind)
            )
            assert spoilt.shape == clean.shape
            assert not np.array_equal(spoilt, clean)


def test_a_picture_of_a_preview_has_another_ending_than_its_node_makes(inputs: Path, tmp_path: Path) -> None:
    node = make_node("preview", NODES["preview"], {})
    files = {"before": [inputs / "photo.png"], "after": [inputs / "photo.png"]}
    with pytest.raises(DatprlError, match=r"Let the name end in '\.png'|Let the name end in \.png"):
        run_node("preview", node, files, {"path": tmp_path / "look.jpg"})


def test_the_core_of_the_nodes_can_be_read_at_once() -> None:
    """What a node is, what flows between nodes, and how nodes are found; all else stands on these three."""
    folder = Path(sys.modules["datprl_nodes"].__file__ or "").parent
    lengths = {path.stem: len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py")}
    assert sum(lengths[name] for name in ("node", "ports", "registry")) < 400
    assert max(lengths.values()) < 400
