"""The commands about workflows: what they print and do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datprl_nodes.api import run_workflow
from datprl_nodes.checking import check as check_workflow
from datprl_nodes.checking import find_problems
from datprl_nodes.drawing import draw_mermaid, draw_svg
from datprl_nodes.running import Engine
from datprl_nodes.schema import workflow_schema
from datprl_nodes.workflow import Workflow, load_workflow
from rich.console import Console

from datprl_toolkit.cli.node import parse_value, print_json, split_assignment
from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError
from datprl_toolkit.files import staged_file
from datprl_toolkit.restoring.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_nodes.running import Event


def run(
    path: Path,
    destination: Path,
    inputs: Sequence[str],
    parameters: Sequence[str],
    store: Path | None,
    engine: tuple[str | None, int | None],
    *,
    fresh: bool,
    overwrite: bool,
) -> None:
    """Run a workflow and say what was made."""
    workflow = _load(path, parameters)
    named = {
        name: Path(value)
        for name, value in (split_assignment(each, "--input", "NAME=PATH", only=workflow.inputs) for each in inputs)
    }
    cluster, threads = engine
    chosen = Engine(cluster) if threads is None else Engine(cluster, threads)
    with Terminal() as terminal:
        watcher = _Watcher(terminal)
        try:
            finished = run_workflow(
                workflow,
                destination,
                named,
                store=store,
                engine=chosen,
                fresh=fresh,
                overwrite=overwrite,
                observe=watcher.observe,
            )
        except (DatprlError, KeyboardInterrupt) as error:
            if watcher.finished:
                steps = "1 finished step is" if watcher.finished == 1 else f"{watcher.finished} finished steps are"
                kept = f"{steps} kept; the same command goes on from there"
                if isinstance(error, KeyboardInterrupt):
                    error.add_note(kept)
                else:
                    terminal.announce(kept)
            raise
    for line in finished.warnings:
        terminal.announce(line)
    done = len(finished.results) - len(finished.kept)
    terminal.announce(
        f"Steps done: {done}, kept from before: {len(finished.kept)}, {finished.seconds:.1f} s; "
        f"{', '.join(finished.outputs)}: {destination}"
    )


def check(path: Path, parameters: Sequence[str]) -> None:
    """Print every problem of a workflow; the last line is the error that ends the program."""
    workflow = _load(path, parameters)
    problems = find_problems(workflow)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(problem, markup=False)
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise InputError(ErrorCode.WORKFLOW, f"the workflow has {count}", where=path)
    Console(highlight=False, soft_wrap=True).print(
        f"{workflow.name}: {len(workflow.steps)} steps, everything fits", markup=False
    )


def draw(path: Path, picture: Path | None, *, overwrite: bool) -> None:
    """Write a drawing, or print it as Mermaid."""
    plan = check_workflow(load_workflow(path))
    if picture is None:
        Console(highlight=False, soft_wrap=True, markup=False).print(draw_mermaid(plan), end="")
        return
    if picture.suffix.lower() != ".svg":
        raise OptionError(ErrorCode.OPTION, "a drawing is an SVG picture", where=picture, remedy="End the name in .svg")
    with staged_file(picture, overwrite=overwrite) as temporary:
        temporary.write_text(draw_svg(plan), encoding="utf-8")


def show_schema() -> None:
    """Print the JSON schema of workflow files."""
    print_json(workflow_schema())


class _Watcher:
    """Shows what happens to steps: a bar for all of them, and one for the work of each that says how far it is."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._told: dict[str, str] = {}

    @property
    def finished(self) -> int:
        """How many steps have a result."""
        return sum(state in ("done", "kept") for state in self._told.values())

    def observe(self, event: Event) -> None:
        if event.work and event.total:
            self._terminal.progress(Progress(f"{event.task}: {event.work}", event.done, event.total, event.unit))
        elif event.state != self._told.get(event.task) and event.state != "running":
            self._terminal.announce(f"{event.task}: {event.state}")
        self._told[event.task] = event.state


def _load(path: Path, parameters: Sequence[str]) -> Workflow:
    """Read a workflow, with the parameters that the command line sets."""
    workflow = load_workflow(path)
    changes: dict[str, dict[str, object]] = {}
    for each in parameters:
        name, value = split_assignment(each, "--set", "STEP.PARAMETER=VALUE")
        step, dot, parameter = name.partition(".")
        if not dot:
            raise OptionError(ErrorCode.OPTION, f"--set takes STEP.PARAMETER=VALUE, not '{each}'")
        changes.setdefault(step, {})[parameter] = parse_value(value)
    return workflow.with_parameters(changes)
