"""A box that lists the image layers of a viewer and follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

from napari_datprl.viewing import image_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image
    from napari.viewer import Viewer


class LayerChoice(QComboBox):
    """Chooses one image layer; at first the one in hand.

    Parameters
    ----------
    viewer
        Whose layers are listed.
    accepts
        Says which layers are listed; None lists all images.
    empty
        Text of a first entry that stands for no layer; without it there is no such entry.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer, accepts: Callable[[Any], bool] | None = None, empty: str = "") -> None:
        super().__init__()
        self._viewer = viewer
        self._accepts = accepts
        self._empty: list[str] = [empty] if empty else []
        self._layers: list[Image] = []
        self.setMinimumContentsLength(12)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.currentIndexChanged.connect(lambda _: self.changed.emit())
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            event.connect(self.update_layers)
        self.update_layers()

    @property
    def layer(self) -> Image | None:
        """The chosen layer."""
        index = self.currentIndex() - len(self._empty)
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Image | None) -> None:
        """Choose a layer, or none where that is a choice; one that is not listed changes nothing."""
        if layer is None and self._empty:
            self.setCurrentIndex(0)
        if layer in self._layers:
            self.setCurrentIndex(self._layers.index(layer) + len(self._empty))

    def update_layers(self, event: Any = None) -> None:
        """List the layers anew; the chosen one stays chosen as long as it is there."""
        chosen = self.layer
        self._layers = [layer for layer in image_layers(self._viewer) if self._accepts is None or self._accepts(layer)]
        self.blockSignals(True)
        self.clear()
        self.addItems([*self._empty, *(layer.name for layer in self._layers)])
        wanted = chosen if chosen in self._layers or self._empty else self._viewer.layers.selection.active
        if wanted in self._layers:
            self.setCurrentIndex(self._layers.index(wanted) + len(self._empty))
        self.blockSignals(False)
        for layer in self._layers:
            layer.events.name.disconnect(self.update_layers)
            layer.events.name.connect(self.update_layers)
        if self.layer is not chosen:
            self.changed.emit()
