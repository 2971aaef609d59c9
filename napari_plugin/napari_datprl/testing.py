"""Help for tests of this plugin: layers from folders, restorations without a window, and waiting in one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_datprl.layers import series_layer
from napari_datprl.messages import Loaded, Reply, Request, SliceAnswered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Image

    from napari_datprl.engine_process import EngineProcess
    from napari_datprl.restoration import Restoration

PATIENCE = 500.0  # seconds; only so that what hangs ends
POLLING = 0.02  # seconds between two looks; the engine is to have the processor meanwhile


def opened(folder: Path) -> Image:
    """Return the only series of a folder as the layer that the reader makes of it."""
    from napari.layers import Image

    from datprl_toolkit.medical.grouping import group_series
    from datprl_toolkit.medical.reading import scan

    found = scan(folder)
    (series,) = group_series(found.instances)
    data, options, _ = series_layer(series, frozenset(found.series_numbers))
    return Image(data, **options)


def fill(restoration: Restoration, request: Request, engine: EngineProcess) -> Reply:
    """Fill a restoration without a window; return the engine's last word."""
    last: Reply | None = None
    for reply in engine.ask(request):
        last = reply
        if isinstance(reply, Loaded):
            restoration.take(reply)
        elif isinstance(reply, SliceAnswered):
            restoration.add(reply.index, reply.answer)
    assert last is not None
    return last


def wait_for(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Let the window work until something is so."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            msg = "the window waited in vain"
            raise TimeoutError(msg)
        _turn()
        time.sleep(POLLING)


def brightened(layer: Image, share: float = 0.1) -> Image:
    """Return the layer of a restoration whose network brightens everything by a share of the window; none is run."""
    import numpy as np

    from napari_datprl.choices import Choices, likely_profile, prepare
    from napari_datprl.layers import restored_layer
    from napari_datprl.restoration import SliceRestoration

    restoration, _ = prepare(layer, Choices(), 0)
    assert isinstance(restoration, SliceRestoration)
    restoration.profile = likely_profile(layer)
    for index in range(restoration.total):
        unit = restoration.profile.to_unit(restoration.original(index))
        restoration.add(index, np.clip(unit + share, 0.0, 1.0).astype(np.float32))
    data, options, _ = restored_layer(restoration, f"{layer.name} restored", layer)
    options["metadata"]["restored_from"] = layer
    return type(layer)(data, **options)


def settle(seconds: float = 0.2) -> None:
    """Let the window draw what waits to be drawn."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _turn()
        time.sleep(0.005)


def _turn() -> None:
    """Let the event loop turn once, and delete what is to be deleted later.

    Qt does that by itself only in a loop that it runs; without it, napari's sign of progress would never stop.
    """
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
