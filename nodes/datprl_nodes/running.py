"""A workflow run as a Dask graph: on threads, or on a cluster by its address.

Steps whose result is in the store are not run again, nor is anything that only they need. A step that fails ends the
run; what is finished stays in the store, so that the same call goes on from there.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from datprl_nodes.devices import device_alone
from datprl_nodes.node import Job, call_node
from datprl_nodes.tasks import Given, Work, naming_step
from datprl_nodes.values import KINDS
from datprl_toolkit.errors import DatprlError, ErrorCode, ResourceError, missing_package

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datprl_nodes.store import Result, Store
    from datprl_nodes.tasks import Made, Task
    from datprl_toolkit.restoring import Progress

TOPIC = "datprl-workflow"
DEVICE_RESOURCE = "GPU"
"""Resource that a worker of a cluster declares for each of its devices: ``dask worker --resources GPU=1``."""

State = Literal["kept", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task.

    Parameters
    ----------
    task
        Its name.
    state
        "kept" if its result was in the store already.
    work, done, total, unit
        How far it has come, as in :class:`datprl_toolkit.restoring.Progress`; empty and 0 where it does not say.
    """

    task: str
    state: State
    work: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a workflow runs.

    Parameters
    ----------
    cluster
        Address of a Dask scheduler; None for threads of this process.
    threads
        How many steps run at the same time on threads.
    """

    cluster: str | None = None
    threads: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))


def run_tasks(
    work: Work,
    store: Store,
    engine: Engine,
    observe: Callable[[Event], None] = lambda event: None,
    *,
    fresh: bool = False,
) -> dict[str, Result]:
    """Run what is not in the store yet, and return the results of all tasks that are needed.

    Raises
    ------
    DatprlError
        What the first step that fails raises, with the name of the step.
    ResourceError
        ``E_DEPENDENCY`` without Dask; ``E_DEVICE`` if the cluster cannot be reached.
    """
    missing = _missing(work, store, fresh=fresh)
    for name, task in work.tasks.items():
        if name not in missing and store.find(task.key) is not None:
            observe(Event(name, "kept"))
    if missing:
        runner = _run_on_threads if engine.cluster is None else _run_on_cluster
        runner([work.tasks[name] for name in work.tasks if name in missing], store, engine, observe)
    found = {name: store.find(task.key) for name, task in work.tasks.items()}
    return {name: result for name, result in found.items() if result is not None}


def run_task(task: Task, store: Store, tell: Callable[[Event], None]) -> None:
    """Do one piece of work, in whatever process, and keep what it made; what came before it is in the store."""
    with naming_step(task.name, task.step.node_name), ExitStack() as stack:
        stack.push(lambda kind, *_: tell(Event(task.name, "failed")) if kind is not None else None)
        device = task.step.node.device_used()
        if device is not None:
            stack.enter_context(device_alone(device, lambda: tell(Event(task.name, "running", "waiting for device"))))
        tell(Event(task.name, "running"))
        started, warnings = datetime.now(UTC), list[str]()
        folder = stack.enter_context(store.workplace())
        job = Job(folder, partial(_tell_progress, tell, task.name), warnings.append, task.labels)
        outputs = call_node(task.step.node, _values(task, store), job)
        store.keep(task.key, folder, outputs, warnings, started)
    tell(Event(task.name, "done"))


def _missing(work: Work, store: Store, *, fresh: bool) -> set[str]:
    """Return the tasks that have to run, beginning from what is handed out."""
    missing: set[str] = set()
    waiting = [made.task for made in work.outputs.values()]
    while waiting:
        name = waiting.pop()
        if name not in missing and (fresh or store.find(work.tasks[name].key) is None):
            missing.add(name)
            waiting += work.tasks[name].needs
    return missing


def _values(task: Task, store: Store) -> dict[str, Any]:
    ports = task.step.node.inputs()
    values = {name: tuple(_value(each, store) for each in given) for name, given in task.inputs.items()}
    return {name: each if ports[name].many else each[0] for name, each in values.items()}


def _value(source: Given | Made, store: Store) -> Any:
    return KINDS[source.type].open(source.path) if isinstance(source, Given) else store.value(source.key, source.port)


def _tell_progress(tell: Callable[[Event], None], task: str, progress: Progress) -> None:
    tell(Event(task, "running", progress.step, progress.done, progress.total, progress.unit))


def _graph(tasks: list[Task], work: Callable[..., None], *, resources: bool = False) -> list[Any]:
    """Return the tasks as Dask sees them; edges say only what comes first, since values lie in the store.

    Parameters
    ----------
    work
        Does one task, which is its first argument; what it needs, which is done by then, follows.
    resources
        Whether the workers declare their devices.
    """
    try:
        import dask
        from dask.delayed import delayed
    except ImportError as error:
        package = "dask"
        raise missing_package(package, "cli", "to run a workflow") from error
    nodes: dict[str, Any] = {}
    for task in tasks:
        needs = [nodes[name] for name in task.needs if name in nodes]
        alone = resources and _needs_device(task)
        with dask.annotate(  # type: ignore[attr-defined]
            **({"resources": {DEVICE_RESOURCE: 1}} if alone else {})
        ):
            # Wrapped, since Dask would take apart and rebuild what it is given as an argument.
            call = delayed(partial(work, task), name=task.name, pure=False, traverse=False)
            nodes[task.name] = call(*needs, dask_key_name=f"{task.name}-{task.key[:12]}")
    return list(nodes.values())


def _needs_device(task: Task) -> bool:
    try:
        return task.step.node.device_used() is not None
    except DatprlError:
        return True  # one that the workers have, and not this machine


def _run_on_threads(tasks: list[Task], store: Store, engine: Engine, observe: Callable[[Event], None]) -> None:
    from dask.base import compute

    stopped, telling = threading.Event(), threading.Lock()

    def tell(event: Event) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        with telling:
            observe(event)

    pool = ThreadPoolExecutor(max(1, engine.threads), thread_name_prefix="step")
    try:
        graph = _graph(tasks, lambda task, *_: run_task(task, store, tell))
        compute(*graph, scheduler="threads", pool=pool, optimize_graph=False)  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        stopped.set()
        raise
    finally:
        # Steps that are running are let finish, so that their work is kept.
        pool.shutdown(wait=True, cancel_futures=True)


def _run_on_cluster(tasks: list[Task], store: Store, engine: Engine, observe: Callable[[Event], None]) -> None:
    with _client(engine) as client:
        client.subscribe_topic(TOPIC, lambda told: observe(Event(**told[1][TOPIC])))
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        resources = any(DEVICE_RESOURCE in worker.get("resources", {}) for worker in workers)
        graph = _graph(tasks, partial(_run_on_worker, store), resources=resources)
        futures = client.compute(graph, optimize_graph=False)
        client.gather(futures)


def _run_on_worker(store: Store, task: Task, *_: object) -> None:
    from distributed import get_worker

    worker = get_worker()  # found here, and not in the threads that a node starts

    def tell(event: Event) -> None:
        # Dask adds entries of its own beside ours.
        worker.log_event(TOPIC, {TOPIC: {name: getattr(event, name) for name in Event.__slots__}})

    failure = None
    try:
        run_task(task, store, tell)
    except DatprlError as error:
        failure = type(error)(error.code, error.what, where=error.where, remedy=error.remedy)
    if failure is not None:
        raise failure  # alone, since what led to it cannot always travel


@contextmanager
def _client(engine: Engine) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        package = "distributed"
        raise missing_package(package, "geo", "to run a workflow on a cluster") from error
    try:
        client = Client(engine.cluster, set_as_default=False, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise ResourceError(
            ErrorCode.DEVICE, "no Dask scheduler answers there", where=engine.cluster, remedy="Check the address"
        ) from error
    with client:
        yield client
