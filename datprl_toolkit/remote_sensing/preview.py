"""What a person looks at after a scene was restored: all of it or its liveliest part, and what changed most, closer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import REACH, enlarge_pixels
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import coarse, describe, whole
from datprl_toolkit.restoring import Comparison, shown_range
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import Pixels, SceneReader
    from datprl_toolkit.remote_sensing.sampling import SceneSample

LARGEST = 1024
CLOSER = 256
"""Pixels of the side of what is shown once more, so large that single pixels can be seen."""


def compare(plan: Plan, sample: SceneSample, reader: SceneReader, output: Path) -> tuple[Comparison, ...]:
    """Return the same part of the scene before and after, at full resolution; nothing where there are no data.

    A part that a page can only show reduced is followed by the piece of it that changed most. Where the scene was
    enlarged, what it was before is its cubic interpolation: what anybody would have without the network.

    Parameters
    ----------
    plan, sample
        The finished job.
    reader
        Reads the source.
    output
        The finished scene: what is shown is what was written.
    """
    if sample.is_empty:
        return ()
    wanted = _shown_window(plan, sample)
    before = _before(plan, reader, wanted)
    numbers = [plan.written.index(number) + 1 for number in plan.restored]
    written = Scene.open(output)
    with written.reader() as output_reader:
        pixels = output_reader.read(numbers, wanted)
    after = _picture(pixels.values, pixels.valid)
    if not np.isfinite(before).any():
        return ()
    low, high = shown_range(before, after)
    how = f"interpolated x{plan.factor}, " if plan.factor > 1 else ""
    part = "the whole scene" if wanted == plan.area else describe(wanted)
    seen = Comparison(before, after, low, high, plan.profile.unit, how + part)
    if max(before.shape[:2]) <= 2 * CLOSER:
        return (seen,)
    piece = _changed_most(before, after)
    top, left = wanted.top + piece.top, wanted.left + piece.left
    title = how + describe(Window(top, top + piece.height, left, left + piece.width))
    return seen, replace(seen, before=before[piece.slices], after=after[piece.slices], title=title)


def _changed_most(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> Window:
    """Return the window of :data:`CLOSER` pixels over which two pictures differ most."""
    finite = np.isfinite(before) & np.isfinite(after)
    change = np.abs(np.where(finite, after, 0.0) - np.where(finite, before, 0.0))
    change = change if change.ndim == 2 else change.mean(axis=-1)
    height, width = (min(length, CLOSER) for length in change.shape)
    sums = np.pad(change, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    total = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = (int(place) for place in np.unravel_index(np.argmax(total), total.shape))
    return Window(top, top + height, left, left + width)


def _before(plan: Plan, reader: SceneReader, wanted: Window) -> npt.NDArray[np.float32]:
    held = coarse(wanted, plan.factor).grown(REACH, whole(plan.source.grid.shape))
    pixels = reader.read(plan.restored, held)
    if plan.factor == 1:
        part = pixels.crop(*wanted.relative_to(held).slices)
        return _picture(part.values, part.valid)
    values, stored, valid = enlarge_pixels(pixels, plan.level, held, wanted, plan.factor)
    # A band without data has its stored value in the output too, which is no change.
    return _picture(np.where(valid, values, stored), valid)


def _picture(values: npt.NDArray[np.generic], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return (H, W) or (H, W, 3), NaN where no band has data."""
    picture = np.where(valid.any(axis=0, keepdims=True), values, np.nan).astype(np.float32)
    return picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)


def _shown_window(plan: Plan, sample: SceneSample) -> Window:
    """Return the largest window that may be shown, around the sample with the most detail."""
    height, width = plan.target.grid.shape
    liveliest = sample.windows[int(np.argmax([_detail(pixels) for pixels in sample.pixels]))]
    rows = _placed((liveliest.top + liveliest.bottom) * plan.factor // 2, height)
    columns = _placed((liveliest.left + liveliest.right) * plan.factor // 2, width)
    return Window(rows, min(rows + LARGEST, height), columns, min(columns + LARGEST, width))


def _placed(centre: int, length: int) -> int:
    return max(min(centre - LARGEST // 2, length - LARGEST), 0)


def _detail(pixels: Pixels) -> float:
    """Return the mean step between neighbouring valid pixels of a window, counted over all its pixels."""
    values, valid = pixels.values[0].astype(np.float64), pixels.valid[0]
    both = np.logical_and(valid[:, 1:], valid[:, :-1])
    steps = np.where(both, np.abs(np.diff(np.where(valid, values, 0.0), axis=1)), 0.0)
    return float(steps.sum() / max(values.size, 1))
