"""A scene written anew: in another format, cut out, with some of its bands, or with other pixels."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.manifest import CHECKSUMS_TAG, UNREADABLE_TAG
from datprl_toolkit.remote_sensing.plan import shard_size
from datprl_toolkit.remote_sensing.provenance import JOB
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.storage import as_stored, to_stored
from datprl_toolkit.remote_sensing.windows import split, whole
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.scene import Tags
    from datprl_toolkit.remote_sensing.writing import SceneWriter

LARGEST_CHANGED = 64 * 2**20
"""Pixels of the largest scene that is changed in memory."""

_OF_ONE_OUTPUT = frozenset({CHECKSUMS_TAG, UNREADABLE_TAG, JOB})


def copy_scene(
    scene: Scene, destination: Path, *, overwrite: bool = False, progress: ProgressCallback = silent
) -> Scene:
    """Write a scene as COG or Zarr, by the ending of the name; pixels and metadata stay as they are.

    Raises
    ------
    OptionError
        ``E_OPTION`` for another ending.
    OutputError
        If it exists or cannot be written; nothing is left behind.
    """
    numbers = tuple(band.number for band in scene.bands)
    return _rewrite(scene, destination, scene, numbers, whole(scene.grid.shape), overwrite, progress)


def select_scene(
    scene: Scene,
    destination: Path,
    *,
    bands: Sequence[int] | None = None,
    window: Window | None = None,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> Scene:
    """Write some bands of a part of a scene, on the same grid and in the given order.

    Parameters
    ----------
    scene
        The source.
    destination
        ``.tif`` or ``.zarr``.
    bands
        Numbers from 1, None for all; alpha, which says which pixels are data, always comes along.
    window
        Rows and columns to keep; None for all.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a band or a window that the scene does not have.
    InputError
        ``E_UNSUPPORTED`` for a part of a scene whose only georeference is control points or coefficients.
    """
    numbers = _chosen_bands(scene, bands)
    part = whole(scene.grid.shape) if window is None else window
    if not (0 <= part.top < part.bottom <= scene.grid.height and 0 <= part.left < part.right <= scene.grid.width):
        raise OptionError(
            ErrorCode.OPTION,
            f"rows {part.top} to {part.bottom} and columns {part.left} to {part.right} are not inside "
            f"{scene.grid.height} rows and {scene.grid.width} columns",
            where=scene.path,
        )
    kept = tuple(replace(scene.band(number), number=place) for place, number in enumerate(numbers, start=1))
    target = replace(scene, bands=kept)
    if part != whole(scene.grid.shape):
        target = _cut(target, part)
    return _rewrite(scene, destination, target, numbers, part, overwrite, progress)


def change_scene(
    scene: Scene,
    destination: Path,
    change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.floating]],
    *,
    provenance: Tags,
    bands: Sequence[int] | None = None,
    scaling: str | None = None,
    overwrite: bool = False,
) -> Scene:
    """Write a scene whose pixels a function changes, such as a simulation of clouds.

    Parameters
    ----------
    scene
        The source; it is read whole.
    destination
        ``.tif`` or ``.zarr``.
    change
        Takes (H, W, C) in [0, 1] and returns the same shape; missing data are given as the mean of the band.
    provenance
        What was done, as metadata of the result.
    bands
        Which bands are changed, from 1; None for all but alpha.
    scaling
        As for :func:`~datprl_toolkit.remote_sensing.scaling.scene_profile`.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for more than 64 million pixels.
    """
    if scene.grid.height * scene.grid.width > LARGEST_CHANGED:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"a scene of {scene.grid.width} x {scene.grid.height} pixels is too large to be changed as a whole",
            where=scene.path,
            remedy="Select a window of it first",
        )
    numbers = [band.number for band in scene.image_bands] if bands is None else list(_known(scene, bands))
    area = whole(scene.grid.shape)
    with sparing(), scene.reader() as reader:
        pixels = reader.read(numbers, area)
        others = [band.number for band in scene.bands if band.number not in numbers]
        copied = reader.read(others, area).values if others else np.empty((0, *scene.grid.shape), scene.dtype)
        mask = reader.read_mask(area) if scene.has_mask else None
    profile = scene_profile(scaling, scene.dtype, lambda: pixels.values[pixels.valid])
    means = [float(v[ok].mean()) if ok.any() else 0.0 for v, ok in zip(pixels.values, pixels.valid, strict=True)]
    filled = np.where(pixels.valid, pixels.values, np.reshape(means, (-1, 1, 1)))
    changed = change(np.moveaxis(profile.to_unit(filled), 0, -1))
    stored = to_stored(profile.from_unit(np.moveaxis(changed, -1, 0)), scene.dtype, scene.nodata)
    values = np.empty((len(scene.bands), *scene.grid.shape), scene.dtype)
    values[[number - 1 for number in numbers]] = np.where(pixels.valid, stored, pixels.values)
    values[[number - 1 for number in others]] = copied
    tags = {**scene.tags, "": scene.tags.get("", {}) | provenance}
    target = writable(replace(scene, tags=tags))
    with sparing(), scene_writer(destination, target, overwrite=overwrite) as writer:
        for shard in split(area, shard_size(target)):
            rows, columns = shard.slices
            writer.write(shard, values[:, rows, columns], None if mask is None else mask[rows, columns])
    return Scene.open(destination)


def _chosen_bands(scene: Scene, bands: Sequence[int] | None) -> tuple[int, ...]:
    if bands is None:
        return tuple(band.number for band in scene.bands)
    chosen = _known(scene, bands)
    return chosen if scene.alpha is None or scene.alpha in chosen else (*chosen, scene.alpha)


def _known(scene: Scene, bands: Sequence[int]) -> tuple[int, ...]:
    there = [band.number for band in scene.bands]
    if not bands or not set(bands) <= set(there) or len(set(bands)) < len(bands):
        raise OptionError(
            ErrorCode.OPTION,
            f"bands {', '.join(map(str, bands)) or 'none'} were asked for",
            where=scene.path,
            remedy=f"Name different ones of the bands {', '.join(map(str, there))}",
        )
    return tuple(bands)


def _cut(scene: Scene, part: Window) -> Scene:
    """Return the scene on the grid of a part of it."""
    grid = scene.grid
    if grid.control_points or grid.rpcs is not None:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            "a part of a scene that is referenced by control points or rational polynomials is not cut out",
            where=scene.path,
            remedy="Rectify it first, for example with gdalwarp",
        )
    moved = None if grid.transform is None else grid.transform @ Affine.translation(part.left, part.top)
    tags = {domain: items for domain, items in scene.tags.items() if domain != "GEOLOCATION"}
    return replace(scene, grid=replace(grid, height=part.height, width=part.width, transform=moved), tags=tags)


def writable(target: Scene) -> Scene:
    """Leave out a nodata value that no pixel can have, and what the source says of the run that made just it."""
    own = {key: value for key, value in target.tags.get("", {}).items() if key not in _OF_ONE_OUTPUT}
    nodata = target.nodata if as_stored(target.nodata, target.dtype) is not None else None
    return replace(target, nodata=nodata, tags={**target.tags, "": own})


def _rewrite(
    scene: Scene,
    destination: Path,
    target: Scene,
    numbers: Sequence[int],
    part: Window,
    overwrite: bool,
    progress: ProgressCallback,
) -> Scene:
    """Copy pixels shard by shard, so that memory does not grow with the scene."""
    target = writable(target)
    shards = list(split(whole(target.grid.shape), shard_size(target)))
    with (
        sparing(),
        scene.reader() as reader,
        scene_writer(destination, target, overwrite=overwrite) as writer,
    ):
        for done, shard in enumerate(shards, start=1):
            writer.write(shard, *_read(reader, scene, numbers, shard, part))
            progress(Progress("writing", done, len(shards), "tiles"))
    return Scene.open(destination)


def _read(
    reader: SceneReader, scene: Scene, numbers: Sequence[int], shard: Window, part: Window
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.uint8] | None]:
    held = Window(shard.top + part.top, shard.bottom + part.top, shard.left + part.left, shard.right + part.left)
    return reader.read(numbers, held).values, reader.read_mask(held) if scene.has_mask else None


@contextmanager
def scene_writer(destination: Path, target: Scene, *, overwrite: bool = False) -> Iterator[SceneWriter]:
    """Give a writer of `target` in the format that the name says; the output appears when the block ends.

    Raises
    ------
    OptionError
        ``E_OPTION`` for another ending than ``.tif`` and ``.zarr``.
    """
    if destination.suffix.lower() == ".zarr":
        from datprl_toolkit.remote_sensing.zarr_writing import zarr_writer

        with zarr_writer(destination, target, target.tags.get("", {}), overwrite=overwrite) as store:
            yield store
    elif destination.suffix.lower() in {".tif", ".tiff"}:
        from datprl_toolkit.remote_sensing.cog import cog_writer

        with cog_writer(destination, target, overwrite=overwrite) as file:
            yield file
    else:
        raise OptionError(
            ErrorCode.OPTION,
            "a scene is written as GeoTIFF or Zarr",
            where=destination,
            remedy="Let the name of the output end in .tif or .zarr",
        )
