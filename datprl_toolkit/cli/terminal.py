"""What a person sees while a job runs: one line of what happens, a bar with the time left, a closing line."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from datprl_toolkit.cli.main import EXIT_CANCELLED
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.restoring import Outcome, Progress


class Terminal:
    """A progress display on standard error; without a terminal, one line per step and nothing that moves."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the display; after an interruption say what is kept, which typer would end without a word."""
        self._bars.stop()
        if isinstance(error, KeyboardInterrupt):
            kept = "; ".join(getattr(error, "__notes__", ["nothing was kept"]))
            self.console.print(f"Cancelled; {kept}.", markup=False)
            raise typer.Exit(EXIT_CANCELLED) from error

    def announce(self, line: str) -> None:
        """Say what is about to happen."""
        self.console.print(line, markup=False)

    def progress(self, progress: Progress) -> None:
        """Show how far a step has come."""
        if progress.step not in self._tasks:
            self._tasks[progress.step] = self._bars.add_task(progress.step, total=progress.total, unit=progress.unit)
            if not self.console.is_terminal:
                self.console.print(f"{progress.step}: {progress.total} {progress.unit}", markup=False)
        self._bars.update(self._tasks[progress.step], completed=progress.done, total=progress.total)

    def report(
        self, outcome: Outcome, preview: Path | None, report: Path | None = None, maps: Path | None = None
    ) -> None:
        """Say what was made, and what a person should know about it."""
        for warning in outcome.warnings:
            self.console.print(warning, markup=False, style="yellow")
        self.console.print(f"{outcome.summary}: {outcome.output}", markup=False)
        if preview is not None:
            self.console.print(f"preview: {preview}", markup=False)
        if report is not None:
            self.console.print(f"report: {report}", markup=False)
        if maps is not None:
            self.console.print(f"maps of uncertainty: {maps}", markup=False)


def parse_bands(text: str | None) -> tuple[int | str, ...] | None:
    """Read bands, separated by commas: numbers, counted from 1, or names.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is nothing between two commas.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise OptionError(
            ErrorCode.OPTION,
            f"--bands takes numbers such as 3,2,1, or names such as B04,B03,B02, not '{text}'",
            remedy="Count bands from 1",
        )
    return tuple(int(part) if part.isdecimal() else part for part in parts)
