"""One run of a job: it begins or goes on, does the shards that are missing, and finishes the output."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.remote_sensing.fingerprint import job_fingerprint
from datprl_toolkit.remote_sensing.manifest import Manifest, read_mark
from datprl_toolkit.remote_sensing.outputs import CogOutput, Output, ZarrOutput, is_zarr_output
from datprl_toolkit.remote_sensing.provenance import JOB, provenance_tags
from datprl_toolkit.remote_sensing.shards import ShardWork
from datprl_toolkit.remote_sensing.staging import Stage, staged_output
from datprl_toolkit.remote_sensing.threads import Threads
from datprl_toolkit.remote_sensing.windows import describe
from datprl_toolkit.restoring import Progress, ProgressCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from datprl_toolkit.remote_sensing.cluster import Cluster
    from datprl_toolkit.remote_sensing.journal import Fingerprint
    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window

_NAMED = 5  # unreadable blocks that a warning names one by one; the manifest has all


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has to say of its output.

    Parameters
    ----------
    remark
        What a person should read behind the summary; may be empty.
    unreadable
        Windows of the source that could not be read.
    """

    remark: str = ""
    unreadable: tuple[Window, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One line if something was unreadable."""
        if not self.unreadable:
            return ()
        named = "; ".join(describe(window) for window in self.unreadable[:_NAMED])
        more = f" and {len(self.unreadable) - _NAMED} more" if len(self.unreadable) > _NAMED else ""
        what = "a block" if len(self.unreadable) == 1 else f"{len(self.unreadable)} blocks"
        return (f"W_UNREADABLE: {what} of the input could not be read, now no data in the output: {named}{more}",)


@dataclass(frozen=True)
class Run:
    """One run of a job.

    Parameters
    ----------
    plan, options, restorer
        What is done.
    reader
        Reads the source.
    block
        Height and width of what the source stores as one.
    destination
        The output.
    place
        Where the shards are done.
    progress
        Told of the steps "restoring" and "writing".
    """

    plan: Plan
    options: SceneOptions
    restorer: Restorer
    reader: SceneReader
    block: tuple[int, int]
    destination: Path
    place: Threads | Cluster
    progress: ProgressCallback

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What decides the pixels."""
        suffix = self.destination.suffix.lower()
        return job_fingerprint(self.plan, self.options, self.restorer, suffix, self.place.device)

    @cached_property
    def job(self) -> str:
        """The fingerprint in a few digits, under which an output says which job made it."""
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()[:32]

    def earlier(self) -> Made | None:
        """Return what an earlier run made, if it made all of the output and may stay; else None.

        Raises
        ------
        OutputError
            ``E_EXISTS`` if the output is there, must not be replaced, and is that of another job.
        """
        if self.options.overwrite or not self.destination.exists():
            return None
        mark = read_mark(self.destination)
        if mark.job != self.job:
            raise OutputError(
                ErrorCode.EXISTS,
                "the output exists already, and another job made it",
                where=self.destination,
                remedy="Choose another name, or add --overwrite to replace it",
            )
        return Made("; it was complete already, and nothing was done", mark.unreadable)

    def make(self, context: Callable[[], Context | None]) -> Made:
        """Make the output.

        Parameters
        ----------
        context
            Computes what all tiles share; called unless an earlier run did.
        """
        with staged_output(self.destination, resume=self.options.resume, overwrite=self.options.overwrite) as stage:
            output = self._output(stage)
            shards = self.plan.shards()
            frozen = stage.start(self.fingerprint, self.options.on_error, len(shards), context, output.create)
            found = len(stage.journal.finished)
            self._restore(stage, output, frozen)
            self.progress(Progress("writing", 0, 1, "files"))
            finished = [stage.journal.finished[shard] for shard in shards]
            unreadable = tuple(dict.fromkeys(window for shard in finished for window in shard.unreadable))
            pieces = tuple(piece for shard in finished for piece in shard.written.pieces)
            output.finish(Manifest(self.fingerprint, pieces, unreadable))
        self.progress(Progress("writing", 1, 1, "files"))
        return Made(f"; {found} of {len(shards)} shards were finished earlier" if found else "", unreadable)

    def _output(self, stage: Stage) -> Output:
        provenance = provenance_tags(self.plan, self.restorer) | {JOB: self.job}
        if is_zarr_output(self.destination):
            return ZarrOutput(stage, self.plan.target, provenance, self.options.zarr_profile)
        return CogOutput(stage, self.plan.target, provenance)

    def _restore(self, stage: Stage, output: Output, context: Context | None) -> None:
        plan, finished = self.plan, stage.journal.finished
        missing = [shard for shard in plan.shards() if shard not in finished]
        done = sum(len(plan.portions(shard)) for shard in finished)
        total = done + sum(len(plan.portions(shard)) for shard in missing)
        work = ShardWork(plan, output.writer, self.options.on_error, self.block)
        record = stage.journal.record
        self.place.run(work, self.reader, context, missing, (done, total), self.progress, record)


@contextmanager
def workplace(options: SceneOptions, restorer: Restorer) -> Iterator[Threads | Cluster]:
    """Give the place where shards are done: this process, or a cluster."""
    if options.cluster is None:
        yield Threads(restorer)
        return
    from datprl_toolkit.remote_sensing.cluster import connected

    with connected(options.cluster, restorer) as cluster:
        yield cluster
