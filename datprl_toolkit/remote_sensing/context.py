"""The context of a scene: what all its tiles share, computed from a sample of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datprl_toolkit.remote_sensing.enlargement import enlarge_pixels
from datprl_toolkit.remote_sensing.windows import fine
from datprl_toolkit.restoring.tiling import Window, sample_windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.remote_sensing.sampling import SceneSample

CONTEXT_SIZE = 128
"""Edge of the windows from which a context is computed: that of the crops on which the network was trained."""

CONTEXT_COUNT = 16
SAMPLED_WHOLE = 1024
"""Edge, in pixels of the target, up to which a scene is sampled as a whole."""

_NEARLY = 0.75  # of the data of the fullest window: what is filled up in one with less would count as ground


class Centred(NamedTuple):
    """An image, (C, H, W) in [0, 1], and where its middle lies in the target."""

    row: float
    column: float
    image: npt.NDArray[np.float32]


def as_batch(images: Iterable[Centred]) -> npt.NDArray[np.float32]:
    """Return the images alone, (N, C, H, W)."""
    return np.stack([each.image for each in images])


def context_images(
    sample: SceneSample, profile: IntensityProfile, factor: int, count: int = CONTEXT_COUNT
) -> list[Centred]:
    """Return the images from which the context of a scene is computed, as the network will see the scene.

    Parameters
    ----------
    sample
        Windows of the source with data in them; all of one size.
    profile
        Which stored values are shown as [0, 1].
    factor
        Enlargement.
    count
        How many images are wanted at the most.

    Returns
    -------
    Images of one size: windows of 128 pixels; of a small scene all of it, of a narrow one its width.
    """
    places = sample.fullest(count)
    images = _centred_images(sample, profile, factor, places, -(-count // len(places)))
    return [images[place * len(images) // count] for place in range(count)] if len(images) > count else images


def _centred_images(
    sample: SceneSample, profile: IntensityProfile, factor: int, places: Iterable[int], each: int
) -> list[Centred]:
    """Return up to `each` images from every one of the windows of a sample at `places`."""
    images = []
    for place in places:
        held, pixels = sample.windows[place], sample.pixels[place]
        area = fine(held, factor)
        values, _, valid = enlarge_pixels(pixels, sample.level, held, area, factor)
        seen = profile.to_unit(values)
        data: npt.NDArray[np.bool_] = np.any(valid, axis=0)
        for part in _parts(data, each):
            row, column = area.top + (part.top + part.bottom) / 2, area.left + (part.left + part.right) / 2
            images.append(Centred(row, column, seen[(slice(None), *part.slices)]))
    return images


def _parts(data: npt.NDArray[np.bool_], count: int) -> list[Window]:
    """Return up to `count` windows of one size in an image in which some pixels are data: one, around these."""
    height, width = data.shape
    if max(height, width) < 2 * CONTEXT_SIZE:
        return [Window(0, height, 0, width)]
    # Of a strip that is too narrow for two windows, the whole width is looked at.
    size = CONTEXT_SIZE if min(height, width) >= 2 * CONTEXT_SIZE else 2 * CONTEXT_SIZE
    if count == 1:
        rows, columns = (np.flatnonzero(np.any(data, axis=axis)) for axis in (1, 0))
        return [Window(*_around(rows, min(size, height), height), *_around(columns, min(size, width), width))]
    windows = sample_windows(height, width, size=size, count=count)
    shares = [float(data[window.slices].mean()) for window in windows]
    return [window for window, share in zip(windows, shares, strict=True) if share >= _NEARLY * max(shares)]


def _around(places: npt.NDArray[np.intp], length: int, room: int) -> tuple[int, int]:
    """Return the ends of a stretch of some length around the middle of the places."""
    first = min(max(round(float(places.mean())) - length // 2, 0), room - length)
    return first, first + length
