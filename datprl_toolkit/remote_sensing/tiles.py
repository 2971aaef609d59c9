"""One piece of the target: from stored values through the network and back, exact wherever nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import enlarge_pixels
from datprl_toolkit.remote_sensing.storage import to_stored
from datprl_toolkit.remote_sensing.windows import margins

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import Pixels
    from datprl_toolkit.restoring.tiling import Window


def restore_tile(
    plan: Plan,
    pixels: Pixels,
    held: Window,
    core: Window,
    network: Callable[[npt.NDArray[np.float32], tuple[int, int, int, int]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.generic]:
    """Restore one window of the target.

    Parameters
    ----------
    plan
        The job.
    pixels
        The bands to restore, in the window `held` of the source, which covers ``plan.needed(core)``.
    held
        Where `pixels` lie in the source.
    core
        The window of the target that is wanted.
    network
        Takes (C, H, W) in [0, 1] and the margins (top, bottom, left, right) in it that serve as halo only; returns
        what is inside the margins, restored.

    Returns
    -------
    (C, h, w) in the stored type. Elements that are no data are those of the source, as are all that the network
    left alone or that lie outside the window of the profile.
    """
    needed, seen = plan.needed(core), plan.seen(core)
    part = pixels.crop(*needed.relative_to(held).slices)
    rows, columns = core.relative_to(seen).slices
    if plan.factor == 1 and not part.valid.any():
        inside = core.relative_to(needed).slices
        return part.values[:, inside[0], inside[1]]
    smooth, stored, valid = enlarge_pixels(part, plan.level, needed, seen, plan.factor)
    original, data = stored[:, rows, columns], valid[:, rows, columns]
    if not data.any():
        return original
    before = plan.profile.to_unit(smooth)
    after = network(before, margins(seen, core))
    values = smooth[:, rows, columns]
    restored = plan.profile.apply(values, before[:, rows, columns], after, strength=plan.strength)
    changed = data if plan.factor > 1 else data & (restored != values)
    return np.where(changed, to_stored(restored, original.dtype, plan.target.nodata), original)


def copy_tile(plan: Plan, pixels: Pixels, held: Window, core: Window) -> npt.NDArray[np.generic]:
    """Put bands that are not restored onto the grid of the target; on the same grid they stay as they are.

    Parameters
    ----------
    plan, held, core
        As for :func:`restore_tile`.
    pixels
        The bands ``plan.copied``.

    Returns
    -------
    (C, h, w) in the stored type. Alpha is repeated, every other band is interpolated with the cubic kernel.
    """
    if plan.factor == 1:
        rows, columns = core.relative_to(held).slices
        return pixels.values[:, rows, columns]
    level = np.zeros(len(plan.copied))  # further from data than the kernel reaches, the fill does not matter
    smooth, stored, valid = enlarge_pixels(pixels, level, held, core, plan.factor)
    mixed = np.where(valid, to_stored(smooth, stored.dtype, plan.target.nodata), stored)
    for place, number in enumerate(plan.copied):
        if number == plan.source.alpha:
            mixed[place] = stored[place]
    return mixed
