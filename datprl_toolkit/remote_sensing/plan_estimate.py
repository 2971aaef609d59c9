"""What restoring a scene will take, from its description and a measured sample: nothing is written."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context import SAMPLED_WHOLE, context_images
from datprl_toolkit.remote_sensing.context_field import as_field, node_count
from datprl_toolkit.remote_sensing.context_modes import restore_in_context
from datprl_toolkit.remote_sensing.restore import CACHE_BYTES, make_plan
from datprl_toolkit.remote_sensing.sampling import SAMPLE_COUNT, SceneSample, sample_scene
from datprl_toolkit.remote_sensing.scaling import describe_scaling
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.threads import shard_bytes, worker_count
from datprl_toolkit.remote_sensing.tiles import restore_tile
from datprl_toolkit.remote_sensing.windows import fine, split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.restoring.tiling import Window

_USUAL_MEMORY = 2**30  # where the system does not say


@dataclass(frozen=True, slots=True)
class Estimate:
    """What restoring a scene will take.

    Parameters
    ----------
    width, height, bands
        Of the output.
    restored
        In words, which bands are restored, and which values the network sees.
    tile, halo, shard
        Sides in pixels of the output.
    tiles, shards
        How many there are; one task of the graph is one shard.
    bytes_read, bytes_written
        Uncompressed: with the halos of the shards, and of the output without its pyramid.
    bytes_stored
        Size of the input's own files; 0 where it is not known.
    share
        Share of the sampled places at which the scene has data; tiles without data cost next to nothing.
    seconds_per_tile, seconds
        Measured on one tile, read and restored; for all tiles with data, on this machine and device.
    memory
        Peak of this process in bytes: what it has used so far with the sample, and what the shards in flight add.
    workers
        Shards in flight.
    """

    width: int
    height: int
    bands: int
    restored: str
    tile: int
    halo: int
    shard: int
    tiles: int
    shards: int
    bytes_read: int
    bytes_written: int
    bytes_stored: int
    share: float
    seconds_per_tile: float
    seconds: float
    memory: int
    workers: int


def estimate_scene(source: str | Path, restorer: Restorer, options: SceneOptions) -> Estimate:
    """Say what :func:`~datprl_toolkit.remote_sensing.restore.restore_scene` will do and take.

    A few windows are read and one tile is restored, whatever the size of the scene.

    Parameters
    ----------
    source, restorer, options
        As for :func:`~datprl_toolkit.remote_sensing.restore.restore_scene`.

    Raises
    ------
    InputError, OptionError, ResourceError
        As restoring would.
    """
    scene = Scene.open(source, nodata=options.nodata)
    choice = choose_bands(scene, options.bands)
    looked_at = 1
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), scene.reader() as reader:

        def count(done: int, _total: int) -> None:
            nonlocal looked_at
            looked_at = done

        sample = sample_scene(
            reader,
            choice.numbers,
            scene.grid.shape,
            largest=SAMPLED_WHOLE // options.scale,
            thorough=False,
            told=count,
        )
        plan = make_plan(scene, choice, sample, options, restorer)
        seconds = 0.0 if sample.is_empty else _seconds_for_a_tile(plan, sample, reader, restorer)
    share = min(len(sample.windows) / min(looked_at, SAMPLE_COUNT), 1.0)
    shards = plan.shards()
    tiles = sum(_count(shard, plan.tile) for shard in shards)
    size = plan.target.dtype.itemsize
    grid = plan.target.grid
    return Estimate(
        width=grid.width,
        height=grid.height,
        bands=len(plan.written),
        restored=f"band{'s' if len(plan.restored) > 1 else ''} {', '.join(map(str, plan.restored))} of "
        f"{len(scene.bands)} ({choice.reason}), {describe_scaling(plan.profile)}",
        tile=plan.tile,
        halo=plan.overlap,
        shard=plan.shard,
        tiles=tiles,
        shards=len(shards),
        bytes_read=sum(_bytes_read(plan, shard) for shard in shards),
        bytes_written=grid.height * grid.width * len(plan.written) * size,
        bytes_stored=_stored(scene),
        share=share,
        seconds_per_tile=seconds,
        seconds=seconds * tiles * share,
        memory=_peak_memory() + worker_count(plan) * shard_bytes(plan) + _cache_bytes(plan),
        workers=min(worker_count(plan), len(shards)),
    )


def _seconds_for_a_tile(plan: Plan, sample: SceneSample, reader: SceneReader, restorer: Restorer) -> float:
    """Read and restore one tile where the scene has data, twice, and return the time of the second."""
    context = restorer.context(context_images(sample, plan.profile, plan.factor, 1))
    if plan.context == "field":
        context = as_field([context] * prod(node_count(plan.target.grid.shape)))
    held = fine(sample.windows[len(sample.windows) // 2], plan.factor)
    tile = _tile_at(plan, (held.top + held.bottom) // 2, (held.left + held.right) // 2)

    def network(image: npt.NDArray[np.float32], margins: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
        return restore_in_context(plan, restorer, image, margins, context, tile)

    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        needed = plan.needed(tile)
        restore_tile(plan, reader.read(plan.restored, needed), needed, tile, network)
        seconds = time.perf_counter() - began
    return seconds


def _tile_at(plan: Plan, row: int, column: int) -> Window:
    """Return the tile of the target that covers a pixel."""
    return next(
        tile
        for shard in plan.shards()
        if shard.top <= row < shard.bottom and shard.left <= column < shard.right
        for tile in split(shard, plan.tile)
        if tile.top <= row < tile.bottom and tile.left <= column < tile.right
    )


def _count(shard: Window, tile: int) -> int:
    return -(-shard.height // tile) * -(-shard.width // tile)


def _bytes_read(plan: Plan, shard: Window) -> int:
    needed = plan.needed(shard)
    copied = shard if plan.factor == 1 else needed
    pixels = needed.height * needed.width * len(plan.restored) + copied.height * copied.width * len(plan.copied)
    return pixels * plan.source.dtype.itemsize


def _cache_bytes(plan: Plan) -> int:
    """Return what GDAL keeps of a scene at the most."""
    grid = plan.source.grid
    return min(CACHE_BYTES, grid.height * grid.width * len(plan.source.bands) * plan.source.dtype.itemsize)


def _stored(scene: Scene) -> int:
    files = scene.files or (scene.path,)
    try:
        return sum(
            part.stat().st_size
            for file in files
            for part in ([file] if file.is_file() else file.rglob("*"))
            if part.is_file()
        )
    except OSError:
        return 0


def _peak_memory() -> int:
    """Return the largest amount of memory that this process has had so far, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration, UnicodeDecodeError):
        pass  # no Linux
    try:
        import resource
    except ImportError:  # Windows
        return _USUAL_MEMORY
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
