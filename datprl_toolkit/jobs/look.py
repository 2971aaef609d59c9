"""What a person looks at: the same part of an image before and after, and a small picture of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.restoring import Comparison, shown_range

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.remote_sensing.scene import Scene

LARGEST_SHOWN = 1024


def compare_volumes(before: Volume, after: Volume, count: int = 1) -> tuple[Comparison, ...]:
    """Return slices spread over two volumes of one grid, for a preview, in the window of the modality.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the volumes differ in size.
    """
    from datprl_toolkit.medical.opening import series_of
    from datprl_toolkit.medical.profiles import choose_profile
    from datprl_toolkit.medical.survey import survey
    from datprl_toolkit.restoring.stack import spread

    if before.shape != after.shape:
        raise InputError(ErrorCode.GEOMETRY, f"volumes of {before.shape} and {after.shape} are not compared")
    profile, _ = choose_profile(survey(before), series_of(before).earliest)
    found = []
    for index in spread(len(before.slices), count):
        pair = [volume.slices[index].read().astype(np.float32) for volume in (before, after)]
        # A PET window ends far above what most slices hold.
        high = min(profile.high, max(float(pair[0].max()), profile.low + 0.05 * profile.width))
        title = f"slice {index + 1} of {len(before.slices)}"
        found.append(Comparison(pair[0], pair[1], profile.low, high, profile.unit, title))
    return tuple(found)


def compare_pictures(before: Picture, after: Picture) -> tuple[Comparison, ...]:
    """Return two pictures of one size, for a preview.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if they differ in size or in colour.
    """
    if before.pixels.shape != after.pixels.shape:
        shapes = f"{before.pixels.shape} and {after.pixels.shape}"
        raise InputError(ErrorCode.GEOMETRY, f"pictures of {shapes} are not compared")
    high = float(np.iinfo(np.uint16).max if before.pixels.dtype == np.uint16 else np.iinfo(np.uint8).max)
    first, second = (picture.pixels.astype(np.float32) for picture in (before, after))
    return (Comparison(first, second, 0.0, high, "grey levels", "the whole picture"),)


def compare_scenes(before: Scene, after: Scene) -> tuple[Comparison, ...]:
    """Return the middle of two scenes of one size, at full resolution, for a preview.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if they differ in size.
    """
    from datprl_toolkit.remote_sensing.bands import choose_bands
    from datprl_toolkit.remote_sensing.windows import describe, whole
    from datprl_toolkit.restoring.tiling import Window

    height, width = before.grid.shape
    if after.grid.shape != (height, width):
        raise InputError(ErrorCode.GEOMETRY, "scenes of different sizes are not compared")
    top, left = max(height - LARGEST_SHOWN, 0) // 2, max(width - LARGEST_SHOWN, 0) // 2
    part = Window(top, min(top + LARGEST_SHOWN, height), left, min(left + LARGEST_SHOWN, width))
    first, second = (_read(scene, choose_bands(scene).numbers, part) for scene in (before, after))
    low, high = shown_range(first, second)
    title = "the whole scene" if part == whole((height, width)) else describe(part)
    return (Comparison(first, second, low, high, "stored value", title),)


def shrink_volume(volume: Volume, size: int) -> Picture:
    """Return the middle slice as a picture in the window of its modality, no larger than `size` pixels."""
    comparison = compare_volumes(volume, volume)[0]
    return _picture(comparison.before, comparison.low, comparison.high, size)


def shrink_picture(picture: Picture, size: int) -> Picture:
    """Return a picture no larger than `size` pixels, 8 bit, without transparency."""
    high = float(np.iinfo(np.uint16).max if picture.pixels.dtype == np.uint16 else np.iinfo(np.uint8).max)
    return _picture(picture.pixels.astype(np.float32), 0.0, high, size)


def shrink_scene(scene: Scene, size: int) -> Picture:
    """Return a whole scene as a picture no larger than `size` pixels, stretched to its 1st to 99th percentile.

    The scene is read in stripes, so that memory does not grow with it.
    """
    from datprl_toolkit.remote_sensing.bands import choose_bands
    from datprl_toolkit.remote_sensing.reading_cache import sparing
    from datprl_toolkit.restoring.tiling import Window

    height, width = scene.grid.shape
    step = max(1, -(-max(height, width) // size))
    stripe = max(step, 512 // step * step)
    numbers = choose_bands(scene).numbers
    with sparing(), scene.reader() as reader:
        rows = [
            _mean_blocks(*_values(reader.read(numbers, Window(top, min(top + stripe, height), 0, width))), step)
            for top in range(0, height, stripe)
        ]
    small = np.concatenate(rows, axis=1)
    image = small[0] if len(small) == 1 else np.moveaxis(small, 0, -1)
    return _picture(image, *shown_range(image), size)


def window_slice(volume: Volume, number: int | None, low: float, high: float) -> Picture:
    """Return one slice as a 16-bit picture, `low` black and `high` white, in the unit of the volume.

    Parameters
    ----------
    number
        Counted from 1; None for the middle.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a slice that is not there, or a window whose ends do not rise.
    """
    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.opening import select_slices

    place = (len(volume.slices) + 1) // 2 if number is None else number
    values = select_slices(volume, place, place).slices[0].read()
    unit = IntensityProfile("window", low, high, volume.unit).to_unit(values)
    return Picture(np.rint(65535.0 * unit).astype(np.uint16), None, {})


def _read(scene: Scene, numbers: tuple[int, ...], part: object) -> npt.NDArray[np.float32]:
    """Return a window as (H, W) or (H, W, 3), NaN where there are no data."""
    with scene.reader() as reader:
        pixels = reader.read(numbers, part)  # type: ignore[arg-type]
    shown = np.where(pixels.valid.any(axis=0, keepdims=True), pixels.values, np.nan).astype(np.float32)
    return shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)


def _values(pixels: object) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    values, valid = pixels.values, pixels.valid  # type: ignore[attr-defined]
    return np.where(valid, values, 0).astype(np.float64), valid


def _mean_blocks(values: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.float32]:
    """Return the mean of the valid values of each block of `step` pixels; NaN where there are none."""
    bands, height, width = values.shape
    padding = ((0, 0), (0, -height % step), (0, -width % step))
    shape = (bands, -(-height // step), step, -(-width // step), step)
    total = np.pad(values, padding).reshape(shape).sum(axis=(2, 4))
    count = np.pad(valid, padding).reshape(shape).sum(axis=(2, 4))
    means = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(means, np.float32)


def _picture(image: npt.NDArray[np.float32], low: float, high: float, size: int) -> Picture:
    """Return values as 8-bit grey levels between black and white, reduced by an area mean."""
    from PIL import Image

    from datprl_toolkit.images.picture import Picture

    unit = np.clip((np.nan_to_num(image, nan=low) - low) / (high - low), 0.0, 1.0)
    drawn = Image.fromarray(np.rint(255.0 * unit).astype(np.uint8))
    drawn.thumbnail((size, size), Image.Resampling.BOX)
    return Picture(np.asarray(drawn), None, {})
