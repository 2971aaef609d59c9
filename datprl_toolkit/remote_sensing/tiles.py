"""One piece of the target: from stored values through the network and back, exact wherever nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import enlarge_pixels
from datprl_toolkit.remote_sensing.storage import to_stored
from datprl_toolkit.remote_sensing.value_tables import value_tables
from datprl_toolkit.remote_sensing.windows import margins
from datprl_toolkit.restoring.arrays import pad_to_grid
from datprl_toolkit.restoring.tiling import Window, round_up

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import Pixels


class WindowNetwork(Protocol):
    """What restores windows of the target that may be flipped."""

    def __call__(
        self, image: npt.NDArray[np.float32], margins: tuple[int, int, int, int], flipped: tuple[int, ...] = ()
    ) -> npt.NDArray[np.float32]:
        """Restore what is inside the margins of an image; see :func:`restore_tile`.

        `flipped` are the axes of (C, H, W) along which the image was flipped, its margins with it.
        """


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
    if plan.factor == 1:
        if not part.valid.any():
            inside = core.relative_to(needed).slices
            return part.values[:, inside[0], inside[1]]
        tables = value_tables(plan.profile, part.values.dtype, plan.strength)
        complete = pixels.crop(*seen.relative_to(held).slices)
        if tables is not None and complete.valid.all():
            before = tables.to_unit(complete.values)
            after = network(before, margins(seen, core))
            return tables.apply(complete.values[:, rows, columns], before[:, rows, columns], after, plan.target.nodata)
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


def deviation_tile(
    plan: Plan,
    pixels: Pixels,
    held: Window,
    core: Window,
    network: WindowNetwork,
) -> npt.NDArray[np.float32]:
    """Return by how much what is restored depends on how the window lies.

    Parameters
    ----------
    plan, pixels, held, core
        As for :func:`restore_tile`.
    network
        As there; it is told how the window is flipped.

    Returns
    -------
    (C, h, w): standard deviation of the restored value over the four flips, in stored values; NaN without data.
    """
    needed, seen = plan.needed(core), plan.seen(core)
    part = pixels.crop(*needed.relative_to(held).slices)
    smooth, _, valid = enlarge_pixels(part, plan.level, needed, seen, plan.factor)
    rows, columns = core.relative_to(seen).slices
    values, data = smooth[:, rows, columns], valid[:, rows, columns]
    # Whichever corner comes to lie at the upper left must lie on the network's grid, also at the end of the scene.
    before = pad_to_grid(plan.profile.to_unit(smooth), plan.grid)
    above, below, left, right = margins(_on_grid(seen, plan.grid), _on_grid(core, plan.grid))
    mean, squares = np.zeros(values.shape), np.zeros(values.shape)
    flips = ((), (1,), (2,), (1, 2)) if data.any() else ()
    for count, axes in enumerate(flips, start=1):
        around = (below, above) if 1 in axes else (above, below), (right, left) if 2 in axes else (left, right)
        answer = np.flip(network(np.ascontiguousarray(np.flip(before, axes)), (*around[0], *around[1]), axes), axes)
        kept = answer[:, : core.height, : core.width]
        restored = plan.profile.apply(values, before[:, rows, columns], kept, strength=plan.strength)
        step = restored - mean  # Welford's recurrence
        mean += step / count
        squares += step * (restored - mean)
    deviation = np.sqrt(squares / max(len(flips), 1)).astype(np.float32)
    return np.where(data, deviation, np.float32(np.nan))


def _on_grid(window: Window, grid: int) -> Window:
    """Return a window whose lower and right edges are moved out to the network's grid."""
    return Window(window.top, round_up(window.bottom, grid), window.left, round_up(window.right, grid))


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
