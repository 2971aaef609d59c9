"""What a person sees while many scenes are restored: a board on a terminal, one line for each scene elsewhere."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datprl_toolkit.cli.main import EXIT_CANCELLED
from datprl_toolkit.jobs.batch import restore_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.jobs import RestoreOptions
    from datprl_toolkit.jobs.batch import BatchOutcome, BatchRecord, BatchScene
    from datprl_toolkit.restoring import Outcome, Progress, Restorer

EXIT_SOME_FAILED = 3
_RECENT = 6
_BAR = 40


def run_batch(
    sources: Sequence[str],
    destination: Path,
    load: Callable[[], Restorer],
    options: RestoreOptions,
    form: Literal["tif", "zarr"],
    assets: Sequence[str],
    previews: Path | None,
    *,
    shared_context: bool = False,
) -> int:
    """Restore a batch before a person's eyes, and return the exit status."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Board(console) as board:
        try:
            outcome = restore_batch(
                sources,
                destination,
                load,
                options,
                form=form,
                assets=assets,
                shared_context=shared_context,
                previews=previews,
                watcher=board,
                announce=board.announce,
            )
        except KeyboardInterrupt:
            board.close()
            line = f"Cancelled; {board.finished_scenes} kept. The same command goes on from there."
            console.print(line, markup=False)
            return EXIT_CANCELLED
    report(console, outcome)
    return EXIT_SOME_FAILED if outcome.failed or outcome.partial else 0


def report(console: Console, outcome: BatchOutcome) -> None:
    """Say what became of a batch, and which scenes failed and why."""
    for record in outcome.records:
        if record.status == "failed":
            console.print(f"failed  {record.name}: {record.message}", markup=False, style="red")
    finished = set(outcome.done)
    seconds = sum(record.seconds for record in outcome.records if record.name in finished)
    parts = [f"{_count(len(outcome.done), 'scene')} restored in {duration(seconds)}"]
    if outcome.skipped:
        parts.append(f"{len(outcome.skipped)} done before")
    if outcome.partial:
        parts.append(f"{len(outcome.partial)} in part")
    if outcome.failed:
        parts.append(f"{len(outcome.failed)} failed")
    console.print(f"{', '.join(parts)}: {outcome.output}, manifest {outcome.manifest}", markup=False)


class Board:
    """A :class:`BatchWatcher` that draws.

    On a terminal it is redrawn in place: how many scenes are done, what is being done, the latest that ended. Where
    the output is a file or a pipe, one line says what became of each scene.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)
        self._lock = threading.Lock()
        self._total = self._skipped = self._done = self._failed = 0
        self._began = clock()
        self._current = ""
        self._step: Progress | None = None
        self._recent: deque[Text] = deque(maxlen=_RECENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing and leave the terminal as it was."""
        self._live.stop()

    @property
    def finished_scenes(self) -> str:
        """How many scenes have an output, in words."""
        return _count(self._skipped + self._done, "finished scene")

    def announce(self, line: str) -> None:
        """Say what was found."""
        self._console.print(line, markup=False)

    def planned(self, scenes: Sequence[BatchScene], skipped: Sequence[BatchScene]) -> None:
        """Begin the board."""
        self._total, self._skipped, self._began = len(scenes), len(skipped), self._clock()
        if skipped:
            left = len(scenes) - len(skipped)
            self._console.print(f"{len(skipped)} done before and skipped, {left} to do", markup=False)
        if self._console.is_terminal:
            self._live.start()

    def started(self, scene: BatchScene) -> None:
        """Name the scene that is begun."""
        with self._lock:
            self._current, self._step = scene.name, None

    def progress(self, scene: BatchScene, progress: Progress) -> None:
        """Move the bar of the scene."""
        with self._lock:
            self._step = progress

    def finished(self, scene: BatchScene, record: BatchRecord, outcome: Outcome | None) -> None:
        """Count the scene; where nothing is drawn, print its line."""
        with self._lock:
            failed = record.status == "failed"
            self._done += not failed
            self._failed += failed
            line = _line(record)
            self._recent.append(line)
        if not self._console.is_terminal:
            place = self._skipped + self._done + self._failed
            width = len(str(self._total))
            self._console.print(Text(f"[{place:>{width}}/{self._total}] ").append_text(line))

    def __rich__(self) -> RenderableType:
        with self._lock:
            ended = self._skipped + self._done + self._failed
            counts = Text(f" {ended} of {self._total} scenes")
            counts.append(f"  {self._done + self._skipped} done", style="green")
            if self._failed:
                counts.append(f"  {self._failed} failed", style="red")
            counts.append(self._time_left(ended), style="dim")
            table = Table.grid(padding=(0, 1))
            table.add_row(ProgressBar(max(self._total, 1), ended, width=_BAR), counts)
            if ended < self._total:
                table.add_row(self._scene_bar(), Text(f" {self._current}{self._step_words()}"))
            return Group(*self._recent, table)

    def _scene_bar(self) -> ProgressBar:
        step = self._step
        known = step is not None and step.total > 0
        return ProgressBar(step.total if step and known else 1, step.done if step and known else 0, width=_BAR)

    def _step_words(self) -> str:
        step = self._step
        return "" if step is None else f"  {step.step}, {step.done} of {step.total} {step.unit}"

    def _time_left(self, ended: int) -> str:
        worked = self._done + self._failed
        if not worked or ended == self._total:
            return ""
        left = (self._clock() - self._began) / worked * (self._total - ended)
        return f"  about {duration(left)} left"


def _line(record: BatchRecord) -> Text:
    if record.status == "failed":
        return Text(f"failed  {record.name}: {record.message}", style="red")
    line = Text(f"{record.status:7} {record.name}: {record.summary}, {duration(record.seconds)}")
    for warning in record.warnings:
        line.append(f"{os.linesep}        {warning}", style="yellow")
    return line


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a time in words that are as exact as they need to be."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
