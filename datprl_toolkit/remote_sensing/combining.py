"""Several scenes in one: their bands above each other, or their ground side by side."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.plan import shard_size
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.rewriting import scene_writer, writable
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import split, whole
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datprl_toolkit.remote_sensing.reading import SceneReader

ON_GRID = 1e-3
"""Pixels by which a corner may miss the grid of another scene."""


def stack_scenes(
    scenes: Sequence[Scene],
    destination: Path,
    *,
    names: Sequence[str] | None = None,
    progress: ProgressCallback = silent,
) -> Scene:
    """Write the bands of several scenes on one grid as one scene, in the given order.

    Parameters
    ----------
    destination
        ``.tif`` or ``.zarr``.
    names
        Of the scenes; a band without a description of its own is called so.

    Raises
    ------
    OptionError
        ``E_OPTION`` for no scene.
    InputError
        ``E_GEOMETRY`` if the grids differ, ``E_UNSUPPORTED`` if types or nodata values do, or for alpha or a mask,
        which would speak for one of the scenes only.
    """
    first = _first(scenes)
    for scene in scenes:
        if scene.grid.shape != first.grid.shape or _offset(scene, first) != (0, 0):
            raise InputError(ErrorCode.GEOMETRY, "scenes on different grids are not stacked", where=scene.path.name)
        _check_alike(scene, first)
        if scene.alpha is not None or scene.has_mask:
            raise InputError(
                ErrorCode.UNSUPPORTED, "scenes with alpha or a mask are not stacked", where=scene.path.name
            )
    labels = list(names) if names is not None else [scene.path.stem for scene in scenes]
    places = [(index, band) for index, scene in enumerate(scenes) for band in scene.bands]
    bands = tuple(
        replace(band, number=place, description=band.description or labels[index], colour="undefined")
        for place, (index, band) in enumerate(places, start=1)
    )
    target = writable(replace(first, bands=bands))
    shards = list(split(whole(target.grid.shape), shard_size(target)))
    with sparing(), ExitStack() as stack:
        readers = [stack.enter_context(scene.reader()) for scene in scenes]
        writer = stack.enter_context(scene_writer(destination, target))
        for done, shard in enumerate(shards, start=1):
            parts = [
                reader.read([band.number for band in scene.bands], shard).values
                for reader, scene in zip(readers, scenes, strict=True)
            ]
            writer.write(shard, np.concatenate(parts), None)
            progress(Progress("writing", done, len(shards), "tiles"))
    return Scene.open(destination)


def mosaic_scenes(scenes: Sequence[Scene], destination: Path, *, progress: ProgressCallback = silent) -> Scene:
    """Write the ground of several scenes as one; where they overlap, the first that has data counts.

    The pixels of all lie on one grid, so that none is resampled. Ground that no scene covers is nodata, or outside
    the mask where the scenes have no nodata value.

    Raises
    ------
    OptionError
        ``E_OPTION`` for no scene.
    InputError
        ``E_GEOMETRY`` for scenes without a transform, or on grids of another size of pixel, shift or reference
        system; ``E_UNSUPPORTED`` if their types, bands or nodata values differ, or for alpha.
    """
    first = _first(scenes)
    places: list[Window] = []
    for scene in scenes:
        if scene.grid.transform is None and len(scenes) > 1:
            raise InputError(ErrorCode.GEOMETRY, "a scene without georeference has no place", where=scene.path.name)
        _check_alike(scene, first)
        if len(scene.bands) != len(first.bands) or scene.alpha is not None:
            what = "scenes of different bands, or with alpha, make no mosaic"
            raise InputError(ErrorCode.UNSUPPORTED, what, where=scene.path.name)
        top, left = _offset(scene, first)
        places.append(Window(top, top + scene.grid.height, left, left + scene.grid.width))
    area = Window(
        min(place.top for place in places),
        max(place.bottom for place in places),
        min(place.left for place in places),
        max(place.right for place in places),
    )
    corner = first.grid.transform
    moved = None if corner is None else corner @ Affine.translation(area.left, area.top)
    grid = replace(first.grid, height=area.height, width=area.width, transform=moved)
    target = writable(replace(first, grid=grid, has_mask=first.nodata is None))
    shards = list(split(whole(grid.shape), shard_size(target)))
    with sparing(), ExitStack() as stack:
        readers = [stack.enter_context(scene.reader()) for scene in scenes]
        writer = stack.enter_context(scene_writer(destination, target))
        for done, shard in enumerate(shards, start=1):
            values, covered = _fill(target, shard, [place.relative_to(area) for place in places], readers)
            mask = np.where(covered.any(axis=0), 255, 0).astype(np.uint8) if target.has_mask else None
            writer.write(shard, values, mask)
            progress(Progress("writing", done, len(shards), "tiles"))
    return Scene.open(destination)


def _fill(
    target: Scene, shard: Window, places: Sequence[Window], readers: Sequence[SceneReader]
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.generic]], np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return the values of a shard, and where any scene has data."""
    shape = (len(target.bands), shard.height, shard.width)
    values = np.full(shape, 0 if target.nodata is None else target.nodata, target.dtype)
    covered = np.zeros(shape, np.bool_)
    numbers = [band.number for band in target.bands]
    for place, reader in zip(places, readers, strict=True):
        common = Window(
            max(shard.top, place.top),
            min(shard.bottom, place.bottom),
            max(shard.left, place.left),
            min(shard.right, place.right),
        )
        if common.height <= 0 or common.width <= 0:
            continue
        pixels = reader.read(numbers, common.relative_to(place))
        rows, columns = common.relative_to(shard).slices
        new = pixels.valid & ~covered[:, rows, columns]
        values[:, rows, columns] = np.where(new, pixels.values, values[:, rows, columns])
        covered[:, rows, columns] |= new
    return values, covered


def _first(scenes: Sequence[Scene]) -> Scene:
    if not scenes:
        raise OptionError(ErrorCode.OPTION, "at least one scene is needed")
    return scenes[0]


def _check_alike(scene: Scene, first: Scene) -> None:
    if scene.dtype != first.dtype or repr(scene.nodata) != repr(first.nodata):
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"scenes of different types or nodata values ({first.dtype}, {first.nodata}; {scene.dtype}, "
            f"{scene.nodata}) are not combined",
            where=scene.path.name,
        )


def _offset(scene: Scene, first: Scene) -> tuple[int, int]:
    """Return the row and column of the first pixel of a scene on the grid of another.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if it does not lie on that grid.
    """
    mine, other = scene.grid.transform, first.grid.transform
    if mine is None or other is None or scene.grid.crs != first.grid.crs:
        if scene is first or (mine is None and other is None and scene.grid.crs == first.grid.crs):
            return 0, 0
        raise InputError(ErrorCode.GEOMETRY, "scenes of different reference systems", where=scene.path.name)
    steps = ~other @ mine
    unit = np.allclose([steps.a, steps.b, steps.d, steps.e], [1, 0, 0, 1], atol=1e-6)
    row, column = round(steps.f), round(steps.c)
    if not unit or max(abs(steps.f - row), abs(steps.c - column)) > ON_GRID:
        raise InputError(
            ErrorCode.GEOMETRY,
            "the pixels of the scenes do not lie on one grid",
            where=scene.path.name,
            remedy="Bring them onto one first, for example with gdalwarp -tap",
        )
    return row, column
