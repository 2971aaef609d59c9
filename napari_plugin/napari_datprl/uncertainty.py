"""Maps of how far a restored series can be trusted, laid over it and filled in while they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.choices import nearest_first
from napari_datprl.combined import symmetric_limit
from napari_datprl.messages import LAST_REPLIES, Advanced, MapUncertainty, Reply, SliceAnswered
from napari_datprl.restore_run import EngineCall
from napari_datprl.slices import SliceStack
from napari_datprl.sources import VolumeSource
from napari_datprl.viewing import TEMPORARY, add_beside, remove_layers, shown_index

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer
    from qtpy.QtCore import QObject

    from napari_datprl.engine_process import EngineProcess
    from napari_datprl.messages import FloatArray
    from napari_datprl.restoration import SliceRestoration

COLOURS = "inferno"
MOST_NOISE = 4.0
"""Change in units of the noise at which the colours of its map end: so much is no removal of noise."""


class UncertaintyRun(EngineCall):
    """Fills two layers over a restored series, the slice that is shown first.

    The first is the standard deviation of the restored value over the eight ways in which a slice can be turned and
    mirrored. The second, hidden at first, is the change divided by the noise around it.

    Parameters
    ----------
    viewer
        Where the maps are shown.
    layer
        The restored layer.
    restoration
        What it shows; from a series.
    engine, parent
        As for :class:`EngineCall`.
    """

    def __init__(
        self,
        viewer: Viewer,
        layer: Image,
        restoration: SliceRestoration,
        engine: EngineProcess,
        parent: QObject | None = None,
    ) -> None:
        assert isinstance(restoration.source, VolumeSource)
        assert restoration.profile is not None
        self.viewer, self.restored = viewer, layer
        shown = shown_index(viewer, layer)
        order = nearest_first(restoration.total, restoration.total // 2 if shown is None else shown)
        request = MapUncertainty(
            restoration.network, restoration.source.volume, order, restoration.profile, restoration.strength
        )
        super().__init__(engine, request, parent)
        self.maps: dict[int, FloatArray] = {}
        self.total = restoration.total
        unit = layer.metadata.get("unit", "")
        self.layers = (
            self._added(0, f"{layer.name}, uncertainty [{unit}]", (0.0, 1.0)),
            self._added(1, f"{layer.name}, change / noise", (0.0, MOST_NOISE)),
        )
        self.layers[1].visible = False
        self.replied.connect(self._take)

    def _added(self, which: int, name: str, limits: tuple[float, float]) -> Image:
        from napari.layers import Image

        like, shape = self.restored, self.restored.data.shape
        empty = np.full(shape[1:], np.nan, dtype=np.float32)

        def read(index: int) -> FloatArray:
            return self.maps[index][which] if index in self.maps else empty

        made = Image(
            SliceStack(read, shape, cache_bytes=1),
            name=name,
            scale=like.scale,
            translate=like.translate,
            units=like.units,
            axis_labels=like.axis_labels,
            multiscale=False,
            colormap=COLOURS,
            blending="additive",
            contrast_limits=limits,
            metadata={TEMPORARY: True},
        )
        made.colorbar.visible = True
        add_beside(self.viewer, made)
        return made

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, SliceAnswered):
            if not self.maps:
                limit = symmetric_limit(reply.answer[0])
                self.layers[0].contrast_limits_range = (0.0, 10 * limit)
                self.layers[0].contrast_limits = (0.0, limit)
            self.maps[reply.index] = reply.answer
            self.replied.emit(Advanced("mapping", len(self.maps), self.total, "slices"))
        elif isinstance(reply, Advanced):
            return
        for layer in self.layers:
            if layer not in self.viewer.layers:
                continue
            if isinstance(reply, LAST_REPLIES) and not self.maps:
                remove_layers(self.viewer, [layer])
                continue
            layer.data.forget()
            layer.refresh(extent=False, thumbnail=False, highlight=False)


def can_map(restoration: Any) -> bool:
    """Return whether a restoration is one of a series, so that its uncertainty can be mapped."""
    return restoration is not None and restoration.profile is not None and isinstance(restoration.source, VolumeSource)
