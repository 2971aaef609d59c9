"""The shards of a scene as Dask tasks in threads of this process."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from dask.base import compute
from dask.delayed import delayed

from datprl_toolkit.remote_sensing.context_modes import restore_in_context
from datprl_toolkit.restoring import Progress, ProgressCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt
    from dask.delayed import Delayed

    from datprl_toolkit.remote_sensing.journal import FinishedShard
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.shards import LocatedNetwork, ShardWork
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window

IN_FLIGHT_BYTES = 2**30
_MOST_WORKERS = 3  # one at the network, one that reads, one that writes


class _StoppedError(Exception):
    """Another shard failed or the job was cancelled; this one ends early."""


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads of this process, as the place where shards are done.

    Parameters
    ----------
    restorer
        The network.
    """

    restorer: Restorer

    @property
    def device(self) -> str:
        """Kind of device on which the network runs."""
        return self.restorer.device.type

    def run(
        self,
        work: ShardWork,
        reader: SceneReader,
        context: Context | None,
        shards: Sequence[Window],
        portions: tuple[int, int],
        progress: ProgressCallback,
        record: Callable[[FinishedShard], None],
    ) -> None:
        """Restore and write shards.

        Parameters
        ----------
        work
            How one is done.
        reader
            Reads the source, in any thread.
        context
            What all tiles share.
        shards
            What is still to be done.
        portions
            How many portions are done already, and how many there are in all.
        progress
            Told after each portion, one caller at a time.
        record
            Told of each finished shard, one caller at a time.
        """
        calls = _Calls()
        network = tiled_network(work.plan, self.restorer, context, calls.submit)
        _ThreadedJob(work, reader, network, calls, progress, record, shards, *portions).run()


@dataclass(slots=True)
class _Calls:
    """Calls that several threads ask for and one serves, which began the work.

    The threads of OpenMP belong to the thread that called it first. Were a second one to call it, there would be more
    of them than cores, and instead of waiting for the next loop for a moment each would sleep at the end of every
    loop, of which the network has hundreds: on two cores it takes 1.4 times as long.
    """

    _waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = field(default_factory=SimpleQueue)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Ask for a call; what it returns or raises will be in the future."""
        asked: Future[Any] = Future()
        self._waiting.put((asked, partial(function, *arguments)))
        return asked

    def serve(self, work: Future[Any], stopped: threading.Event) -> None:
        """Do what is asked for until `work` has ended; interrupted, set `stopped` and refuse what is asked for."""
        work.add_done_callback(lambda _: self._waiting.put(None))
        try:
            for asked, call in iter(self._waiting.get, None):
                try:
                    asked.set_result(call())
                except BaseException as error:
                    asked.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
        except BaseException:
            stopped.set()
            for asked, _ in iter(self._waiting.get, None):
                asked.set_exception(_StoppedError())
            raise


@dataclass(slots=True)
class _ThreadedJob:
    work: ShardWork
    reader: SceneReader
    network: LocatedNetwork
    calls: _Calls
    progress: ProgressCallback
    record: Callable[[FinishedShard], None]
    shards: Sequence[Window]
    done: int
    total: int
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    def run(self) -> None:
        """Do all shards.

        The graph has one task for each shard and no edges. A worker holds one shard at a time, so that the number
        of workers bounds the memory. The first error stops the others; it is raised when all have ended, so that
        nobody writes any more when the output is put away. This thread calls the network for all of them.
        """
        # Dask takes the last name of independent tasks first; neighbours share what GDAL has decoded.
        one, count = delayed(self._run_shard, pure=False), len(self.shards)
        tasks = [one(place, dask_key_name=f"shard-{count - place:09d}") for place in range(count)]
        with ThreadPoolExecutor(1, thread_name_prefix="scheduler") as scheduler:
            work = scheduler.submit(self._compute, tasks)
            try:
                self.calls.serve(work, self._stopped)
                work.result()
            except _StoppedError:
                if self._failure is not None:
                    raise self._failure from None
                raise

    def _compute(self, tasks: Sequence[Delayed]) -> None:
        """Compute all tasks; return or raise when no shard is worked at any more, so that none waits for a call."""
        pool = ThreadPoolExecutor(worker_count(self.work.plan), thread_name_prefix="shard")
        try:
            compute(*tasks, scheduler="threads", pool=pool, optimize_graph=False)  # type: ignore[no-untyped-call]
        finally:
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _run_shard(self, place: int) -> None:
        """Do one shard; it is named by its place, since Dask would take a window apart."""
        try:
            self._check_running()
            shard = self.work.run(self.shards[place], self.reader, self.network, self._check_running, self._tell)
            with self._telling:
                self.record(shard)
        except BaseException as error:
            if not isinstance(error, _StoppedError) and self._failure is None:
                self._failure = error
            self._stopped.set()
            raise

    def _tell(self) -> None:
        with self._telling:
            self.done += 1
            self.progress(Progress("restoring", self.done, self.total, "tiles"))

    def _check_running(self) -> None:
        if self._stopped.is_set():
            raise _StoppedError


def tiled_network(
    plan: Plan,
    restorer: Restorer,
    context: Context | None,
    submit: Callable[..., Future[npt.NDArray[np.float32]]] | None = None,
) -> LocatedNetwork:
    """Return what restores windows, one caller at a time: it already uses the whole processor or device.

    Without `submit`, which asks a thread for a call, it works in a thread of its own. What a thread has freed, the C
    library keeps for that thread, so that each of several callers would hold the memory of a whole call.
    """
    ask = submit or ThreadPoolExecutor(1, thread_name_prefix="network").submit
    context = None if context is None else context.to(restorer.device)

    def call(
        core: Window,
        image: npt.NDArray[np.float32],
        margins: tuple[int, int, int, int],
        flipped: tuple[int, ...] = (),
    ) -> npt.NDArray[np.float32]:
        if context is None:
            raise RuntimeError("a scene without a context has no data to restore")
        return ask(restore_in_context, plan, restorer, image, margins, context, core, flipped).result()

    return lambda core: partial(call, core)


def shard_bytes(plan: Plan) -> int:
    """Return how much memory one shard takes at the most, about."""
    size = max(plan.target.dtype.itemsize, 1)
    pixels = min(plan.shard, max(plan.target.grid.shape)) ** 2
    # A shard holds what it read, whether that is valid, and what it will write; a portion its float64 copies.
    held = pixels * (len(plan.written) * 2 * size + len(plan.restored) * (size + 1))
    return held + (min(plan.portion, plan.shard) + 2 * plan.halo) ** 2 * len(plan.restored) * 64


def worker_count(plan: Plan) -> int:
    """Return how many shards may be in memory at once, within :data:`IN_FLIGHT_BYTES` as far as possible."""
    fitting = IN_FLIGHT_BYTES // max(shard_bytes(plan), 1)
    return int(max(1, min(_MOST_WORKERS, fitting, (os.cpu_count() or 1) + 1)))
