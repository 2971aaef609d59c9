"""The restore widget: choose, start, watch it fill in, stop, change the strength, write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_datprl.choices import ASKED_TASKS, AUTOMATIC_TASK, Choices, Profile, prepare, profiles_for
from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.layer_choice import LayerChoice
from napari_datprl.messages import Advanced, Cancelled, Failed, Finished, ListWeights, Loaded, Network, Reply
from napari_datprl.preferences import preferences
from napari_datprl.requests import can_write, write_request
from napari_datprl.restoration import Restoration
from napari_datprl.restore_run import EngineCall, RestoreRun
from napari_datprl.scene_restoration import MOST_TILES
from napari_datprl.shortcuts import bind_keys
from napari_datprl.sources import KEY, SceneSource, VolumeSource, source_of
from napari_datprl.status import say_again, show_values
from napari_datprl.uncertainty import UncertaintyRun, can_map
from napari_datprl.upright import keep_upright
from napari_datprl.viewing import what_is_shown

if TYPE_CHECKING:
    from napari.layers import Image

DEVICES = ("auto", "cpu", "cuda")
STRENGTH_STEP = 0.05
MESSAGE_LINES = 4
LARGE_SCENE = f"The {MOST_TILES} tiles nearest to the view are restored here; Write scene restores all."
WRITE_SERIES, WRITE_SCENE = "Write series ...", "Write scene ..."


class RestoreWidget(QWidget):
    """Restores the chosen layer beside itself.

    Parameters
    ----------
    napari_viewer
        The viewer.
    engine
        Where the network runs.
    """

    def __init__(self, napari_viewer: Viewer, engine: EngineProcess = ENGINE) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.engine = engine
        self.run: RestoreRun | None = None
        self._call: EngineCall | None = None
        self._is_listing = self._is_working = False
        self._in_hand: Any = napari_viewer.layers.selection.active
        chosen = preferences()
        self.layer_choice = LayerChoice(napari_viewer)
        self.weights = _editable((chosen.weights,))
        self.profile = QComboBox()
        self.task = QComboBox()
        self.task.addItem(AUTOMATIC_TASK, "")
        for task in ASKED_TASKS:
            self.task.addItem(task.replace("_", " "), task)
        self.self_ensemble = QCheckBox("Mean over mirror images")
        self.device = _editable((chosen.device, *(name for name in DEVICES if name != chosen.device)))
        self.strength = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0.0, 1.0)
        self.strength.setSingleStep(STRENGTH_STEP)  # type: ignore[arg-type]  # typed for whole numbers
        self.strength.setValue(chosen.strength)
        self.start_button = QPushButton("Restore")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.export_button = QPushButton(WRITE_SERIES)
        self.uncertainty_button = QPushButton("Map uncertainty")
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(MESSAGE_LINES * self.message.fontMetrics().lineSpacing())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._explain()
        self._lay_out()
        self._connect()
        self._on_layer()
        show_values(napari_viewer)
        keep_upright(napari_viewer)
        bind_keys(napari_viewer)
        self._list_weights()

    def _explain(self) -> None:
        self.weights.setToolTip("Name of shipped weights, or the path of a .safetensors file")
        self.profile.setToolTip("Window of values that the network sees; outside it nothing changes")
        self.task.setToolTip(
            "What is wrong with a scene or picture, if the network does not see it by itself, as in an image unlike "
            "those it learnt from"
        )
        self.self_ensemble.setToolTip(
            "Restore each slice or tile and its three mirror images, and take the mean: closer to the truth, four "
            "times as long"
        )
        self.device.setToolTip("auto, cpu, cuda, cuda:1, mps")
        self.strength.setToolTip("Share of the network's change that is shown; changes at once, without the network")
        self.cancel_button.setToolTip("Stop; slices that are restored already stay")
        self.export_button.setToolTip(
            "Write what is restored, at this strength. A series: a folder of derived DICOM, or a name that ends in "
            ".nii.gz. A scene: all of it, whatever part was looked at, to a name that ends in .tif or .zarr"
        )
        self.uncertainty_button.setToolTip(
            "Standard deviation of the restored value over eight orientations of each slice, laid over it: what the "
            "network alone decides. Takes eight times as long as restoring; the slice that is shown comes first"
        )

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Layer", self.layer_choice)
        form.addRow("Weights", self.weights)
        form.addRow("Window", self.profile)
        form.addRow("Task", self.task)
        form.addRow("Self-ensemble", self.self_ensemble)
        form.addRow("Device", self.device)
        form.addRow("Strength", self.strength)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.cancel_button)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        results = QHBoxLayout()
        results.addWidget(self.export_button)
        results.addWidget(self.uncertainty_button)
        column.addLayout(results)
        notice = QLabel("Research use. Not for diagnosis.")
        notice.setEnabled(False)
        column.addWidget(notice)
        column.addStretch()

    def _connect(self) -> None:
        self.layer_choice.changed.connect(self._on_layer)
        self.viewer.layers.selection.events.active.connect(self._on_active)
        self.start_button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self.strength.valueChanged.connect(self._on_strength)
        self.export_button.clicked.connect(self._ask_destination)
        self.uncertainty_button.clicked.connect(self.map_uncertainty)

    def choices(self) -> Choices:
        """Return what is chosen in the form."""
        task = str(self.task.currentData()) if self.task.isEnabled() else ""
        weights, device = self.weights.currentText().strip(), self.device.currentText().strip()
        network = Network(weights or "small", device or "auto", task, self.self_ensemble.isChecked())
        profile = Profile(self.profile.currentText()) if self.profile.count() else Profile.AUTOMATIC
        return Choices(network, profile, float(self.strength.value()))

    @property
    def is_busy(self) -> bool:
        """Whether the engine does what a person asked for; what is asked while it only starts waits its turn."""
        return self._is_working or (self.engine.is_working and not self._is_listing)

    @property
    def restoration(self) -> Restoration | None:
        """What the strength and the writing apply to: the chosen layer's own, or the latest made from it."""
        layer = self.layer_choice.layer
        if layer is None:
            return None
        found = layer.metadata.get(KEY)
        if isinstance(found, Restoration):
            return found
        latest = self.restored_layer(layer)
        return None if latest is None else latest.metadata[KEY]

    def restored_layer(self, layer: Image) -> Image | None:
        """Return the latest layer that was restored from `layer`, or the layer itself if it is one."""
        if isinstance(layer.metadata.get(KEY), Restoration):
            return layer
        if self.run is not None and self.run.source_layer is layer and self.run.layer in self.viewer.layers:
            return self.run.layer
        made: list[Any] = [each for each in self.viewer.layers if each.metadata.get("restored_from") is layer]
        return made[-1] if made else None

    def _original_of(self, layer: Image) -> Image:
        """Return what a layer was restored from, as long as it is there, or the layer itself."""
        original = layer.metadata.get("restored_from")
        return original if original in self.viewer.layers else layer

    def start(self) -> None:
        """Restore the chosen layer; the slice or the tiles that are shown first."""
        layer = self.layer_choice.layer
        if layer is None or self.is_busy:
            return
        layer = self._original_of(layer)
        shown = what_is_shown(self.viewer, layer)
        middle = layer.data.shape[0] // 2 if layer.ndim > 2 else 0
        try:
            restoration, request = prepare(layer, self.choices(), middle if shown is None else shown)
        except Exception as error:
            self.say(str(error), wrong=True)
            return
        self.run = RestoreRun(self.viewer, layer, restoration, request, self.engine, self)
        self.run.advanced.connect(self._on_advance)
        self.run.replied.connect(self._on_loaded)
        self.run.ended.connect(self._on_end)
        self._set_working(working=True)
        self.say("Starting the engine ...")
        self.run.start()

    def cancel(self) -> None:
        """Stop what is under way."""
        self.cancel_button.setEnabled(False)
        self.cancel_button.setText("Cancelling ...")
        call = self._call or self.run
        if call is not None:
            call.cancel()

    def export(self, destination: Path) -> None:
        """Write the restored series or scene at the chosen strength."""
        restoration = self.restoration
        try:
            request = write_request(restoration, destination)
        except Exception as error:
            self.say(str(error), wrong=True)
            return
        self._begin(EngineCall(self.engine, request, self))
        self.say("Writing ...")

    def map_uncertainty(self) -> None:
        """Lay maps over the restored layer that tell how far it can be trusted."""
        layer = self.layer_choice.layer
        restored = None if layer is None else self.restored_layer(layer)
        if restored is None or not can_map(self.restoration) or self.is_busy:
            return
        self._begin(UncertaintyRun(self.viewer, restored, restored.metadata[KEY], self.engine, self))
        self.say("Mapping the uncertainty ...")

    def _begin(self, call: EngineCall) -> None:
        """Start what is done beside restoring."""
        self._call = call
        call.replied.connect(self._on_reply)
        call.ended.connect(self._on_end)
        self._set_working(working=True)
        call.start()

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show one message."""
        self.message.setStyleSheet("color: #e06c60;" if wrong else "")
        self.message.setText(text)

    def closeEvent(self, event: Any) -> None:
        """Stop what is under way when the window closes."""
        self.engine.cancel()
        super().closeEvent(event)

    def _list_weights(self) -> None:
        """Fill in the names of weights; this also lets the engine load PyTorch before it is needed."""
        if self.engine.is_working:
            return
        self._listing = EngineCall(self.engine, ListWeights(), self)
        self._is_listing = True
        self._listing.ended.connect(self._on_weights)
        self._listing.start()

    def _on_weights(self, reply: Reply) -> None:
        self._is_listing = False
        if isinstance(reply, Finished):
            chosen = self.weights.currentText()
            names = list(reply.result)
            self.weights.clear()
            self.weights.addItems(names if chosen in names else [chosen, *names])
            self.weights.setCurrentText(chosen)

    def _on_layer(self) -> None:
        layer, chosen = self.layer_choice.layer, self.profile.currentText()
        self.profile.clear()
        if layer is not None:
            self.profile.addItems([str(profile) for profile in profiles_for(self._original_of(layer))])
            self.profile.setCurrentIndex(max(0, self.profile.findText(chosen)))
            # A series is restored as its modality asks for.
            self.task.setEnabled(not isinstance(source_of(self._original_of(layer)), VolumeSource))
        self._update_buttons()

    def _on_active(self, event: Any) -> None:
        # What comes into hand and leaves it in one turn, as a new layer does that fills in, was not taken by a person.
        QTimer.singleShot(0, self._follow)

    def _follow(self) -> None:
        """Choose the layer that a person took in hand."""
        active = self.viewer.layers.selection.active
        if active is not self._in_hand:
            self._in_hand = active
            self.layer_choice.choose(active)

    def _on_strength(self, strength: float) -> None:
        restoration, layer = self.restoration, self.layer_choice.layer
        if restoration is None or layer is None:
            return
        restoration.set_strength(float(strength))
        shown = self.restored_layer(layer)
        if shown is not None:
            shown.refresh(extent=False, thumbnail=False, highlight=False)
            say_again(self.viewer)

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, Advanced):
            self._on_advance(reply.step, reply.done, reply.total)

    def _on_advance(self, step: str, done: int, total: int) -> None:
        self.bar.setMaximum(total)
        self.bar.setValue(done)
        self.bar.setFormat(f"{step} %v of %m")

    def _on_loaded(self, reply: Reply) -> None:
        if isinstance(reply, Loaded):
            self.say("\n".join((f"Restoring with {reply.description}.", *self._notes(reply))))

    def _notes(self, reply: Loaded | None = None) -> tuple[str, ...]:
        """Return what a person should know of the run."""
        assert self.run is not None
        made = self.run.restoration
        notes = made.notes if reply is None else reply.notes
        return (*notes, LARGE_SCENE) if made.total == MOST_TILES and made.pieces == "tiles" else notes

    def _on_end(self, reply: Reply) -> None:
        self._set_working(working=False)
        if isinstance(reply, Failed):
            self.say(str(reply.error), wrong=True)
        elif isinstance(reply, Cancelled):
            self.say("Cancelled." + self._kept())
        elif isinstance(self._call, UncertaintyRun):
            self.say(
                "Bright is uncertain: there the answer depends on how the slice lies. "
                "A second layer, hidden, is the change divided by the noise."
            )
        elif self._call is not None and isinstance(reply, Finished) and reply.result:
            self.say(f"{reply.result}.")
        elif self.run is not None:
            self.say("\n".join((f"Restored with {self.run.restoration.description}.", *self._notes())))
        self._call = None

    def _kept(self) -> str:
        if self.run is None or self._call is not None or not self.run.restoration.done:
            return ""
        made = self.run.restoration
        return f" {made.done} of {made.total} {made.pieces} are restored and stay."

    def _set_working(self, *, working: bool) -> None:
        self._is_working = working
        self.cancel_button.setText("Cancel")
        self.cancel_button.setEnabled(working)
        self.bar.setMaximum(0 if working else 1)
        self.bar.setFormat("")
        self.bar.setValue(0)
        self._update_buttons()

    def _update_buttons(self) -> None:
        restoration, free = self.restoration, not self.is_busy
        self.start_button.setEnabled(self.layer_choice.layer is not None and free)
        self.export_button.setText(WRITE_SCENE if _is_scene(self.layer_choice.layer) else WRITE_SERIES)
        self.export_button.setEnabled(can_write(restoration) and free)
        self.uncertainty_button.setEnabled(can_map(restoration) and free)

    def _ask_destination(self) -> None:
        what = "Folder for the new series, or a name that ends in .nii.gz"
        if _is_scene(self.layer_choice.layer):
            what = "New scene: a name that ends in .tif or .zarr"
        name, _ = QFileDialog.getSaveFileName(self, what)
        if name:
            self.export(Path(name))


def _is_scene(layer: Image | None) -> bool:
    found = None if layer is None else layer.metadata.get(KEY)
    return isinstance(found.source if isinstance(found, Restoration) else found, SceneSource)


def _editable(items: tuple[str, ...]) -> QComboBox:
    box = QComboBox()
    box.setEditable(True)
    box.addItems(list(items))
    return box
