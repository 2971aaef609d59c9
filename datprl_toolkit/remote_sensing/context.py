"""The context of a scene: what all its tiles share, computed from a sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import enlarge_pixels
from datprl_toolkit.remote_sensing.windows import fine
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.remote_sensing.reading import Pixels
    from datprl_toolkit.remote_sensing.sampling import SceneSample

CONTEXT_SIZE = 256
CONTEXT_COUNT = 16
_LEAST_COUNT = 4


def context_images(
    sample: SceneSample, profile: IntensityProfile, shape: tuple[int, int], factor: int
) -> npt.NDArray[np.float32]:
    """Return the images from which the context of a scene is computed, as the network will see the scene.

    Parameters
    ----------
    sample
        Windows of the source with data in them; all of one size.
    profile
        Which stored values are shown as [0, 1].
    shape
        Height and width of the target: of a small one no more than half is looked at.
    factor
        Enlargement.

    Returns
    -------
    (N, C, H, W) in [0, 1]. N is at most 16; a scene that was sampled as a whole gives one image.
    """
    whole = len(sample.windows) == 1
    affordable = shape[0] * shape[1] // (2 * CONTEXT_SIZE**2)
    count = min(CONTEXT_COUNT, max(_LEAST_COUNT, affordable))
    images = []
    for place in sample.fullest(count):
        held, pixels = sample.windows[place], sample.pixels[place]
        wanted = fine(held, factor) if whole else _part(pixels, held, factor)
        values, _, _ = enlarge_pixels(pixels, sample.level, held, wanted, factor)
        images.append(profile.to_unit(values))
    return np.stack(images)


def _part(pixels: Pixels, held: Window, factor: int) -> Window:
    """Return the part of an enlarged window that is looked at: of the usual size, around the data."""
    area = fine(held, factor)
    height, width = min(CONTEXT_SIZE, area.height), min(CONTEXT_SIZE, area.width)
    rows, columns = np.nonzero(pixels.valid.any(axis=0))
    top = _placed(float(rows.mean()) * factor, height, area.height) + area.top
    left = _placed(float(columns.mean()) * factor, width, area.width) + area.left
    return Window(top, top + height, left, left + width)


def _placed(centre: float, length: int, room: int) -> int:
    return min(max(round(centre) - length // 2, 0), room - length)
