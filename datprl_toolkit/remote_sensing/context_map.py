"""Which prompts each part of a scene would choose by itself, as a map."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rasterio.crs import CRS
from rasterio.warp import transform as to_other_system

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.files import check_absent, check_apart, staged_file
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.enlargement import enlarge_pixels
from datprl_toolkit.remote_sensing.options import SceneOptions
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.reading_sources import locate
from datprl_toolkit.remote_sensing.sampling import sample_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import split, whole
from datprl_toolkit.restoring import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.restoring.tiling import Window

_WGS84 = CRS.from_epsg(4326)  # what GeoJSON is in (RFC 7946, section 4)


def map_prompts(
    source: str | Path,
    destination: Path,
    restorer: Restorer,
    options: SceneOptions = SceneOptions(),  # noqa: B008 (frozen)
    progress: ProgressCallback = silent,
) -> int:
    """Write, for each tile of a scene, which prompts it would choose from each pool, as GeoJSON.

    Restoring with the context of the scene uses one choice for all tiles; the map shows whether the parts of the
    scene would have agreed.

    Parameters
    ----------
    source
        What :meth:`Scene.open` takes.
    destination
        A ``.geojson`` file: one polygon for each tile with data, with the properties "row", "column" (of its first
        pixel), and for each pool of the network "task" and "domain", the numbers of the chosen prompts from 0, the
        most similar first, and "task_shares" and "domain_shares", their shares (equation 1 of the paper).
    restorer
        The network.
    options
        `bands`, `scaling`, `nodata`, `tile` and `overwrite` count.
    progress
        Told after each tile.

    Returns
    -------
    How many tiles were mapped.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` for a scene without a transform and a reference system, ``E_UNSUPPORTED`` if the network has no
        prompts, or what reading raises.
    OutputError
        ``E_EXISTS``, ``E_OPTION``, ``E_DISK_FULL`` or ``E_OUTPUT``.
    """
    for original in locate(source).protected:
        check_apart(original, destination)
    check_absent(destination, overwrite=options.overwrite)
    scene = Scene.open(source, nodata=options.nodata)
    if scene.grid.transform is None or scene.grid.crs is None:
        raise InputError(
            ErrorCode.GEOMETRY, "the scene has no georeference to draw a map with", where=scene.path, remedy="Add one"
        )
    choice = choose_bands(scene, options.bands)
    features = []
    with sparing(), scene.reader() as reader:
        sample = sample_scene(reader, choice.numbers, scene.grid.shape)
        profile = scene_profile(options.scaling, scene.dtype, sample.values)
        tiles = list(split(whole(scene.grid.shape), options.tile))
        for done, tile in enumerate(tiles, start=1):
            pixels = reader.read(choice.numbers, tile)
            if pixels.valid.any():
                values, _, _ = enlarge_pixels(pixels, sample.level, tile, tile, 1)
                properties = _choices(profile.to_unit(values), restorer)
                features.append(_feature(scene.grid, tile, properties))
            progress(Progress("mapping prompts", done, len(tiles), "tiles"))
    with staged_file(destination, overwrite=options.overwrite) as temporary:
        collection = {"type": "FeatureCollection", "weights": restorer.card.name, "features": features}
        temporary.write_text(json.dumps(collection), encoding="utf-8")
    return len(features)


def _choices(image: npt.NDArray[Any], restorer: Restorer) -> dict[str, list[int] | list[float]]:
    """Return what an image chooses from each pool."""
    context = restorer.context(image[None])
    if context.task is None and context.domain is None:
        raise InputError(
            ErrorCode.UNSUPPORTED, "the network has no prompts to choose", where=restorer.card.name, remedy="Use others"
        )
    properties: dict[str, list[int] | list[float]] = {}
    for name, choice in (("task", context.task), ("domain", context.domain)):
        if choice is not None:
            properties[name] = [int(number) for number in choice.selected[0]]
            properties[f"{name}_shares"] = [round(float(share), 4) for share in choice.weights[0]]
    return properties


def _feature(grid: Grid, tile: Window, properties: dict[str, list[int] | list[float]]) -> dict[str, Any]:
    """Return a polygon around a tile, counter-clockwise where rows run south (RFC 7946, section 3.1.6)."""
    corners = [
        (tile.left, tile.top),
        (tile.left, tile.bottom),
        (tile.right, tile.bottom),
        (tile.right, tile.top),
        (tile.left, tile.top),
    ]
    if grid.transform is None:
        raise ValueError("a grid without a transform has no place on the ground")
    places = [grid.transform * corner for corner in corners]
    longitudes, latitudes = to_other_system(grid.crs, _WGS84, *zip(*places, strict=True))
    ring = [[round(x, 9), round(y, 9)] for x, y in zip(longitudes, latitudes, strict=True)]
    if _area(ring) < 0:
        ring.reverse()
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"row": tile.top, "column": tile.left, **properties},
    }


def _area(ring: list[list[float]]) -> float:
    """Return twice the area of a ring, positive if it runs counter-clockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
