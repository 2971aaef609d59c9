"""What a person looks at after a scene was restored: all of a small one, the liveliest part of a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import REACH, enlarge_pixels
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import coarse, describe, whole
from datprl_toolkit.restoring import Comparison
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import Pixels, SceneReader
    from datprl_toolkit.remote_sensing.sampling import SceneSample

LARGEST = 1024
_SHOWN_PERCENTILES = (1.0, 99.0)


def compare(plan: Plan, sample: SceneSample, reader: SceneReader, output: Path) -> Comparison | None:
    """Return the same part of the scene before and after, at full resolution; None where there are no data.

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
        return None
    wanted = _shown_window(plan, sample)
    before = _before(plan, reader, wanted)
    numbers = [plan.written.index(number) + 1 for number in plan.restored]
    written = Scene.open(output)
    with written.reader() as output_reader:
        pixels = output_reader.read(numbers, wanted)
    after = _picture(pixels.values, pixels.valid)
    shown = before[np.isfinite(before)]
    if shown.size == 0:
        return None
    low, high = (float(value) for value in np.percentile(shown, _SHOWN_PERCENTILES))
    part = "the whole scene" if wanted == plan.area else describe(wanted)
    return Comparison(before, after, low, high if high > low else low + 1.0, plan.profile.unit, part)


def _before(plan: Plan, reader: SceneReader, wanted: Window) -> npt.NDArray[np.float32]:
    held = coarse(wanted, plan.factor).grown(REACH, whole(plan.source.grid.shape))
    pixels = reader.read(plan.restored, held)
    if plan.factor == 1:
        part = pixels.crop(*wanted.relative_to(held).slices)
        return _picture(part.values, part.valid)
    values, _, valid = enlarge_pixels(pixels, plan.level, held, wanted, plan.factor)
    return _picture(values, valid)


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
