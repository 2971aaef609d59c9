"""What the viewer shows at the moment, in the terms of a layer's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image


TEMPORARY = "datprl_temporary"
"""Key in the metadata of layers that last only as long as a comparison."""


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


def image_layers(viewer: ViewerModel) -> list[Any]:
    """Return the image layers of a viewer from the lowest, without labels and those of a comparison."""
    from napari.layers import Image

    return [layer for layer in viewer.layers if type(layer) is Image and TEMPORARY not in layer.metadata]
