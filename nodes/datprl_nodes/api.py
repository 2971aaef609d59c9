"""Run a workflow: the one function behind the command line and Python."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datprl_nodes.calling import deliver
from datprl_nodes.checking import check
from datprl_nodes.drawing import draw_svg
from datprl_nodes.provenance import provenance_json
from datprl_nodes.running import Engine, Event, run_tasks
from datprl_nodes.store import DEFAULT_FOLDER, Store
from datprl_nodes.tasks import bind, naming_step
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_apart, staged_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datprl_nodes.checking import Plan
    from datprl_nodes.store import Result
    from datprl_nodes.tasks import Work
    from datprl_nodes.workflow import Workflow

PROVENANCE = "provenance.json"
DRAWING = "workflow.svg"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Parameters
    ----------
    destination
        Folder of the outputs.
    results
        What each task made, by its name; "restored[scene_1]" for a step that runs for each of several files.
    kept
        Names of the tasks whose result was there already.
    outputs
        What was handed out.
    seconds
        How long the run took.
    """

    destination: Path
    results: dict[str, Result]
    kept: frozenset[str]
    outputs: tuple[str, ...]
    seconds: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything that a person should know, with the task that says it; repeated lines once."""
        return tuple(f"{name}: {line}" for name, result in self.results.items() for line in result.warnings)


def run_workflow(
    workflow: Workflow,
    destination: str | Path,
    inputs: Mapping[str, str | Path] | None = None,
    *,
    store: str | Path | None = None,
    engine: Engine = Engine(),  # noqa: B008 (frozen)
    fresh: bool = False,
    overwrite: bool = False,
    observe: Callable[[Event], None] = lambda event: None,
) -> Run:
    """Check a workflow, run what is not done yet, and hand out its outputs with a record and a drawing.

    Parameters
    ----------
    workflow
        From :func:`~datprl_nodes.workflow.load_workflow`, or made in Python.
    destination
        Folder for the outputs; it appears when everything is done.
    inputs
        Files or folders by the name of the input.
    store
        Folder in which finished steps are kept; ``.datprl-store`` beside `destination` by default. On a cluster all
        workers must see it, and the inputs, under the same name.
    engine
        Threads or a cluster.
    fresh
        Whether everything runs anew, whatever is in the store.
    overwrite
        Whether an existing `destination` may be replaced.
    observe
        Told of everything that happens to a step.

    Raises
    ------
    DatprlError
        ``E_WORKFLOW`` for what is wrong with the workflow itself, before anything runs; the error of the first
        step that fails, with its name. What is finished stays in the store.
    """
    begun = time.monotonic()
    plan = check(workflow)
    destination = Path(destination)
    check_absent(destination, overwrite=overwrite)
    chosen = {name: Path(path) for name, path in (inputs or {}).items()}
    _check_places(plan, chosen, destination)
    place = Store(Path(store) if store is not None else destination.absolute().parent / DEFAULT_FOLDER)
    work = bind(plan, chosen, place)
    states: dict[str, str] = {}

    def watch(event: Event) -> None:
        states[event.task] = event.state
        observe(event)

    results = run_tasks(work, place, engine, watch, fresh=fresh)
    kept = frozenset(name for name in results if states.get(name) == "kept")
    with staged_folder(destination, overwrite=overwrite) as folder:
        _hand_out(work, place, folder)
        (folder / PROVENANCE).write_text(provenance_json(plan, work, results, kept), encoding="utf-8")
        (folder / DRAWING).write_text(draw_svg(plan, step_states(work, results, kept)), encoding="utf-8")
    return Run(destination, results, kept, tuple(work.outputs), time.monotonic() - begun)


def step_states(work: Work, results: Mapping[str, Result], kept: frozenset[str]) -> dict[str, str]:
    """Return in a few words what became of each step, for a drawing."""
    states = {}
    for step in {task.step.name: None for task in work.tasks.values()}:
        names = [name for name, task in work.tasks.items() if task.step.name == step and name in results]
        if not names:
            continue
        if kept.issuperset(names):
            states[step] = "kept"
        else:
            seconds = sum(results[name].seconds for name in names if name not in kept)
            states[step] = f"done, {seconds:.1f} s"
    return states


def _hand_out(work: Work, store: Store, folder: Path) -> None:
    for target, made in work.outputs.items():
        with naming_step(made.task, f"output '{target}'"):
            deliver(store.value(made.key, made.port), folder / target, overwrite=False, ours=store.folder)


def _check_places(plan: Plan, inputs: Mapping[str, Path], destination: Path) -> None:
    """Refuse a destination that would replace an input or be read as one the next time."""
    for name, declared in plan.workflow.inputs.items():
        path = inputs.get(name) or (None if declared.default is None else plan.workflow.folder / declared.default)
        if path is None:
            continue
        check_apart(path, destination)
        if path.is_dir() and destination.resolve().is_relative_to(path.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                f"the output lies inside the input '{name}' and would be read as input the next time",
                where=destination,
                remedy="Choose an output outside",
            )
    for target in plan.outputs:
        if target in (PROVENANCE, DRAWING):
            raise OptionError(ErrorCode.OPTION, f"an output cannot be called '{target}'; that is the record of the run")
