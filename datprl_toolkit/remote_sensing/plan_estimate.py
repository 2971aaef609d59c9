"""What restoring a scene will take, from its description and a measured sample: nothing is written."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import rasterio

from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context import SAMPLED_WHOLE, context_images
from datprl_toolkit.remote_sensing.context_modes import plan_context, restore_in_context
from datprl_toolkit.remote_sensing.journal import Journal
from datprl_toolkit.remote_sensing.reading_cache import cache_bytes
from datprl_toolkit.remote_sensing.restore import check_destination, make_plan
from datprl_toolkit.remote_sensing.run import Run
from datprl_toolkit.remote_sensing.sampling import SAMPLE_COUNT, SceneSample, sample_scene
from datprl_toolkit.remote_sensing.scaling import describe_scaling
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.staging import check_same_job, stage_folder
from datprl_toolkit.remote_sensing.threads import Threads, shard_bytes, worker_count
from datprl_toolkit.remote_sensing.tiles import deviation_tile, restore_tile
from datprl_toolkit.remote_sensing.windows import fine, split
from datprl_toolkit.restoring import silent

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
    finished
        How many of the shards an earlier run finished, if it is resumed: they are not read, and take no time.
    share
        Share of the sampled places at which the scene has data; tiles without data cost next to nothing.
    seconds_per_tile, seconds
        Measured on one tile, read and restored; for all tiles with data, on this machine and device.
    memory
        Peak of a process in bytes: what this one has used so far with the sample, and what the shards in flight add.
    workers
        Shards in flight in a process.
    cluster
        Where the processes are, if not here; their number is no part of the figures above.
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
    finished: int
    share: float
    seconds_per_tile: float
    seconds: float
    memory: int
    workers: int
    cluster: str | None


def estimate_scene(
    source: str | Path,
    restorer: Restorer,
    options: SceneOptions,
    destination: Path | None = None,
    *,
    seconds_per_tile: float | None = None,
) -> Estimate:
    """Say what :func:`~datprl_toolkit.remote_sensing.restore.restore_scene` will do and take.

    A few windows are read and one tile is restored, whatever the size of the scene.

    Parameters
    ----------
    source, restorer, options
        As for :func:`~datprl_toolkit.remote_sensing.restore.restore_scene`.
    destination
        The output, to find what a run that is resumed has finished already; None without looking for one.
    seconds_per_tile
        What a tile takes, where that was measured on a scene like this; None measures it.

    Raises
    ------
    InputError, OptionError, OutputError, ResourceError
        As restoring would.
    """
    if destination is not None:
        check_destination(source, destination, options)
    scene = Scene.open(source, nodata=options.nodata)
    choice = choose_bands(scene, options.bands)
    looked_at = 1
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene, choice.numbers)), scene.reader() as reader:

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
        seconds = 0.0 if sample.is_empty else seconds_per_tile
        if seconds is None:
            seconds = _seconds_for_a_tile(plan, sample, reader, restorer)
        finished = set() if destination is None else _finished(plan, options, restorer, reader, destination)
    share = min(len(sample.windows) / min(looked_at, SAMPLE_COUNT), 1.0)
    shards = plan.shards()
    missing = [shard for shard in shards if shard not in finished]
    tiles = sum(_count(shard, plan.tile) for shard in shards)
    size = plan.target.dtype.itemsize
    grid = plan.target.grid
    workers = min(1 if options.cluster else worker_count(plan), len(shards))
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
        bytes_read=sum(_bytes_read(plan, shard) for shard in missing),
        bytes_written=grid.height * grid.width * len(plan.written) * size,
        bytes_stored=_stored(scene),
        finished=len(shards) - len(missing),
        share=share,
        seconds_per_tile=seconds,
        seconds=seconds * sum(_count(shard, plan.tile) for shard in missing) * share,
        memory=_peak_memory() + workers * shard_bytes(plan) + _cache_bytes(plan),
        workers=workers,
        cluster=options.cluster,
    )


def _finished(
    plan: Plan, options: SceneOptions, restorer: Restorer, reader: SceneReader, destination: Path
) -> set[Window]:
    """Return the shards that need not be done, or refuse what cannot be resumed, as the run would.

    What a cluster runs on is known only to itself, so that its own run has to judge that.
    """
    if not options.resume:
        return set()
    journal = Journal(stage_folder(destination))
    if options.cluster is None:
        run = Run(plan, options, restorer, reader, (1, 1), destination, Threads(restorer), silent)
        if run.earlier() is not None:
            return set(plan.shards())
        check_same_job(journal, run.fingerprint, destination)
    return set(journal.finished)


def _seconds_for_a_tile(plan: Plan, sample: SceneSample, reader: SceneReader, restorer: Restorer) -> float:
    """Read and restore one tile where the scene has data, twice, and return the time of the second."""
    context = plan_context(plan, context_images(sample, plan.profile, plan.factor, 1), restorer)
    held = fine(sample.windows[len(sample.windows) // 2], plan.factor)
    make = deviation_tile if plan.product == "deviation" else restore_tile
    tile = _tile_at(plan, (held.top + held.bottom) // 2, (held.left + held.right) // 2)

    def network(
        image: npt.NDArray[np.float32], margins: tuple[int, int, int, int], flipped: tuple[int, ...] = ()
    ) -> npt.NDArray[np.float32]:
        return restore_in_context(plan, restorer, image, margins, context, tile, flipped)

    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        needed = plan.needed(tile)
        make(plan, reader.read(plan.restored, needed), needed, tile, network)
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
    whole = grid.height * grid.width * len(plan.source.bands) * plan.source.dtype.itemsize
    return min(cache_bytes(plan.source, plan.restored), whole)


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
