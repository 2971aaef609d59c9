"""A field of contexts: some places of a scene have one each, and in between what they restore is blended.

Every pixel is restored with the contexts of the nodes around it, each with the weight that bilinear interpolation
gives it there. The weights are smooth and do not depend on the tiles, so that there is no seam.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from datprl_toolkit.remote_sensing.context import Centred, centred_images

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.remote_sensing.sampling import SceneSample
    from datprl_toolkit.restoring import Context
    from datprl_toolkit.restoring.tiling import Window

    FloatArray = npt.NDArray[np.float32]

SPACING = 256
"""Least distance of the nodes in pixels."""

MOST_NODES = 4  # along each axis
_IMAGES = 4  # from which the context of a node is computed: those nearest to it


def node_count(shape: tuple[int, int]) -> tuple[int, int]:
    """Return how many nodes a scene of (height, width) has along each axis; they lie evenly, in the middle of parts."""
    rows, columns = (min(MOST_NODES, max(1, round(length / SPACING))) for length in shape)
    return rows, columns


def field_images(
    sample: SceneSample, profile: IntensityProfile, factor: int, shape: tuple[int, int]
) -> list[FloatArray]:
    """Return, for each node, row by row, the images from which its context is computed.

    Parameters
    ----------
    sample, profile, factor
        As for :func:`~datprl_toolkit.remote_sensing.context.context_images`.
    shape
        Height and width of the target.
    """
    places = range(len(sample.windows))
    images = centred_images(sample, profile, factor, places, 16 if len(places) == 1 else _IMAGES)
    rows, columns = node_count(shape)
    nodes = [
        ((row + 0.5) * shape[0] / rows, (column + 0.5) * shape[1] / columns)
        for row in range(rows)
        for column in range(columns)
    ]
    return [np.stack([each.image for each in _nearest(images, *node)]) for node in nodes]


def _nearest(images: list[Centred], row: float, column: float) -> list[Centred]:
    return sorted(images, key=lambda each: (each.row - row) ** 2 + (each.column - column) ** 2)[:_IMAGES]


def as_field(contexts: list[Context]) -> Context:
    """Return the contexts of all nodes as one, whose tensors hold those of the nodes one after the other."""
    prompts = [context.prompt for context in contexts if context.prompt is not None]
    return replace(
        contexts[0],
        prompt=torch.cat(prompts) if prompts else None,
        statistics=tuple(torch.cat(parts) for parts in zip(*(each.statistics for each in contexts), strict=True)),
        task=None,
        domain=None,
    )


def node_context(field: Context, node: int) -> Context:
    """Return the context of one node."""
    return replace(
        field,
        prompt=None if field.prompt is None else field.prompt[node : node + 1],
        statistics=tuple(statistic[node : node + 1] for statistic in field.statistics),
    )


def restore_in_field(
    core: Window, shape: tuple[int, int], field: Context, restore: Callable[[Context], FloatArray]
) -> FloatArray:
    """Restore a window with every context that counts in it, and blend.

    Parameters
    ----------
    core
        The window, in pixels of the target.
    shape
        Height and width of the target.
    field
        As :func:`as_field` makes it.
    restore
        Restores the window, (C, h, w), with one context.
    """
    rows, columns = node_count(shape)
    down = _weights(core.top, core.bottom, shape[0], rows)
    across = _weights(core.left, core.right, shape[1], columns)
    blended: FloatArray | None = None
    for node in range(rows * columns):
        weight = down[node // columns][:, None] * across[node % columns][None, :]
        if weight.any():
            part = weight * restore(node_context(field, node))
            blended = part if blended is None else blended + part
    if blended is None:
        raise ValueError("a window without pixels lies in no field")
    return blended


def _weights(first: int, last: int, length: int, count: int) -> FloatArray:
    """Return the weight of each node along one axis, (count, pixels): their sum is 1 at every pixel."""
    place = (np.arange(first, last) + 0.5) / length * count - 0.5
    distance = np.abs(np.clip(place, 0, count - 1) - np.arange(count)[:, None])
    weights: FloatArray = np.clip(1.0 - distance, 0.0, None).astype(np.float32)
    return weights
