"""The prompt widget: which prompts the network chooses for the shown slice, and how much each block heeds them."""

from __future__ import annotations

from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_datprl.choices import likely_profile
from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.layer_choice import LayerChoice
from napari_datprl.messages import Failed, Finished, Network, Reply
from napari_datprl.plots import BarPlot
from napari_datprl.preferences import preferences
from napari_datprl.requests import prompts_request
from napari_datprl.restoration import Restoration
from napari_datprl.restore_run import EngineCall
from napari_datprl.sources import KEY
from napari_datprl.viewing import what_is_shown

SOON = 300  # milliseconds: whoever scrolls asks for the slice on which they stop


class PromptWidget(QWidget):
    """Asks the network about the slice that is shown, each time that another one is.

    Parameters
    ----------
    napari_viewer
        The viewer.
    engine
        Where the network runs.
    """

    def __init__(self, napari_viewer: Viewer, engine: EngineProcess = ENGINE) -> None:
        super().__init__()
        self.viewer, self.engine = napari_viewer, engine
        self.result: dict[str, Any] = {}
        self._call: EngineCall | None = None
        self.layer_choice = LayerChoice(napari_viewer)
        self.ask_button = QPushButton("Ask the network")
        self.follow_button = QPushButton("Follow the view")
        self.follow_button.setCheckable(True)
        self.domain, self.task = (
            BarPlot("Domain prompts: share (similarity)"),
            BarPlot("Task prompts: share (similarity)"),
        )
        self.gates = BarPlot("Share of the prompt in each block")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.ask)
        self._lay_out()
        self.ask_button.clicked.connect(self.ask)
        self.viewer.dims.events.current_step.connect(self._on_slice)
        self.viewer.scene.camera.events.center.connect(self._on_slice)
        self.layer_choice.changed.connect(self._on_slice)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Layer", self.layer_choice)
        plots = QWidget()
        inner = QVBoxLayout(plots)
        inner.setContentsMargins(0, 0, 0, 0)
        for plot in (self.domain, self.task, self.gates):
            inner.addWidget(plot)
        inner.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(plots)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.ask_button)
        column.addWidget(self.follow_button)
        column.addWidget(area)
        column.addWidget(self.message)

    def ask(self) -> None:
        """Ask about the plane that is shown."""
        layer = self.layer_choice.layer
        if layer is None:
            return
        if self.engine.is_working:
            # A restoration goes first; the question is asked again when it may be free.
            self._soon.start(SOON)
            return
        index = what_is_shown(self.viewer, layer)
        if index is None:
            self.message.setText("Show one slice along the first axis.")
            return
        found = layer.metadata.get(KEY)
        try:
            network, profile = _network_and_profile(layer, found)
            request = prompts_request(layer, index, network, profile)
        except Exception as error:
            self.message.setText(str(error))
            return
        self._call = EngineCall(self.engine, request, self)
        self._call.ended.connect(self._on_end)
        self._call.start()

    def _on_end(self, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self.message.setText(str(reply.error))
        if not isinstance(reply, Finished):
            return
        self.result = reply.result
        for plot, name in ((self.domain, "domain"), (self.task, "task")):
            pool = self.result["pools"].get(name)
            plot.show_bars(() if pool is None else _bars(pool))
            plot.setVisible(pool is not None)
        self.gates.show_bars(tuple((block, shares[1]) for block, shares in self.result["gates"].items()))
        self.message.setText(self.result["description"])

    def _on_slice(self, event: Any = None) -> None:
        if self.follow_button.isChecked():
            self._soon.start(SOON)


def _bars(pool: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return a bar for each chosen prompt, with how similar the query is to its key."""
    return tuple(
        (f"{number + 1} ({pool['similarity'][number]:+.2f})", weight)
        for number, weight in zip(pool["selected"], pool["weights"], strict=True)
    )


def _network_and_profile(layer: Any, found: Any) -> tuple[Network, Any]:
    """Return what restored a layer; for an original what would restore it."""
    if isinstance(found, Restoration) and found.profile is not None:
        return found.network, found.profile
    chosen = preferences()
    return Network(chosen.weights, chosen.device), likely_profile(layer)
