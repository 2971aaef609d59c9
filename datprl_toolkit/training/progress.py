"""A bar with the time left, while a person watches a run in a terminal; without one, lines of text are enough."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from datprl_toolkit.training.trainer import Trainer


@contextmanager
def show_progress(trainer: Trainer, console: Console | None = None) -> Iterator[None]:
    """Show a bar of the steps of a run below its lines of text; nothing without ``rich`` or a terminal.

    Parameters
    ----------
    trainer
        Whose steps are shown.
    console
        Where; standard error by default.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft
    except ImportError:
        yield
        return
    console = console or Console(file=sys.stderr, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeft(),
    )
    report = trainer.report
    # The time left follows the last minutes, for speed differs after a validation or on a shared machine.
    with Progress(*columns, console=console, refresh_per_second=2, speed_estimate_period=300) as bars:
        bar = bars.add_task("training", total=trainer.config.steps, completed=trainer.step, loss=float("nan"))

        def watch(step: int, loss: float) -> None:
            bars.update(bar, completed=step, loss=loss)

        trainer.watchers.append(watch)
        trainer.report = partial(console.print, markup=False)
        try:
            yield
        finally:
            trainer.watchers.remove(watch)
            trainer.report = report
