"""What the viewer shows at the moment, in the terms of a layer's data."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.collecting import nothing_to_collect
from napari_datprl.restoration import Restoration
from napari_datprl.sources import KEY, SceneSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt
    from napari.components import ViewerModel
    from napari.layers import Image

    from datprl_toolkit.restoring.tiling import Window

TEMPORARY = "datprl_temporary"
"""Key in the metadata of layers that are no choice: those of a comparison, and maps over a restored layer."""


def data_position(viewer: ViewerModel, layer: Image) -> tuple[float, ...]:
    """Return the point that the viewer's sliders name, in voxels of a layer."""
    point = np.asarray(viewer.dims.point, dtype=float)[-layer.ndim :]
    return tuple(float(value) for value in layer.world_to_data(point))


def shown_index(viewer: ViewerModel, layer: Image) -> int | None:
    """Return the index of the plane of a layer that is shown; None where the view cuts through many planes.

    For a layer of more than three axes it is the place of the plane among all planes.
    """
    axes = layer.ndim - (2 if layer.ndim >= 2 else 0)
    if axes == 0:
        return 0
    displayed = {axis - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.displayed}
    if viewer.dims.ndisplay != 2 or displayed != {layer.ndim - 2, layer.ndim - 1}:
        return None
    position = data_position(viewer, layer)[:axes]
    shape = layer.data.shape[:axes]
    index = tuple(int(np.clip(round(value), 0, size - 1)) for value, size in zip(position, shape, strict=True))
    return int(np.ravel_multi_index(index, shape))


def shown_region(viewer: ViewerModel, layer: Image) -> Window:
    """Return which pixels of the finest level of a layer of two axes lie in the view; all of them if none does."""
    from datprl_toolkit.restoring.tiling import Window

    shape = (layer.data[0] if layer.multiscale else layer.data).shape[:2]
    middle = np.asarray(viewer.scene.camera.center, dtype=float)[-2:]
    half = np.asarray(viewer.canvas.size, dtype=float) / viewer.scene.camera.zoom / 2
    # A turned scene is seen from corner to corner.
    corners = [layer.world_to_data(middle + half * side) for side in np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])]
    low, high = np.floor(np.min(corners, axis=0)), np.ceil(np.max(corners, axis=0))
    (top, bottom), (left, right) = (
        (int(max(start, 0)), int(min(stop, size))) for start, stop, size in zip(low, high, shape, strict=True)
    )
    return Window(top, bottom, left, right) if top < bottom and left < right else Window(0, shape[0], 0, shape[1])


def what_is_shown(viewer: ViewerModel, layer: Image) -> int | Window | None:
    """Return the part of a scene that is shown, of any other layer the index of its plane; see `shown_index`."""
    found = layer.metadata.get(KEY)
    source = found.source if isinstance(found, Restoration) else found
    return shown_region(viewer, layer) if isinstance(source, SceneSource) else shown_index(viewer, layer)


def plane_to_world(layer: Image, points: Any) -> npt.NDArray[np.float64]:
    """Return points of a plane, (N, 2) in rows and columns, in the last two axes of the world."""
    leading = (0,) * (layer.ndim - 2)
    return np.array([layer.data_to_world((*leading, *point))[-2:] for point in np.asarray(points, dtype=float)])


def add_beside(viewer: ViewerModel, layer: Any, index: int | None = None) -> None:
    """Add a layer, above all others or at an index, and leave in hand what a person has in hand."""
    layers, active = viewer.layers, viewer.layers.selection.active
    # napari takes the new one in hand. That it did for a moment nobody need hear: making its controls takes long.
    with layers.selection.events.blocker_all() if active in layers else nullcontext():
        layers.insert(len(layers) if index is None else index, layer)
        if active in layers:
            layers.selection.active = active


def remove_layers(viewer: ViewerModel, layers: Iterable[Any]) -> None:
    """Remove those of the layers that the viewer still has."""
    with nothing_to_collect():
        for layer in layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)


def image_layers(viewer: ViewerModel) -> list[Any]:
    """Return the image layers of a viewer from the lowest, without labels and those of a comparison."""
    from napari.layers import Image

    return [layer for layer in viewer.layers if type(layer) is Image and TEMPORARY not in layer.metadata]
