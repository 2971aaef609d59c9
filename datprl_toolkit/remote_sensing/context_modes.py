"""Where the context of a tile comes from: the scene, a field of places in it, the tile's surroundings, or itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.context import as_batch
from datprl_toolkit.remote_sensing.context_field import field_at, field_grouping, scene_lattice
from datprl_toolkit.restoring.tiling import sample_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.context import Centred
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window

LOCAL_REACH = 256
"""Pixels around a tile from which its context is computed where that is "local"."""

_LOCAL_SIZE = 128
_LOCAL_COUNT = 16


def plan_context(plan: Plan, images: Sequence[Centred], restorer: Restorer) -> Context:
    """Compute what all tiles of a scene share: one context, or those of the nodes of a field.

    Parameters
    ----------
    plan
        Its `context` says which.
    images
        What :func:`~datprl_toolkit.remote_sensing.context.context_images` took from the scene.
    restorer
        The network.
    """
    lattice = scene_lattice(plan.target.grid.shape)
    grouping = field_grouping(images, lattice) if plan.context == "field" else None
    return restorer.context(as_batch(images), grouping)


def restore_in_context(
    plan: Plan,
    restorer: Restorer,
    image: npt.NDArray[np.float32],
    margins: tuple[int, int, int, int],
    shared: Context,
    core: Window,
    flipped: tuple[int, ...] = (),
) -> npt.NDArray[np.float32]:
    """Restore a window with the context that the plan asks for.

    Parameters
    ----------
    plan
        Its `context` says which.
    restorer
        The network.
    image
        (C, H, W) in [0, 1], with margins as for :meth:`Restorer.restore_tiled`.
    margins
        Pixels at the top, bottom, left and right that are not wanted.
    shared
        The context of the scene, or the field of contexts.
    core
        Where the wanted pixels lie in the target.
    flipped
        Axes of `image` along which it was flipped, its margins with it.

    Returns
    -------
    The image without its margins, restored.
    """
    context: Context | None = shared
    if plan.context == "field":
        height, width = image.shape[-2:]
        context = field_at(shared, plan.target.grid.shape, core, (height, width), margins, flipped)
    elif plan.context == "tile":
        context = None
    elif plan.context == "local":
        windows = sample_windows(*image.shape[-2:], size=_LOCAL_SIZE, count=_LOCAL_COUNT, grid=restorer.grid)
        context = restorer.context(np.stack([image[(slice(None), *window.slices)] for window in windows]))
    return restorer.restore_tiled(image, context, tile=plan.tile, halo=plan.overlap, margins=margins)
