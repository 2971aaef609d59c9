"""A checked workflow with files named: every piece of work with the key under which its result is kept."""

from __future__ import annotations

import hashlib
import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_nodes.node import Node, did_you_mean
from datprl_nodes.registry import GROUP
from datprl_nodes.values import plain_json
from datprl_toolkit import __version__
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from datprl_nodes.checking import CheckedStep, Plan, Source
    from datprl_nodes.store import Store


@dataclass(frozen=True, slots=True)
class Given:
    """A file or folder that a person named: what it is opened as, where it is, and the checksum of its content."""

    type: str
    path: Path
    digest: str

    @property
    def label(self) -> str:
        """What it is called for a person."""
        return self.path.stem

    @property
    def identity(self) -> list[str]:
        """What of it decides about a result."""
        return [self.type, self.digest]


@dataclass(frozen=True, slots=True)
class Made:
    """An output of another task."""

    task: str
    key: str
    port: str

    @property
    def label(self) -> str:
        """What it is called for a person: the file that its step ran for, or the step."""
        return self.task.partition("[")[2].removesuffix("]") or self.task

    @property
    def identity(self) -> list[str]:
        """What of it decides about a result."""
        return [self.key, self.port]


@dataclass(frozen=True, slots=True)
class Task:
    """One step, or one step for one file.

    Parameters
    ----------
    name
        Of the step, with the file in brackets where it runs for each of several.
    step
        The step.
    inputs
        Where the values come from, by port.
    labels
        By port that takes any number of values, what each of them is called.
    key
        Under which the result is kept: it follows from the node, its version and parameters, the weights, and the
        inputs.
    """

    name: str
    step: CheckedStep
    inputs: Mapping[str, tuple[Given | Made, ...]]
    labels: Mapping[str, tuple[str, ...]]
    key: str

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the tasks that come before."""
        found = [each.task for values in self.inputs.values() for each in values if isinstance(each, Made)]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Work:
    """All tasks, in an order in which they can run, the files that were named, and what is handed out."""

    tasks: dict[str, Task]
    given: dict[str, dict[str, Given]]
    outputs: dict[str, Made]


def bind(plan: Plan, paths: Mapping[str, Path], store: Store) -> Work:
    """Name the files of a workflow, and find out the key of every piece of work.

    Parameters
    ----------
    plan
        The checked workflow.
    paths
        Files or folders by the name of the input.
    store
        Remembers checksums.

    Raises
    ------
    OptionError
        ``E_OPTION`` for an input that the workflow lacks, or one that was not named.
    InputError
        ``E_MISSING`` for a file that is not there, ``E_EMPTY`` for a folder without a file of the wanted kind.
    """
    given = _open_inputs(plan, paths, store)
    tasks: dict[str, Task] = {}
    for step in plan.steps.values():
        many = {name for name, port in step.node.inputs().items() if port.many}
        for item in [None] if step.each is None else list(given[step.each]):
            inputs = {
                port: tuple(
                    found
                    for source in sources
                    for found in _find(source, None if port in many else item, plan, given, tasks)
                )
                for port, sources in step.inputs.items()
            }
            name = task_name(step.name, item)
            with naming_step(name, step.node_name):
                labels = {port: tuple(each.label for each in inputs[port]) for port in many & inputs.keys()}
                tasks[name] = Task(name, step, inputs, labels, _key(step.node, inputs, labels))
    return Work(tasks, given, _outputs(plan, given, tasks))


def task_name(step: str, item: str | None) -> str:
    """Return the name of a step, for one file where it runs for each of several."""
    return step if item is None else f"{step}[{item}]"


@contextmanager
def naming_step(task: str, node: str) -> Iterator[None]:
    """Add to an error in which step of the workflow it arose."""
    try:
        yield
    except DatprlError as error:
        what = f"step '{task}' ({node}): {error.what}"
        raise type(error)(error.code, what, where=error.where, remedy=error.remedy) from error


def _open_inputs(plan: Plan, paths: Mapping[str, Path], store: Store) -> dict[str, dict[str, Given]]:
    """Return by input the files by name; an input that is one file has the name ""."""
    inputs = plan.workflow.inputs
    for name in paths.keys() - inputs.keys():
        known = did_you_mean(name, inputs) or f"It has {', '.join(inputs) or 'none'}"
        raise OptionError(ErrorCode.OPTION, f"the workflow has no input '{name}'", remedy=known)
    found: dict[str, dict[str, Given]] = {}
    for name, declared in inputs.items():
        path = paths.get(name) or (None if declared.default is None else plan.workflow.folder / declared.default)
        if path is None:
            raise OptionError(
                ErrorCode.OPTION,
                f"the input '{name}' of the workflow is not named ({declared.description or declared.type})",
                remedy=f"Add: --input {name}=PATH",
            )
        if not path.exists():
            what = f"there is no such file or folder for the input '{name}'"
            remedy = "" if name in paths else f"Add: --input {name}=PATH"
            raise InputError(ErrorCode.MISSING, what, where=path.resolve(), remedy=remedy)
        files = {"": path} if declared.each is None else _each_file(name, path, declared.each)
        found[name] = {
            item: Given(declared.type, file.absolute(), store.digest_of(file, _all_files(declared.type, file)))
            for item, file in files.items()
        }
    return found


def _each_file(name: str, folder: Path, pattern: str) -> dict[str, Path]:
    files = [file for file in sorted(folder.glob(pattern)) if not file.name.startswith(".")]
    if not files:
        raise InputError(ErrorCode.EMPTY, f"no file is like '{pattern}' for the input '{name}'", where=folder)
    named = {file.stem: file for file in files}
    if len(named) < len(files):
        raise InputError(
            ErrorCode.AMBIGUOUS, f"two files of the input '{name}' differ in nothing but their ending", where=folder
        )
    return named


def _all_files(kind: str, path: Path) -> list[Path] | None:
    """Return the files that belong to a raster, such as masks and the sources of a virtual one; None for the usual."""
    if kind != "Scene" or not path.is_file():
        return None
    import rasterio
    from rasterio.errors import RasterioError

    from datprl_toolkit.remote_sensing.raster_reading import quiet_opening

    try:
        with quiet_opening(), rasterio.open(path.absolute()) as dataset:
            return [Path(name) for name in dataset.files if Path(name).is_file()] or None
    except RasterioError:
        return None


def _find(
    source: Source, item: str | None, plan: Plan, given: Mapping[str, Mapping[str, Given]], tasks: Mapping[str, Task]
) -> list[Given | Made]:
    """Return what a source means for one file: one value; without a file, those of all."""
    if not source.port:
        files = given[source.name]
        return [files[item]] if item is not None and item in files else list(files.values())
    each = plan.steps[source.name].each
    items = [None] if each is None else list(given[each]) if item is None else [item]
    names = [task_name(source.name, each_item) for each_item in items]
    return [Made(name, tasks[name].key, source.port) for name in names]


def _outputs(plan: Plan, given: Mapping[str, Mapping[str, Given]], tasks: Mapping[str, Task]) -> dict[str, Made]:
    outputs = {}
    for target, source in plan.outputs.items():
        each = plan.steps[source.name].each
        for item in [None] if each is None else list(given[each]):
            name = task_name(source.name, item)
            place = target if item is None else target.replace(f"{{{each}}}", item)
            outputs[place] = Made(name, tasks[name].key, source.port)
    return outputs


def _key(node: Node, inputs: Mapping[str, tuple[Given | Made, ...]], labels: Mapping[str, tuple[str, ...]]) -> str:
    content = {
        "node": _identity(type(node)),
        "toolkit": __version__,
        "parameters": {**node.model_dump(mode="json"), **node.fingerprint()},
        "inputs": {port: [each.identity for each in values] for port, values in inputs.items()},
        "labels": labels,
    }
    return hashlib.sha256(plain_json(content).encode()).hexdigest()


def _identity(node: type[Node]) -> Any:
    """Return the package and version that a node comes from; the text of its class where it is in no package."""
    name = f"{node.__module__}:{node.__qualname__}"
    for entry in entry_points(group=GROUP):
        if entry.value.replace(" ", "") == name and entry.dist is not None:
            return [name, entry.dist.name, entry.dist.version]
    try:
        return [name, inspect.getsource(node)]
    except (OSError, TypeError):
        return [name]
