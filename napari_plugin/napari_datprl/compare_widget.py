"""The compare widget: curtain, side by side, blink, difference; windows by name; PET over CT."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.viewer import Viewer
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_datprl.comparing import Blink, Comparison, Mode, Pair, SideBySide, SignedDifference
from napari_datprl.curtain import Curtain
from napari_datprl.layer_choice import LayerChoice
from napari_datprl.restoration import Restoration
from napari_datprl.shortcuts import bind_keys
from napari_datprl.sources import KEY
from napari_datprl.status import partner_of, show_values, volume_source
from napari_datprl.upright import keep_upright
from napari_datprl.windows import full_window, windows_for

if TYPE_CHECKING:
    from napari.layers import Image

COMPARISONS: dict[Mode, Callable[[Any, Pair], Comparison]] = {
    Mode.CURTAIN: Curtain,
    Mode.SIDE_BY_SIDE: SideBySide,
    Mode.BLINK: Blink,
    Mode.DIFFERENCE: SignedDifference,
}
NOTHING = "nothing"
FULL_WINDOW = "All values"
BLINK_SECONDS = 0.7
OPACITY = 0.6


class CompareWidget(QWidget):
    """Looks at an original and a restored layer together.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.comparison: Comparison | None = None
        self.before = LayerChoice(napari_viewer)
        self.after = LayerChoice(napari_viewer, empty=NOTHING)
        self.under = LayerChoice(napari_viewer, empty=NOTHING)
        self.modes = QButtonGroup(self)
        self.position = _slider(0.0, 1.0, 0.5)
        self.opacity = _slider(0.0, 1.0, OPACITY)
        self.period = _number(BLINK_SECONDS, 0.1, 10.0, " s")
        self.limit = _number(10.0, 1e-6, 1e9, "")
        self.windows = QComboBox()
        self.message = QLabel()
        self.message.setWordWrap(True)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._turn)
        self._lay_out()
        self._connect()
        show_values(napari_viewer)
        keep_upright(napari_viewer)
        bind_keys(napari_viewer)
        self._choose_pair()
        self._list_windows()

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        for number, mode in enumerate(Mode):
            button = QPushButton(str(mode))
            button.setCheckable(True)
            button.setChecked(mode is Mode.OFF)
            self.modes.addButton(button, number)
            buttons.addWidget(button, number // 2, number % 2)
        form = QFormLayout()
        form.addRow("Before", self.before)
        form.addRow("After", self.after)
        form.addRow("Over", self.under)
        form.addRow("Window", self.windows)
        self.parts = QFormLayout()
        self.parts.addRow("Line at", self.position)
        self.parts.addRow("Opacity", self.opacity)
        self.parts.addRow("Turn every", self.period)
        self.parts.addRow("Change up to ±", self.limit)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addLayout(buttons)
        column.addLayout(self.parts)
        column.addWidget(self.message)
        column.addStretch()
        self.under.setToolTip("Layer beneath both, such as the CT beneath a PET")
        self.windows.setToolTip("Values shown black and white; original and restored always share them")
        self.position.setToolTip("The line can also be dragged in the image")
        self._show_parts()

    def _connect(self) -> None:
        self.before.changed.connect(self._choose_after)
        self.after.changed.connect(self._on_pair)
        self.under.changed.connect(self._on_pair)
        self.modes.idClicked.connect(lambda number: self.set_mode(list(Mode)[number]))
        self.position.valueChanged.connect(self._on_position)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.period.valueChanged.connect(lambda seconds: self._timer.setInterval(round(1000 * seconds)))
        self.limit.valueChanged.connect(self._on_limit)
        self.windows.activated.connect(lambda _: self.set_window(self.windows.currentText()))
        layers = self.viewer.layers.events
        layers.inserted.connect(self._on_layers)
        layers.removed.connect(self._on_layers)

    @property
    def mode(self) -> Mode:
        """The way of looking."""
        return list(Mode)[self.modes.checkedId()]

    def set_mode(self, mode: Mode) -> None:
        """Look in another way; what the earlier way changed in the view is put back first."""
        self._stop()
        self._check(mode)
        pair = self._pair()
        if mode is Mode.OFF or pair is None:
            if mode is not Mode.OFF:
                self.say(self._missing())
                self._check(Mode.OFF)
            self._show_parts()
            return
        comparison = COMPARISONS[mode](self.viewer, pair)
        try:
            comparison.begin()
        except Exception as error:
            comparison.end()
            self._check(Mode.OFF)
            self._show_parts()
            self.say(str(error))
            return
        self.say("")
        self.comparison = comparison
        self._join()
        self._show_parts()

    def stop_turning(self) -> None:
        """Leave the turning of a blink to whoever presses the key."""
        self._timer.stop()

    def set_window(self, name: str) -> None:
        """Show a named window of values in both layers."""
        layer = self.before.layer
        if layer is None or layer.rgb:
            return
        named = _named_windows(layer)
        chosen = named[name] if name in named else full_window(_shown_values(layer))
        for each in {layer, self.after.layer}:
            if each is not None and not each.rgb:
                low, high = each.contrast_limits_range
                each.contrast_limits_range = (min(low, chosen[0]), max(high, chosen[1]))
                each.contrast_limits = chosen

    def say(self, text: str) -> None:
        """Show one message."""
        self.message.setText(text)

    def closeEvent(self, event: Any) -> None:
        """Put the view back."""
        self.set_mode(Mode.OFF)
        super().closeEvent(event)

    def _check(self, mode: Mode) -> None:
        button = self.modes.button(list(Mode).index(mode))
        if button is not None:
            button.setChecked(True)

    def _join(self) -> None:
        """Bring the fields of the form and the comparison that began together."""
        comparison = self.comparison
        if isinstance(comparison, Curtain):
            comparison.moved = self._set_position
            comparison.move(self.position.value())
        elif isinstance(comparison, Blink):
            self._timer.start(round(1000 * self.period.value()))
        elif isinstance(comparison, SignedDifference):
            self.limit.blockSignals(True)
            self.limit.setValue(comparison.limit)
            self.limit.blockSignals(False)

    def _stop(self) -> None:
        self._timer.stop()
        comparison, self.comparison = self.comparison, None
        if comparison is not None:
            comparison.end()

    def _pair(self) -> Pair | None:
        before, after = self.before.layer, self.after.layer
        if before is None or after is None or before is after:
            return None
        under = self.under.layer if self.under.layer not in (before, after) else None
        return Pair(before, after, under, float(self.opacity.value()))

    def _on_layers(self, event: Any) -> None:
        """Follow what comes and goes; the layers of a comparison itself are no choice."""
        if self.comparison is not None:
            if event.type == "removed" and event.value in (self.comparison.pair.before, self.comparison.pair.after):
                self.set_mode(Mode.OFF)
            return
        self._choose_pair()

    def _choose_pair(self) -> None:
        """Choose the latest restored layer and its original, unless a person chose already."""
        if self._pair() is not None:
            return
        for layer in reversed(list(self.viewer.layers)):
            if isinstance(layer.metadata.get(KEY), Restoration) and layer.metadata.get("restored_from") is not None:
                self.before.choose(layer.metadata["restored_from"])
                self.after.choose(layer)
                return

    def _choose_after(self) -> None:
        layer = self.before.layer
        found = None if layer is None else layer.metadata.get(KEY)
        if layer is not None and found is not None and not isinstance(found, Restoration):
            self.after.choose(partner_of(self.viewer, layer))
        self._on_pair()

    def _missing(self) -> str:
        """Return what a person should do where there is no pair."""
        layer = self.before.layer
        if layer is not None and self.after.layer is None and not isinstance(layer.metadata.get(KEY), Restoration):
            return f"Nothing was restored from {layer.name} yet: restore it, or choose what to compare it with."
        return "Choose two different layers of one shape: an original and what was restored from it."

    def _on_pair(self) -> None:
        self._list_windows()
        if self.comparison is not None:
            self.set_mode(self.mode)

    def _list_windows(self) -> None:
        layer = self.before.layer
        self.windows.clear()
        if layer is None:
            return
        self.windows.addItems([*_named_windows(layer), FULL_WINDOW])
        # Colours are shown as they are.
        self.windows.setEnabled(not layer.rgb)
        if not layer.rgb:
            layer.events.contrast_limits.disconnect(self._name_window)
            layer.events.contrast_limits.connect(self._name_window)
        self._name_window()

    def _name_window(self, event: Any = None) -> None:
        """Say the name of the window that is shown, and none where it has none."""
        layer = self.before.layer
        if layer is None or layer.rgb:
            return
        named = _named_windows(layer)
        fitting = [name for name, window in named.items() if np.allclose(window, layer.contrast_limits)]
        full = self.windows.currentText() == FULL_WINDOW and not fitting
        self.windows.setCurrentIndex(self.windows.findText(FULL_WINDOW if full else fitting[0] if fitting else ""))

    def _show_parts(self) -> None:
        """Show the fields that the way of looking has."""
        mode, under = self.mode, self.under.layer
        shown = {
            self.position: mode is Mode.CURTAIN,
            self.opacity: under is not None and mode not in (Mode.OFF, Mode.DIFFERENCE),
            self.period: mode is Mode.BLINK,
            self.limit: mode is Mode.DIFFERENCE,
        }
        for field, visible in shown.items():
            self.parts.setRowVisible(field, visible)

    def _set_position(self, share: float) -> None:
        self.position.blockSignals(True)
        self.position.setValue(share)
        self.position.blockSignals(False)

    def _on_position(self, share: float) -> None:
        if isinstance(self.comparison, Curtain):
            self.comparison.move(float(share))

    def _on_opacity(self, opacity: float) -> None:
        if self.comparison is not None:
            self.comparison.set_opacity(float(opacity))

    def _on_limit(self, limit: float) -> None:
        if isinstance(self.comparison, SignedDifference):
            self.comparison.set_limit(float(limit))

    def _turn(self) -> None:
        if isinstance(self.comparison, Blink):
            self.comparison.turn()


def _named_windows(layer: Image) -> dict[str, tuple[float, float]]:
    """Return the windows that a layer's values have names for."""
    source = volume_source(layer)
    return windows_for(layer.metadata.get("unit", ""), None if source is None else source.suv_factor)


def _shown_values(layer: Image) -> Any:
    """Return the values of one plane, of a scene those of its coarsest level."""
    from napari_datprl.combined import Planes

    if layer.multiscale:
        return np.asarray(layer.data[-1])
    planes = Planes(layer)
    return planes[len(planes) // 2]


def _slider(low: float, high: float, value: float) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setSingleStep(0.01)  # type: ignore[arg-type]  # typed for whole numbers
    slider.setValue(value)
    return slider


def _number(value: float, low: float, high: float, suffix: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(3 if suffix else 4)
    box.setSuffix(suffix)
    box.setValue(value)
    return box
