"""The whole way through the real window: open, restore, compare, measure, write; and that the window answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from napari.layers import Points
from napari_datprl.comparing import Mode
from napari_datprl.engine_process import EngineProcess
from napari_datprl.restore_widget import RestoreWidget
from napari_datprl.sources import KEY
from napari_datprl.status import partner_of, say_again
from napari_datprl.testing import opened, settle, wait_for

from datprl_toolkit.errors import ErrorCode
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

LONGEST_BUSY = 1.5  # between two turns of the event loop, in times of what one more layer takes
ATTEMPTS = 3  # other programs on the same core only add to it
VALIDATED_EACH = 16  # of the slices written, one in so many goes through dciodvfy
SIDE = 480  # pixels of the slices of a series of usual size


class Pulse:
    """Measures for how long the thread of the window is busy between two turns of its event loop.

    Its own processor time is measured, not the clock: how many other programs run beside it says nothing of it.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.longest = 0.0
        self.turns = 0
        self._last = time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        self.longest, self.turns, self._last = 0.0, 0, time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _beat(self) -> None:
        now = time.thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now
        self.turns += 1


def time_of_one_more_layer(viewer: Viewer) -> float:
    """Return how long the thread of the window is busy with adding a layer of six slices: all machines differ."""
    chosen = viewer.layers.selection.active
    start = time.thread_time()
    layer = viewer.add_image(np.zeros((6, SIDE, SIDE), np.float32))
    taken = time.thread_time() - start
    settle()
    viewer.layers.remove(layer)
    viewer.layers.selection.active = chosen
    settle()
    return taken


def enlarged(dataset: pydicom.FileDataset, index: int) -> None:
    """Repeat a synthetic slice until it has the size of a real one."""
    rows, columns = -(-SIDE // dataset.Rows), -(-SIDE // dataset.Columns)
    dataset.PixelData = np.tile(dataset.pixel_array, (rows, columns))[:SIDE, :SIDE].tobytes()
    dataset.Rows = dataset.Columns = SIDE


@pytest.fixture
def restoring(model: Viewer, engine: EngineProcess, tiny_weights: str) -> RestoreWidget:
    """The widget beside a viewer without a window."""
    return chosen(RestoreWidget(model, engine), tiny_weights)


def chosen(widget: RestoreWidget, weights: str) -> RestoreWidget:
    engine = widget.engine
    wait_for(lambda: widget.start_button.isEnabled() or not engine.is_working)
    widget.weights.setCurrentText(weights)
    widget.device.setCurrentText("cpu")
    return widget


def finished(widget: RestoreWidget) -> bool:
    return widget.start_button.isEnabled() and not widget.engine.is_working


def geometry(folder: Path) -> tuple[object, ...]:
    reader: Any = sitk.ImageSeriesReader()  # type: ignore[no-untyped-call]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    return image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()


def new_errors(source: Path, derived: Path) -> set[str]:
    """Return what dciodvfy calls an error in a derived file and not in its source; nothing where it is not there."""
    program = shutil.which("dciodvfy")
    if program is None:
        return set()

    def errors(path: Path) -> set[str]:
        found = subprocess.run([program, str(path)], capture_output=True, text=True, errors="replace", check=False)
        return {line for line in found.stderr.splitlines() if line.startswith("Error")}

    return errors(derived) - errors(source)


def driven(viewer: Viewer, engine: EngineProcess, weights: str, folder: Path, output: Path) -> tuple[Any, Any]:
    """Open, restore, compare and write a series through the window, check what was written; return both layers."""
    (original,) = viewer.open(str(folder), plugin="datprl-toolkit")
    _, restore = viewer.window.add_plugin_dock_widget("datprl-toolkit", "Restore")
    wait_for(lambda: not restore.engine.is_working)
    restore.engine = engine
    chosen(restore, weights)
    restore.start()
    wait_for(lambda: finished(restore))
    restored = viewer.layers[1]
    assert np.isfinite(np.asarray(restored.data)).all(), restore.message.text()
    assert np.array_equal(restored.scale, original.scale)
    assert np.array_equal(restored.translate, original.translate)

    _, compare = viewer.window.add_plugin_dock_widget("datprl-toolkit", "Compare")
    assert (compare.before.layer, compare.after.layer) == (original, restored)
    for mode in Mode:
        compare.set_mode(mode)
        settle(0.05)
        assert compare.mode is mode, compare.message.text()
    compare.set_mode(Mode.OFF)

    restore.export(output)
    wait_for(lambda: finished(restore))
    assert "slices written" in restore.message.text()
    assert np.array_equal(np.asarray(opened(output).data), np.asarray(restored.data))
    assert geometry(output) == geometry(folder)
    sources = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in folder.iterdir()}
    for number, path in enumerate(sorted(output.glob("*.dcm"))):
        derived = pydicom.dcmread(path, stop_before_pixels=True)
        source = sources.pop(derived.SourceImageSequence[0].ReferencedSOPInstanceUID)
        assert derived.ImageType[0] == "DERIVED"
        if number % VALIDATED_EACH == 0:
            assert new_errors(source, path) == set()
    assert not sources
    return original, restored


@pytest.mark.gl
@pytest.mark.parametrize("modality", ["ct_folder", "pet_folder"])
def test_open_restore_compare_and_write(
    modality: str,
    request: pytest.FixtureRequest,
    viewer: Viewer,
    engine: EngineProcess,
    tiny_weights: str,
    tmp_path: Path,
) -> None:
    driven(viewer, engine, tiny_weights, request.getfixturevalue(modality), tmp_path / "out")


@pytest.mark.gl
def test_the_window_answers_while_it_restores(
    viewer: Viewer, engine: EngineProcess, tiny_weights: str, tmp_path: Path
) -> None:
    from datprl_toolkit.medical.testing import write_synthetic_series

    restoring = chosen(RestoreWidget(viewer, engine), tiny_weights)
    viewer.window.add_dock_widget(restoring, name="Restore")
    write_synthetic_series(tmp_path / "long", "CT", 6, change=enlarged)
    viewer.add_layer(opened(tmp_path / "long"))
    settle()
    for _ in range(ATTEMPTS):
        layer_takes = time_of_one_more_layer(viewer)
        pulse = Pulse()
        pulse.start()
        restoring.start_button.click()
        wait_for(lambda: finished(restoring))
        pulse.stop()
        assert restoring.run is not None
        assert restoring.run.restoration.complete
        assert pulse.turns > 6
        if pulse.longest < LONGEST_BUSY * layer_takes:
            break
    assert pulse.longest < LONGEST_BUSY * layer_takes


def test_what_is_asked_while_the_engine_starts_waits_its_turn_and_can_be_cancelled(
    model: Viewer, ct_folder: Path, tiny_weights: str
) -> None:
    starting = EngineProcess()
    widget = RestoreWidget(model, starting)
    wait_for(lambda: starting.is_working)
    widget.weights.setCurrentText(tiny_weights)
    model.add_layer(opened(ct_folder))
    assert widget.start_button.isEnabled()
    widget.start()
    widget.cancel()
    wait_for(lambda: finished(widget))
    assert widget.message.text() == "Cancelled."
    assert len(model.layers) == 1
    assert widget.weights.count() > 1
    starting.close()


def test_strength_changes_what_is_shown_at_once(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = model.add_layer(opened(ct_folder))
    restoring.start()
    wait_for(lambda: finished(restoring))
    restored = model.layers[1]
    full = np.asarray(restored.data).copy()
    monkeypatch.delattr(EngineProcess, "ask")
    restoring.strength.setValue(0.0)
    assert np.array_equal(np.asarray(restored.data), np.asarray(original.data))
    restoring.strength.setValue(1.0)
    assert np.array_equal(np.asarray(restored.data), full)


def test_uncertainty_is_laid_over_the_restored_series(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path, tiny_weights: str
) -> None:
    from datprl_toolkit.restoring.uncertainty import UncertaintyEstimator

    original = model.add_layer(opened(ct_folder))
    assert not restoring.uncertainty_button.isEnabled()
    restoring.start()
    wait_for(lambda: finished(restoring))
    restored = model.layers[1]
    assert restoring.uncertainty_button.isEnabled()
    restoring.map_uncertainty()
    wait_for(lambda: finished(restoring))
    assert "uncertain" in restoring.message.text()
    deviation, ratio = model.layers[2:]
    assert (deviation.visible, ratio.visible) == (True, False)
    assert np.array_equal(deviation.scale, restored.scale)
    assert np.array_equal(deviation.translate, restored.translate)
    volume, restoration = original.metadata[KEY].volume, restored.metadata[KEY]
    expected = UncertaintyEstimator.of_volume(
        lambda index: volume.slices[index].read(),
        len(volume.slices),
        Restorer.from_pretrained(tiny_weights, device="cpu"),
        restoration.profile,
    ).maps(volume.slices[2].read()[None])
    for layer, map_of in ((deviation, expected.deviation), (ratio, expected.noise_ratio)):
        assert np.isfinite(np.asarray(layer.data)).all()
        assert np.allclose(np.asarray(layer.data)[2], map_of[0], atol=1e-2)
        assert map_of.max() > 0


def test_cancel_keeps_what_is_done_and_every_earlier_result(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path
) -> None:
    model.add_layer(opened(ct_folder))
    restoring.start()
    wait_for(lambda: finished(restoring))
    earlier = model.layers[1]
    values = np.asarray(earlier.data).copy()
    restoring.start()
    assert restoring.run is not None
    again = restoring.run.restoration
    wait_for(lambda: again.done > 0 or finished(restoring))
    restoring.cancel()
    wait_for(lambda: finished(restoring))
    assert np.array_equal(np.asarray(earlier.data), values)
    assert len(model.layers) == 3
    if not again.complete:
        assert "Cancelled" in restoring.message.text()
        assert np.isnan(np.asarray(again.stack)).any()


def test_the_latest_result_is_the_one_that_is_seen_and_compared(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path, pet_folder: Path
) -> None:
    original, above = model.add_layer(opened(ct_folder)), model.add_layer(opened(pet_folder))
    settle(0.05)
    restoring.layer_choice.choose(original)
    for _ in range(2):
        restoring.start()
        wait_for(lambda: finished(restoring))
    assert restoring.run is not None
    earlier, latest = model.layers[1:3]
    assert list(model.layers) == [original, earlier, latest, above]
    assert latest is restoring.run.layer
    assert latest.visible
    assert partner_of(model, original) is latest
    settle(0.05)
    assert restoring.layer_choice.layer is original, "though another is in hand"


def test_the_layer_that_a_person_takes_in_hand_is_the_one_to_be_restored(
    model: Viewer, engine: EngineProcess, tiny_weights: str, ct_folder: Path, pet_folder: Path
) -> None:
    ct, pet = model.add_layer(opened(ct_folder)), model.add_layer(opened(pet_folder))
    widget = chosen(RestoreWidget(model, engine), tiny_weights)
    assert widget.layer_choice.layer is pet
    widget.profile.setCurrentIndex(1)
    model.layers.selection.active = ct
    wait_for(lambda: widget.layer_choice.layer is ct)
    assert widget.profile.currentIndex() == 1
    model.add_layer(Points(ndim=3))
    settle(0.05)
    assert widget.layer_choice.layer is ct


def test_a_run_that_fails_leaves_no_layer_and_says_why(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path
) -> None:
    model.add_layer(opened(ct_folder))
    restoring.weights.setCurrentText("nowhere")
    restoring.start()
    wait_for(lambda: finished(restoring))
    assert len(model.layers) == 1
    assert restoring.message.text().startswith("E_WEIGHTS")
    assert restoring.start_button.isEnabled()


def test_the_status_bar_says_value_unit_before_after_difference_and_place(model: Viewer, pet_folder: Path) -> None:
    from napari_datprl.status import show_values
    from napari_datprl.testing import brightened

    original = model.add_layer(opened(pet_folder))
    restored = model.add_layer(brightened(original, 0.1))
    show_values(model)
    source = original.metadata[KEY]
    index = (3, 20, 24)
    place = tuple(np.asarray(index) * original.scale + original.translate)
    before, after = (float(layer.data[index]) for layer in (original, restored))
    for layer in (original, restored):
        said = layer.get_status(place, world=True)["coordinates"]
        assert f"original {before:.6g} Bq/ml (SUV {before * source.suv_factor:.3g})" in said
        assert f"restored {after:.6g} Bq/ml (SUV {after * source.suv_factor:.3g})" in said
        assert f"difference {after - before:+.4g}" in said
        assert "L 0.0 P 0.0 I 91.0 mm" in said


def test_a_cursor_at_rest_is_told_what_becomes_of_the_value_under_it(
    model: Viewer, restoring: RestoreWidget, pet_folder: Path
) -> None:
    original = model.add_layer(opened(pet_folder))
    place = tuple(np.asarray((2, 20, 24)) * original.scale + original.translate)
    model.mouse_over_canvas = True
    model.dims.set_point(0, place[0])
    model.cursor.position = place
    say_again(model)
    assert "restored" not in model.status["coordinates"]
    restoring.start()
    wait_for(lambda: finished(restoring))
    # The layer that is shown comes in a turn of its own.
    wait_for(lambda: ", restored " in model.status["coordinates"])
    at_full = model.status["coordinates"]
    restoring.strength.setValue(0.0)
    assert "difference +0," in model.status["coordinates"] != at_full


def test_the_same_series_equals_the_command_line_in_the_window_too(
    model: Viewer, restoring: RestoreWidget, ct_folder: Path, tiny_weights: str, tmp_path: Path
) -> None:
    model.add_layer(opened(ct_folder))
    restoring.strength.setValue(0.6)
    restoring.start()
    wait_for(lambda: finished(restoring))
    restore_dicom(
        ct_folder, tmp_path / "line", Restorer.from_pretrained(tiny_weights, device="cpu"), DicomOptions(strength=0.6)
    )
    assert np.abs(np.asarray(model.layers[1].data) - np.asarray(opened(tmp_path / "line").data)).max() <= 1


@pytest.mark.gl
@pytest.mark.shared
@pytest.mark.parametrize(
    ("modality", "folder", "unit"), [("ct", "acrin042_ct", "HU"), ("pet", "acrin042_pet_ac", "Bq/ml")]
)
def test_real_series_go_through_the_window(
    modality: str,
    folder: str,
    unit: str,
    viewer: Viewer,
    engine: EngineProcess,
    tiny_weights: str,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    series = shared_data / modality / "train" / folder
    original, restored = driven(viewer, engine, tiny_weights, series, tmp_path / "out")
    assert restored.metadata["unit"] == original.metadata["unit"] == unit
    assert restored.name.endswith("restored")


def test_nothing_heavy_is_imported_with_the_widgets() -> None:
    check = (
        "import sys, napari_datprl.restore_widget, napari_datprl.compare_widget, napari_datprl.measure_widget,"
        "napari_datprl.prompt_widget, napari_datprl.batch_widget, napari_datprl.sample_data, napari_datprl.writer,"
        "napari_datprl.scene_reader;"
        "print({'torch', 'monai', 'torchio', 'rasterio', 'matplotlib', 'pydicom', 'nibabel'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_an_error_of_the_series_is_said_where_napari_says_its_own(tmp_path: Path, ct_folder: Path) -> None:
    from napari_datprl.reader import read_dicom

    from datprl_toolkit.errors import DatprlError

    damaged = tmp_path / "damaged"
    damaged.mkdir()
    content = next(ct_folder.glob("*.dcm")).read_bytes()
    (damaged / "a.dcm").write_bytes(content[:600])
    with pytest.raises(DatprlError) as raised:
        read_dicom(str(damaged))
    assert raised.value.code in set(ErrorCode)
