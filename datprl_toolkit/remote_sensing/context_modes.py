"""Where the context of a tile comes from: the scene, a field of places in it, the tile's surroundings, or itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.context_field import restore_in_field
from datprl_toolkit.restoring.tiling import sample_windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window

LOCAL_REACH = 256
"""Pixels around a tile from which its context is computed where that is "local"."""

_LOCAL_SIZE = 128
_LOCAL_COUNT = 16


def restore_in_context(
    plan: Plan,
    restorer: Restorer,
    image: npt.NDArray[np.float32],
    margins: tuple[int, int, int, int],
    shared: Context,
    core: Window | None = None,
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
        Where the wanted pixels lie in the target: needed in a field.

    Returns
    -------
    The image without its margins, restored.
    """

    def restored(context: Context | None) -> npt.NDArray[np.float32]:
        return restorer.restore_tiled(image, context, tile=plan.tile, halo=plan.overlap, margins=margins)

    if plan.context == "field":
        if core is None:
            raise ValueError("in a field it matters where a window lies")
        return restore_in_field(core, plan.target.grid.shape, shared, restored)
    context: Context | None = shared
    if plan.context == "tile":
        context = None
    elif plan.context == "local":
        windows = sample_windows(*image.shape[-2:], size=_LOCAL_SIZE, count=_LOCAL_COUNT, grid=restorer.grid)
        context = restorer.context(np.stack([image[(slice(None), *window.slices)] for window in windows]))
    return restored(context)
