"""The shards of a scene on the workers of a Dask cluster, which see the same files as this machine."""

from __future__ import annotations

import logging
import os
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch
from distributed import Client, LocalCluster, WorkerPlugin, get_worker, wait
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError, OutputError, ResourceError
from datprl_toolkit.remote_sensing.threads import IN_FLIGHT_BYTES, shard_bytes, tiled_network
from datprl_toolkit.restoring import Progress, Restorer
from datprl_toolkit.restoring.recipe import RestorerRecipe
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datprl_toolkit.remote_sensing.journal import FinishedShard
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.shards import LocatedNetwork, ShardWork
    from datprl_toolkit.restoring import Context, ProgressCallback

_LOCAL = "local:"
_THREADS = "threads"  # a resource of the workers that we start: threads of the network, which does one shard at a time
_ANSWER_SECONDS = 15
_PATIENCE_SECONDS = 30  # without a result, after which somebody looks whether there are any workers left


class _WorkerJob(WorkerPlugin):
    """What every worker holds for the length of a job: one model, one reader, and the way to do a shard."""

    def __init__(
        self,
        work: ShardWork,
        recipe: RestorerRecipe | Restorer,
        context: Context | None,
        folder: Path,
        device: str,
    ) -> None:
        self.work, self.recipe, self.context, self.folder = work, recipe, context, folder
        self.device = device

    def setup(self, worker: Any) -> None:
        """Load the model, once for each worker."""
        plan = self.work.plan
        _check_seen(plan.source.path, self.folder, remote=bool(plan.source.dataset))
        torch.set_num_threads(max(1, int(worker.state.total_resources.get(_THREADS, worker.state.nthreads))))
        recipe = self.recipe
        restorer = recipe.make(self.device) if isinstance(recipe, RestorerRecipe) else recipe
        self.network: LocatedNetwork = tiled_network(plan, restorer, self.context)
        self.reader: SceneReader = plan.source.reader()
        self.slots = threading.BoundedSemaphore(_slots(worker.state.nthreads, self.work))
        self.stopped = threading.Event()

    def teardown(self, worker: Any) -> None:
        """Let what runs end soon."""
        self.stopped.set()
        self.reader.close()

    def run(self, shard: Window) -> FinishedShard:
        """Do one shard; no more of them at once than memory allows."""
        with self.slots:
            return self.work.run(shard, self.reader, self.network, self._check)

    def _check(self) -> None:
        if self.stopped.is_set():
            raise RuntimeError("the job was ended")


def _run_shard(job: str, numbers: Sequence[int]) -> FinishedShard | DatprlError:
    """Do one shard on the worker on which this is called; Dask would take a window apart.

    An error of ours is returned: raised, it would be sent with its cause, which may be one of GDAL's that cannot be.
    """
    held = cast("_WorkerJob", get_worker().plugins[job])
    try:
        return held.run(Window(*numbers))
    except DatprlError as error:
        return type(error)(error.code, error.what, where=error.where, remedy=error.remedy)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that is connected.

    Parameters
    ----------
    client
        The connection.
    restorer
        The network, as it is here.
    address
        How a person named the cluster.
    device
        Kind of device that every worker uses.
    """

    client: Client
    restorer: Restorer
    address: str
    device: str

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
        """Do shards, one task for each; see :class:`datprl_toolkit.remote_sensing.threads.Threads`.

        What a lost worker had in hand another one does again; both write the same.

        Raises
        ------
        ResourceError
            ``E_DEPENDENCY`` if the workers cannot load the job, ``E_MEMORY`` if a shard ends one worker after the
            other, ``E_DEVICE`` if no worker is left.
        """
        source = replace(work.plan.source, path=work.plan.source.path.absolute())
        work = replace(work, plan=replace(work.plan, source=source))
        name = f"datprl-{uuid.uuid4().hex}"
        folder = getattr(work.writer, "folder").absolute()  # noqa: B009 (both writers have one)
        job = _WorkerJob(work, _recipe(self.restorer), context, folder, self.device)
        with _connection_errors(self.address):
            self._register(job, name)
            try:
                self._run_all(name, work, shards, portions, progress, record)
            finally:
                self.client.unregister_worker_plugin(name)  # type: ignore[no-untyped-call]

    def _register(self, job: _WorkerJob, name: str) -> None:
        try:
            self.client.register_plugin(job, name=name)
        except (DatprlError, CommClosedError):
            raise
        except Exception as error:  # whatever the import of another version raises
            raise ResourceError(
                ErrorCode.DEPENDENCY,
                f"the workers of the cluster cannot load the job: {type(error).__name__}: {error}",
                where=self.address,
                remedy="Install the same datprl-toolkit[geo] on all of them",
            ) from error

    def _run_all(
        self,
        name: str,
        work: ShardWork,
        shards: Sequence[Window],
        portions: tuple[int, int],
        progress: ProgressCallback,
        record: Callable[[FinishedShard], None],
    ) -> None:
        waiting = list(reversed(shards))
        running: set[Any] = set()
        done, total = portions
        try:
            while waiting or running:
                while waiting and len(running) < self._capacity(work):
                    running.add(self._submit(name, waiting.pop()))
                for future in self._finished(running):
                    running.discard(future)
                    shard: FinishedShard | DatprlError = future.result()
                    if isinstance(shard, DatprlError):
                        raise shard
                    record(shard)
                    done += len(work.plan.portions(shard.window))
                    progress(Progress("restoring", done, total, "tiles"))
        except KilledWorker as error:
            raise ResourceError(
                ErrorCode.MEMORY,
                "a shard ended one worker after the other, most likely for want of memory",
                where=self.address,
                remedy="Give the workers more memory, or use a smaller --tile",
            ) from error
        finally:
            self.client.cancel(list(running))  # type: ignore[no-untyped-call]

    def _submit(self, name: str, shard: Window) -> Any:
        numbers = (shard.top, shard.bottom, shard.left, shard.right)
        return self.client.submit(_run_shard, name, numbers, pure=False, key=f"{name}-{shard.top}-{shard.left}")

    def _finished(self, running: set[Any]) -> set[Any]:
        """Wait for at least one result."""
        while True:
            try:
                found = wait(running, timeout=_PATIENCE_SECONDS, return_when="FIRST_COMPLETED")  # type: ignore[no-untyped-call]
            except TimeoutError:
                if not self._workers():
                    raise ResourceError(
                        ErrorCode.DEVICE,
                        "the cluster has no worker left",
                        where=self.address,
                        remedy="Start workers and add --resume",
                    ) from None
            else:
                finished: set[Any] = found.done
                return finished

    def _workers(self) -> list[dict[str, Any]]:
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())

    def _capacity(self, work: ShardWork) -> int:
        """Return how many shards are handed out: what the workers do at once, and one more for each."""
        workers = self._workers()
        return max(1, sum(_slots(worker["nthreads"], work) + 1 for worker in workers))


@contextmanager
def connected(address: str, restorer: Restorer) -> Iterator[Cluster]:
    """Connect to a cluster, or start one of processes on this machine for ``local:N``.

    Raises
    ------
    OptionError
        ``E_OPTION`` if nobody answers at the address.
    ResourceError
        ``E_DEVICE`` if the cluster has no worker, or not the device that was asked for.
    """
    with lasting(address) as reached:
        try:
            client = Client(reached, timeout=_ANSWER_SECONDS)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise OptionError(
                ErrorCode.OPTION,
                "no Dask scheduler answers at this address",
                where=address,
                remedy="Give it as dask scheduler prints it, such as tcp://host:8786",
            ) from error
        with client:
            yield Cluster(client, restorer, address, _common_device(client, restorer, address))


@contextmanager
def lasting(address: str) -> Iterator[str]:
    """Give the address at which a cluster answers: processes of this machine are started, and ended when it ends."""
    if not address.startswith(_LOCAL):
        yield address
        return
    count = int(address.removeprefix(_LOCAL))
    threads = max(1, (os.cpu_count() or 1) // count)
    started = LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=count,
        threads_per_worker=1,
        resources={_THREADS: threads},
        # Any free port: without one named, two clusters on a machine would both ask for the same.
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )
    with started as local:
        yield local.scheduler_address


def _common_device(client: Client, restorer: Restorer, address: str) -> str:
    """Return the kind of device that every worker has: shards from different kinds would not agree to the bit."""
    present = list(client.run(torch.cuda.is_available).values())
    if not present:
        raise ResourceError(
            ErrorCode.DEVICE, "the cluster has no workers", where=address, remedy="Start some with: dask worker ADDRESS"
        )
    if restorer.device.type == "cpu":
        # Where this machine has a GPU that was not chosen, the processor was asked for; elsewhere it was all there is.
        return "cuda" if all(present) and not torch.cuda.is_available() else "cpu"
    if not all(present):
        raise ResourceError(
            ErrorCode.DEVICE,
            "not every worker of the cluster has a GPU",
            where=address,
            remedy="Use --device cpu, or only workers with one",
        )
    return restorer.device.type


def _recipe(restorer: object) -> Any:
    """Return how a restorer is made elsewhere; a stand-in of tests, which has no network, is sent as it is."""
    restorer = getattr(restorer, "without_context", restorer)  # the workers are given the context by itself
    return RestorerRecipe.of(restorer) if isinstance(restorer, Restorer) else restorer


def _slots(threads: int, work: ShardWork) -> int:
    """Return how many shards a worker may hold at once."""
    return int(max(1, min(threads, IN_FLIGHT_BYTES // max(shard_bytes(work.plan), 1))))


def _check_seen(source: Path, folder: Path, *, remote: bool) -> None:
    if not remote and not source.exists():
        raise InputError(
            ErrorCode.MISSING,
            "a worker of the cluster does not see the input",
            where=source.name,
            remedy="Put it into a folder that all machines share under the same name",
        )
    if not folder.is_dir():
        raise OutputError(
            ErrorCode.OUTPUT,
            "a worker of the cluster does not see the folder of the output",
            where=folder.parent.parent.name,
            remedy="Choose one that all machines share under the same name",
        )


@contextmanager
def _connection_errors(address: str) -> Iterator[None]:
    """Keep a lost connection from being taken for an output that cannot be written."""
    try:
        yield
    except CommClosedError as error:
        raise ResourceError(
            ErrorCode.DEVICE,
            "the connection to the scheduler of the cluster was lost",
            where=address,
            remedy="Check that it still runs",
        ) from error
