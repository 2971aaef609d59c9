"""One restoration under way: a worker thread listens to the engine, the layer fills in, and nothing else changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari.qt.threading import thread_worker
from qtpy.QtCore import QObject, QTimer, Signal

from napari_datprl.collecting import FULL_COLLECTIONS
from napari_datprl.layers import restored_layer
from napari_datprl.messages import (
    Advanced,
    Cancelled,
    Failed,
    Finished,
    Loaded,
    Reply,
    Request,
    SliceAnswered,
)
from napari_datprl.scene_restoration import SceneRestoration, overlap
from napari_datprl.status import say_again
from napari_datprl.viewing import add_beside, remove_layers, shown_index, shown_region

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_datprl.engine_process import EngineProcess
    from napari_datprl.restoration import Restoration

SELDOM = 1.0  # seconds between refreshes of a view that shows many slices at once


class EngineCall(QObject):
    """Asks the engine from a thread and tells its replies as signals in the thread of the window.

    Signals
    -------
    replied
        Every reply.
    ended
        The last one: ``Finished``, ``Cancelled`` or ``Failed``.
    """

    replied = Signal(object)
    ended = Signal(object)

    def __init__(self, engine: EngineProcess, request: Request, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._last: Reply | None = None
        self._unwanted = self._heard = False
        self._worker: Any = thread_worker(self._listen, start_thread=False)(request)
        self._worker.yielded.connect(self._on_reply)
        self._worker.finished.connect(self._on_end)

    def start(self) -> None:
        """Start."""
        FULL_COLLECTIONS.hold()
        self._worker.start()

    def cancel(self) -> None:
        """Stop; `ended` follows."""
        self._unwanted = True
        # Before the first reply the engine may still be doing something else, which is not to be stopped.
        if self._heard:
            self._engine.cancel()

    def _listen(self, request: Request) -> Generator[Reply, None, None]:
        for reply in self._engine.ask(request):
            if self._unwanted and not self._heard:
                self._engine.cancel()
            self._heard = True
            yield reply

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, Finished | Cancelled | Failed):
            self._last = reply
        self.replied.emit(reply)

    def _on_end(self) -> None:
        FULL_COLLECTIONS.release()
        self.ended.emit(self._last or Cancelled())


class RestoreRun(EngineCall):
    """Fills one restoration and shows it as a layer of its own, so that an earlier result is never touched.

    Signals
    -------
    advanced
        Text, done, total.

    Parameters
    ----------
    viewer
        Where the layer is shown.
    layer
        What is restored.
    restoration, request
        As :func:`napari_datprl.choices.prepare` gives them.
    """

    advanced = Signal(str, int, int)

    def __init__(
        self,
        viewer: Viewer,
        layer: Image,
        restoration: Restoration,
        request: Request,
        engine: EngineProcess,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(engine, request, parent)
        self.viewer = viewer
        self.source_layer = layer
        self.restoration = restoration
        self.layer = self._made_layer()
        self._refreshed = time.monotonic()
        self._refreshing = False
        self.replied.connect(self._take)

    def start(self) -> None:
        """Start, and show the layer that will fill in."""
        super().start()
        # Adding a layer takes napari longer than all else of a start, and drawing it takes as long again: each in a
        # turn of its own lets the window answer between them.
        QTimer.singleShot(0, self._add_layer)

    def _take(self, reply: Reply) -> None:
        if isinstance(reply, Loaded):
            self.restoration.take(reply)
        elif isinstance(reply, Advanced):
            self.advanced.emit(reply.step, reply.done, reply.total)
        elif isinstance(reply, SliceAnswered):
            self.restoration.add(reply.index, reply.answer)
            self._show(reply.index)
            self.advanced.emit("restoring", self.restoration.done, self.restoration.total)
        elif self.restoration.done and self.layer in self.viewer.layers:
            self.layer.refresh(extent=False)
            say_again(self.viewer)
        else:
            remove_layers(self.viewer, [self.layer])

    def _show(self, index: int) -> None:
        """Show a new slice or tile: at once where it is looked at, now and then where many are seen together."""
        if isinstance(self.restoration, SceneRestoration):
            if overlap(self.restoration.tiles[index], shown_region(self.viewer, self.layer)):
                self._refresh()
            return
        shown = shown_index(self.viewer, self.layer)
        if shown == index or (shown is None and time.monotonic() - self._refreshed > SELDOM):
            self._refresh()

    def _made_layer(self) -> Image:
        """Return the layer that will fill in."""
        from napari.layers import Image

        data, options, _ = restored_layer(self.restoration, f"{self.source_layer.name} restored", self.source_layer)
        options["metadata"]["restored_from"] = self.source_layer
        return Image(data, visible=False, **options)

    def _add_layer(self) -> None:
        """Add the layer above its source and above what was restored from it before, unless all is over already."""
        if self._last is not None and not self.restoration.done:
            return
        source, layers = self.source_layer, self.viewer.layers
        below = [each for each in layers if each is source or each.metadata.get("restored_from") is source]
        add_beside(self.viewer, self.layer, layers.index(below[-1]) + 1 if below else None)
        QTimer.singleShot(0, self._let_see)

    def _let_see(self) -> None:
        self.layer.visible = True
        # All may have arrived before the layer was there.
        say_again(self.viewer)

    def _refresh(self) -> None:
        """Draw anew, once for all that arrives in one turn."""
        if not self._refreshing:
            self._refreshing = True
            QTimer.singleShot(0, self._draw)

    def _draw(self) -> None:
        self._refreshing = False
        if self.layer in self.viewer.layers:
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)
            say_again(self.viewer)
            self._refreshed = time.monotonic()
