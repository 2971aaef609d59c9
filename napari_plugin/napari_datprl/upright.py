"""The head up: an axial series grows to the head, and napari draws downwards what grows."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel

HEAD = "S"
_WATCHED: weakref.WeakSet[Any] = weakref.WeakSet()


def keep_upright(viewer: ViewerModel) -> None:
    """Turn the view over where an axis that leads to the head would lead downwards: in coronal and sagittal planes.

    A view whose vertical axis leads elsewhere is turned back only if it was turned over here.
    """
    if viewer in _WATCHED:
        return
    _WATCHED.add(viewer)
    seen, turned = weakref.ref(viewer), False

    def turn(event: Any = None) -> None:
        nonlocal turned
        viewer = seen()
        if viewer is None or len(viewer.dims.displayed) < 2:
            return
        to_head = viewer.dims.axis_labels[viewer.dims.displayed[-2]] == HEAD
        if to_head == turned:
            return
        turned = to_head
        viewer.scene.camera.orientation2d = ("up" if to_head else "down", "right")

    for changed in (viewer.dims.events.order, viewer.dims.events.ndisplay, viewer.dims.events.axis_labels):
        changed.connect(turn)
    turn()
