"""Forms from schemas, prompts, measures, sample data, settings and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from napari_datprl.batch_widget import BatchWidget
from napari_datprl.file_job import path_of
from napari_datprl.forms import SchemaForm
from napari_datprl.measure_widget import MeasureWidget
from napari_datprl.messages import Network
from napari_datprl.preferences import preferences
from napari_datprl.prompt_widget import PromptWidget
from napari_datprl.restore_widget import RestoreWidget
from napari_datprl.testing import brightened, opened, settle, wait_for
from napari_datprl.workflow_widget import WorkflowWidget
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.viewer import Viewer
    from napari_datprl.engine_process import EngineProcess


class Parameters(BaseModel):
    name: str = Field(default="small", description="A name.")
    share: float = Field(default=0.5, ge=0.0, le=1.0)
    edge: int = Field(default=512, ge=64, le=8192, json_schema_extra={"unit": "pixels"})
    keep: bool = True
    kind: Literal["tif", "zarr"] = "tif"
    bands: tuple[int, ...] | None = None
    folder: Path | None = None
    needed: int = Field(ge=2)


def test_a_form_follows_its_schema(application: object) -> None:
    form = SchemaForm(Parameters.model_json_schema())
    assert form.values() == {
        "name": "small", "share": 0.5, "edge": 512, "keep": True, "kind": "tif", "needed": 2,
    }  # fmt: skip
    fields: Any = {name: field.widget for name, field in form.fields.items()}
    assert (fields["share"].minimum(), fields["share"].maximum()) == (0.0, 1.0)
    assert (fields["edge"].minimum(), fields["edge"].maximum()) == (64, 8192)
    assert fields["name"].toolTip() == "A name."
    fields["bands"].setText("[4, 3, 2]")
    fields["kind"].setCurrentText("zarr")
    fields["folder"].setText("/tmp/x")
    made = Parameters(**form.values())
    assert made.bands == (4, 3, 2)
    assert (made.kind, made.folder) == ("zarr", Path("/tmp/x"))
    fields["bands"].setText("4 3 2")
    with pytest.raises(ValueError, match="Extra data"):
        form.values()


def test_every_installed_node_has_a_form_that_its_own_model_accepts(model: Viewer) -> None:
    widget = BatchWidget(model)
    assert widget.node.count() == len(widget.nodes) >= 4
    for number in range(widget.node.count()):
        widget.node.setCurrentIndex(number)
        node = widget.nodes[widget.node.currentData()]
        assert set(widget.form.fields) == set(node.model_fields)
        assert set(widget.inputs) == set(node.inputs())
        missing = {name for name, field in node.model_fields.items() if field.is_required()}
        if not missing:
            assert node(**widget.form.values()) == node()


def test_a_node_runs_on_the_files_of_a_layer_and_its_result_opens(
    model: Viewer, engine: EngineProcess, tiny_weights: str, ct_folder: Path, tmp_path: Path
) -> None:
    layer = model.add_layer(opened(ct_folder))
    assert path_of(layer) == ct_folder
    widget = BatchWidget(model, engine)
    widget.node.setCurrentIndex(widget.node.findData("restore_volume"))
    fields: Any = {name: field.widget for name, field in widget.form.fields.items()}
    fields["weights"].setText(tiny_weights)
    fields["device"].setText("cpu")
    widget.take_layer()
    widget.start()
    assert "where the result" in widget.message.text()
    (target,) = widget.outputs.values()
    target.line.setText(str(tmp_path / "out"))
    widget.start()
    wait_for(lambda: widget.start_button.isEnabled())
    assert widget.message.text().startswith("Written."), widget.message.text()
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 5
    assert len(model.layers) == 2
    widget.start()
    wait_for(lambda: widget.start_button.isEnabled())
    assert widget.message.text().startswith("E_EXISTS")


def test_the_prompts_of_the_shown_slice_are_those_of_the_network(
    model: Viewer, engine: EngineProcess, tiny_weights: str, ct_folder: Path
) -> None:
    import torch

    from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE
    from datprl_toolkit.restoring import Restorer

    original = model.add_layer(opened(ct_folder))
    restored = model.add_layer(brightened(original))
    restored.metadata["datprl"].network = Network(tiny_weights, "cpu")
    model.dims.set_point(0, original.translate[0] + 2 * original.scale[0])
    widget = PromptWidget(model, engine)
    widget.layer_choice.choose(restored)
    widget.ask()
    wait_for(lambda: bool(widget.result))
    restorer = Restorer.from_pretrained(tiny_weights, device="cpu")
    unit = CT_SOFT_TISSUE.to_unit(np.asarray(original.data)[2])
    context = restorer.network.context(torch.from_numpy(unit)[None, None].expand(-1, 3, -1, -1))
    for name, choice in (("domain", context.domain), ("task", context.task)):
        assert choice is not None
        pool = widget.result["pools"][name]
        assert pool["selected"] == choice.selected[0].tolist()
        assert pool["weights"] == pytest.approx(choice.weights[0].tolist(), abs=1e-5)
    assert [value for _, value in widget.task.bars] == widget.result["pools"]["task"]["weights"]
    assert {name for name, _ in widget.gates.bars} == set(restorer.network.gates())


def test_regions_and_lines_are_measured_before_and_after(model: Viewer, pet_folder: Path) -> None:
    original = model.add_layer(opened(pet_folder))
    restored = model.add_layer(brightened(original, 0.05))
    model.dims.set_point(0, original.translate[0] + 3 * original.scale[0])
    widget = MeasureWidget(model)
    widget.layer_choice.choose(restored)
    widget.draw("add_rectangle")
    shapes = widget.shapes()
    assert shapes is not None
    scale, translate = original.scale[1:], original.translate[1:]
    corners = np.array([[10, 12], [10, 29], [27, 29], [27, 12]]) - [[0.5, 0.5]]
    shapes.add_rectangles(corners * scale + translate)
    widget.update_measures()
    before, after = widget.measured
    region = (3, slice(10, 27), slice(12, 29))
    for found, layer in ((before, original), (after, restored)):
        assert found.statistics is not None
        values = np.asarray(layer.data)[region].astype(float)
        assert found.statistics.mean == pytest.approx(values.mean(), rel=1e-6)
        assert found.statistics.sd == pytest.approx(values.std(ddof=1), rel=1e-6)
        assert found.uptake is not None
        factor = original.metadata["datprl"].suv_factor
        assert found.uptake.maximum == pytest.approx(values.max() * factor, rel=1e-6)
        assert found.noise is not None
    table: Any = widget.table
    names = [table.item(row, 0).text() for row in range(table.rowCount())]
    assert "Mean, Bq/ml" in names
    assert "SUVpeak (1 ml)" in names
    row = names.index("Mean, Bq/ml")
    change = float(table.item(row, 3).text())
    assert after.statistics is not None
    assert before.statistics is not None
    assert change == pytest.approx(after.statistics.mean - before.statistics.mean, rel=2e-2)
    shapes.selected_data = set()
    shapes.add_lines(np.array([[20, 5], [20, 40]]) * scale + translate)
    widget.update_measures()
    assert [curve.name for curve in widget.plot.curves] == ["before", "after"]
    assert widget.measured[0].profile is not None
    assert np.allclose(widget.measured[0].profile.values[::2], np.asarray(original.data)[3, 20, 5:41])
    restored.metadata["datprl"].set_strength(0.0)
    wait_for(lambda: np.allclose(widget.plot.curves[1].y, widget.plot.curves[0].y))


def test_a_plot_draws_its_curves_in_their_colours(application: object) -> None:
    from napari_datprl.plots import BarPlot, Curve, LinePlot
    from qtpy.QtGui import QColor

    plot = LinePlot("Profile, HU", "mm")
    plot.resize(400, 190)
    x = np.linspace(0.0, 10.0, 50)
    plot.show_curves(Curve("before", x, np.zeros(50)), Curve("after", x, np.full(50, 10.0)))
    picture = plot.grab().toImage()
    at = [[picture.pixelColor(column, row) for row in range(22, 156)] for column in (150, 250)]
    for colours in at:
        blue = [row for row, colour in enumerate(colours) if near(colour, QColor("#5aa9e6"))]
        orange = [row for row, colour in enumerate(colours) if near(colour, QColor("#ffb000"))]
        assert min(blue) > max(orange), "the higher curve is drawn higher"
    bars = BarPlot("Task prompts")
    bars.show_bars((("one", 0.25), ("two", 0.75)))
    bars.resize(300, bars.sizeHint().height())
    image = bars.grab().toImage()
    lengths = [
        sum(near(image.pixelColor(column, 22 + 18 * row + 9), QColor("#5aa9e6")) for column in range(300))
        for row in range(2)
    ]
    assert lengths[1] == pytest.approx(3 * lengths[0], abs=2)


def near(one: Any, other: Any) -> bool:
    found: bool = (
        max(abs(one.red() - other.red()), abs(one.green() - other.green()), abs(one.blue() - other.blue())) < 60
    )
    return found


def test_the_sample_data_are_real_and_open(model: Viewer) -> None:
    for name, unit in (("ct_slice", "HU"), ("ct_series", "HU"), ("mr_slice", "1")):
        (layer,) = model.open_sample("datprl-toolkit", name)
        assert layer.metadata["unit"] == unit
        assert float(np.nanstd(np.asarray(layer.data))) > 0


def test_settings_are_napari_s_own(application: object) -> None:
    from napari.settings import get_plugin_settings

    stored = get_plugin_settings("datprl-toolkit").restore
    assert (preferences().weights, preferences().device, preferences().strength) == ("small", "auto", 1.0)
    stored.strength = 0.25
    assert preferences().strength == 0.25
    stored.strength = 1.0


def test_a_workflow_runs_on_the_files_of_a_layer(
    model: Viewer, engine: EngineProcess, tiny_weights: str, ct_folder: Path, tmp_path: Path
) -> None:
    workflow = tmp_path / "restore.yaml"
    workflow.write_text(
        "name: Restored CT\n"
        "inputs:\n  study: {type: Volume, description: A series}\n"
        "steps:\n  restored: {node: restore_volume, inputs: {volume: study}, "
        f"parameters: {{weights: '{tiny_weights}', device: cpu}}}}\n"
        "outputs:\n  ct: restored\n"
    )
    model.add_layer(opened(ct_folder))
    widget = WorkflowWidget(model, engine)
    widget.file.line.setText(str(tmp_path / "nowhere.yaml"))
    assert not widget.inputs
    widget.file.line.setText(str(workflow))
    assert widget.description.text() == "Restored CT"
    widget.take_layer("study")
    assert widget.inputs["study"].path == ct_folder
    widget.folder.line.setText(str(tmp_path / "results"))
    widget.start()
    wait_for(lambda: widget.start_button.isEnabled())
    assert widget.message.text().startswith("Written."), widget.message.text()
    assert len(model.layers) == 2
    assert np.asarray(model.layers[1].data).shape == np.asarray(model.layers[0].data).shape
    workflow.write_text("steps: [")
    widget.show_inputs()
    assert widget.message.text().startswith("E_WORKFLOW")


def test_a_picture_can_be_asked_for_a_task_and_a_series_cannot(
    model: Viewer, ct_folder: Path, engine: EngineProcess, tiny_weights: str
) -> None:
    picture = model.add_image(np.random.default_rng(0).random((48, 48, 3)).astype(np.float32), rgb=True)
    widget = RestoreWidget(model, engine)
    widget.weights.setCurrentText(tiny_weights)
    free = restored_by(widget)
    widget.task.setCurrentIndex(widget.task.findData("natural_deblurring"))
    asked = restored_by(widget)
    assert np.abs(asked - free).max() > 1e-4
    series = model.add_layer(opened(ct_folder))
    widget.layer_choice.choose(series)
    assert not widget.task.isEnabled()
    assert widget.choices().network.task == ""
    widget.layer_choice.choose(picture)
    assert widget.choices().network.task == "natural_deblurring"


def test_a_picture_can_be_restored_as_the_mean_over_mirror_images(
    model: Viewer, engine: EngineProcess, tiny_weights: str
) -> None:
    model.add_image(np.random.default_rng(0).random((48, 48, 3)).astype(np.float32), rgb=True)
    widget = RestoreWidget(model, engine)
    widget.weights.setCurrentText(tiny_weights)
    assert not widget.choices().network.self_ensemble
    single = restored_by(widget)
    widget.self_ensemble.setChecked(True)
    assert np.abs(restored_by(widget) - single).max() > 1e-4
    assert "self-ensemble" in widget.message.text()


def restored_by(widget: RestoreWidget) -> npt.NDArray[np.floating]:
    """Restore the picture that is chosen, and return what is shown then."""
    widget.start()
    wait_for(lambda: not widget.is_busy and widget.run is not None and widget.run.restoration.complete)
    assert widget.run is not None
    assert widget.run.layer is not None
    shown: npt.NDArray[np.floating] = np.asarray(widget.run.layer.data)
    return shown.copy()


@pytest.mark.gl
def test_keys_look_at_before_and_after(viewer: Viewer, ct_folder: Path) -> None:
    from napari_datprl.shortcuts import KEYS, curtain, difference, turn_over

    original = viewer.add_layer(opened(ct_folder))
    restored = viewer.add_layer(brightened(original))
    curtain(viewer)
    assert len(viewer.layers) == 5
    curtain(viewer)
    difference(viewer)
    assert len(viewer.layers) == 3
    difference(viewer)
    turn_over(viewer)
    assert (original.visible, restored.visible) == (True, False)
    turn_over(viewer)
    assert (original.visible, restored.visible) == (False, True)
    assert {"Alt-R", "Alt-B", "Alt-C", "Alt-D"} == set(KEYS)
    settle()
