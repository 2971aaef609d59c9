"""The measure widget: regions and lines drawn in the image, their numbers and curves before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_datprl.combined import follow
from napari_datprl.layer_choice import LayerChoice
from napari_datprl.measuring import LINES, Measured, measure, rows
from napari_datprl.plots import Curve, LinePlot
from napari_datprl.sources import KEY
from napari_datprl.status import partner_of
from napari_datprl.viewing import shown_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image

SHAPES = "datprl_measured"
COLOUR = "#7bd389"
SOON = 60  # milliseconds: a drag measures once when it pauses, not for each step
WIDTH, HEIGHT = 350, 230
EXPLANATION = (
    "SD: of the pixels. Noise SD: of the largest square in the middle of the region, its slow variation taken away. "
    "NPS mean: first moment of the noise power spectrum. SUVpeak: largest mean over a sphere of 1 ml."
)
MODES = {"Rectangle": "add_rectangle", "Ellipse": "add_ellipse", "Line": "add_line"}


class MeasureWidget(QWidget):
    """Measures the latest or selected shape in the slice that is shown.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.measured: tuple[Measured, ...] = ()
        self.layer_choice = LayerChoice(napari_viewer, lambda layer: not layer.rgb and not layer.multiscale)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["", "Before", "After", "Change"])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        for header, shown in ((self.table.verticalHeader(), False), (self.table.horizontalHeader(), True)):
            if header is not None:
                header.setVisible(shown)
                header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
                header.setMinimumSectionSize(20)
        self.table.setMinimumSize(WIDTH, HEIGHT)
        self.plot = LinePlot("", "")
        self.message = QLabel("Draw a rectangle, an ellipse or a line.")
        self.message.setWordWrap(True)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.update_measures)
        self._endings: list[Callable[[], None]] = []
        self._lay_out()
        self.layer_choice.changed.connect(self._on_layer)
        self.viewer.dims.events.current_step.connect(self._later)
        self._on_layer()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Layer", self.layer_choice)
        buttons = QHBoxLayout()
        for name, mode in MODES.items():
            button = QPushButton(name)
            button.clicked.connect(lambda _=False, mode=mode: self.draw(mode))
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addWidget(self.table)
        column.addWidget(self.plot)
        column.addWidget(self.message)
        column.addStretch()

    def shapes(self) -> Shapes | None:
        """Return the layer in which regions are drawn."""
        return next((layer for layer in self.viewer.layers if SHAPES in layer.metadata), None)

    def draw(self, mode: str) -> None:
        """Let the next drag in the image draw a shape."""
        layer = self.layer_choice.layer
        if layer is None:
            return
        shapes = self.shapes()
        if shapes is None:
            width = 1.5 * abs(float(layer.scale[-1]))
            shapes = Shapes(
                ndim=2,
                name="regions",
                edge_color=COLOUR,
                face_color="transparent",
                edge_width=width,
                units=layer.units[-2:],
                metadata={SHAPES: True},
            )
            shapes.current_edge_width = width
            self.viewer.layers.append(shapes)
            shapes.events.data.connect(self._later)
            shapes.events.highlight.connect(self._later)
        self.viewer.layers.selection.active = shapes
        shapes.mode = mode

    def update_measures(self) -> None:
        """Measure and show."""
        layer, shapes = self.layer_choice.layer, self.shapes()
        if layer is None or shapes is None or shapes.nshapes == 0:
            return
        index = shown_index(self.viewer, layer)
        if index is None:
            self.message.setText("Measured is the slice that is shown: show one slice along the first axis.")
            return
        chosen = max(shapes.selected_data, default=shapes.nshapes - 1)
        vertices = np.asarray(shapes.data[chosen]) * np.asarray(shapes.scale) + np.asarray(shapes.translate)
        kind = str(shapes.shape_type[chosen])
        self.measured = tuple(measure(each, index, vertices, kind) for each in self._compared(layer))
        self._fill_table()
        self._draw_curves(kind)

    def _compared(self, layer: Image) -> tuple[Image, ...]:
        """Return the layer, with what it was or became, the original first."""
        partner = partner_of(self.viewer, layer) if KEY in layer.metadata else None
        if partner is None:
            return (layer,)
        restored_first = partner.metadata.get("restored_from") is layer
        return (layer, partner) if restored_first else (partner, layer)

    def _fill_table(self) -> None:
        lines = list(rows(self.measured))
        self.table.setRowCount(len(lines))
        self.table.setVisible(bool(lines))
        for row, (name, numbers) in enumerate(lines):
            cells = [name, *(f"{number:.4g}" for number in numbers)]
            if len(numbers) == 2:
                cells.append(f"{numbers[1] - numbers[0]:+.3g}")
            for column in range(4):
                item = QTableWidgetItem(cells[column] if column < len(cells) else "")
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft)
                self.table.setItem(row, column, item)
        self.message.setText(_notice(self.measured))
        self.table.setToolTip(EXPLANATION)

    def _draw_curves(self, kind: str) -> None:
        names = ("before", "after") if len(self.measured) == 2 else ("",)
        unit = self.measured[0].unit
        if kind in LINES:
            self.plot.title, self.plot.x_label = f"Profile, {unit}", "mm along the line"
            profiles = [each.profile for each in self.measured]
            curves = [
                Curve(name, found.distance, found.values)
                for name, found in zip(names, profiles, strict=True)
                if found is not None
            ]
        else:
            self.plot.title, self.plot.x_label = f"Noise power, ({unit})² mm²", "cycles per mm"
            curves = [
                Curve(name, each.noise.frequency, each.noise.power)
                for name, each in zip(names, self.measured, strict=True)
                if each.noise is not None
            ]
        self.plot.show_curves(*curves)

    def _on_layer(self) -> None:
        for ending in self._endings:
            ending()
        self._endings.clear()
        layer = self.layer_choice.layer
        if layer is not None:
            self._endings = [follow(each, self._later) for each in self._compared(layer)]
        self._later()

    def _later(self, event: Any = None) -> None:
        self._soon.start(SOON)


def _notice(measured: tuple[Measured, ...]) -> str:
    """Say what is missing, and why."""
    first = measured[0]
    if first.profile is not None:
        return ""
    if any(each.statistics is None for each in measured):
        return "The region holds no pixel with a value."
    if first.noise is None:
        return "For a noise power spectrum draw a region of at least 8 x 8 pixels."
    if first.uptake is not None and not np.isfinite(first.uptake.peak):
        return "SUVpeak needs the slices beside this one, and a region away from the edge."
    return ""
