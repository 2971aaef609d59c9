"""The shards of a scene as Dask tasks: each reads its own window, restores it, and makes one aligned write."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from dask.base import compute
from dask.delayed import delayed

from datprl_toolkit.remote_sensing.tiles import copy_tile, restore_tile
from datprl_toolkit.remote_sensing.windows import coarse
from datprl_toolkit.restoring import Progress, ProgressCallback

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.writing import SceneWriter
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window

IN_FLIGHT_BYTES = 2**30
_MOST_WORKERS = 3  # one at the network, one that reads, one that writes


class _StoppedError(Exception):
    """Another shard failed or the job was cancelled; this one ends early."""


@dataclass(slots=True)
class ShardJob:
    """All shards of one scene.

    Parameters
    ----------
    plan
        What is to be done.
    reader, writer
        Where pixels come from and go to.
    restorer, context
        The network, and what all tiles share; None for a scene without any data.
    progress
        Told after each portion.
    """

    plan: Plan
    reader: SceneReader
    writer: SceneWriter
    restorer: Restorer
    context: Context | None
    progress: ProgressCallback
    _network: threading.Lock = field(default_factory=threading.Lock)
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None
    _shards: list[Window] = field(default_factory=list)
    _done: int = 0
    _total: int = 0

    def run(self) -> None:
        """Restore and write every shard.

        The graph has one task for each shard and no edges. A worker holds one shard at a time, so that the number
        of workers bounds the memory. The first error stops the others; it is raised when all have ended, so that
        nobody writes any more when the temporary output is removed.
        """
        self._shards = self.plan.shards()
        self._total = sum(len(self.plan.portions(shard)) for shard in self._shards)
        tasks = [delayed(self._run_shard, pure=False)(place) for place in range(len(self._shards))]
        pool = ThreadPoolExecutor(worker_count(self.plan), thread_name_prefix="shard")
        try:
            compute(*tasks, scheduler="threads", pool=pool, optimize_graph=False)  # type: ignore[no-untyped-call]
        except _StoppedError:
            if self._failure is not None:
                raise self._failure from None
            raise
        finally:
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _run_shard(self, place: int) -> None:
        """Read, restore and write one shard; it is named by its place, since Dask would take a window apart."""
        try:
            self._check_running()
            shard = self._shards[place]
            with rasterio.Env():  # outside of one, GDAL prints its warnings
                values = self._restore(shard)
                mask = self._mask(shard) if self.plan.source.has_mask else None
                self._check_running()
                self.writer.write(shard, values, mask)
        except BaseException as error:
            if not isinstance(error, _StoppedError) and self._failure is None:
                self._failure = error
            self._stopped.set()
            raise

    def _restore(self, shard: Window) -> npt.NDArray[np.generic]:
        plan = self.plan
        values = np.empty((len(plan.written), shard.height, shard.width), plan.target.dtype)
        for number, band in self._copied(shard).items():
            values[plan.written.index(number)] = band
        held = plan.needed(shard)
        pixels = self.reader.read(plan.restored, held)
        places = [plan.written.index(number) for number in plan.restored]
        for portion in plan.portions(shard):
            self._check_running()
            rows, columns = portion.relative_to(shard).slices
            values[places, rows, columns] = restore_tile(plan, pixels, held, portion, self._call_network)
            self._tell()
        return values

    def _copied(self, shard: Window) -> dict[int, npt.NDArray[np.generic]]:
        plan = self.plan
        if not plan.copied:
            return {}
        # On the same grid nothing beyond the shard matters.
        held = shard if plan.factor == 1 else plan.needed(shard)
        bands = copy_tile(plan, self.reader.read(plan.copied, held), held, shard)
        return dict(zip(plan.copied, bands, strict=True))

    def _mask(self, shard: Window) -> npt.NDArray[np.uint8]:
        factor = self.plan.factor
        held = coarse(shard, factor)
        mask = np.repeat(np.repeat(self.reader.read_mask(held), factor, axis=0), factor, axis=1)
        top, left = shard.top - held.top * factor, shard.left - held.left * factor
        return np.ascontiguousarray(mask[top : top + shard.height, left : left + shard.width])

    def _call_network(
        self, image: npt.NDArray[np.float32], margins: tuple[int, int, int, int]
    ) -> npt.NDArray[np.float32]:
        """Call the network, one caller at a time: it already uses the whole processor or device."""
        if self.context is None:
            raise RuntimeError("a scene without a context has no data to restore")
        with self._network:
            return self.restorer.restore_tiled(
                image, self.context, tile=self.plan.tile, halo=self.plan.halo, margins=margins
            )

    def _tell(self) -> None:
        with self._telling:
            self._done += 1
            self.progress(Progress("restoring", self._done, self._total, "tiles"))

    def _check_running(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError


def worker_count(plan: Plan) -> int:
    """Return how many shards may be in memory at once, within :data:`IN_FLIGHT_BYTES` as far as possible."""
    size = max(plan.target.dtype.itemsize, 1)
    pixels = min(plan.shard, max(plan.target.grid.shape)) ** 2
    # A shard holds what it read, whether that is valid, and what it will write; a portion its float64 copies.
    shard_bytes = pixels * (len(plan.written) * 2 * size + len(plan.restored) * (size + 1))
    portion_bytes = (min(plan.portion, plan.shard) + 2 * plan.halo) ** 2 * len(plan.restored) * 64
    fitting = IN_FLIGHT_BYTES // max(shard_bytes + portion_bytes, 1)
    return int(max(1, min(_MOST_WORKERS, fitting, (os.cpu_count() or 1) + 1)))
