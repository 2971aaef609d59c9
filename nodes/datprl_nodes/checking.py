"""Everything that can be wrong with a workflow, found before anything runs, and the order in which it can run."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePath
from typing import TYPE_CHECKING

from datprl_nodes.calling import check_ending
from datprl_nodes.node import Node, did_you_mean, make_node
from datprl_nodes.registry import find_node
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datprl_nodes.ports import Port
    from datprl_nodes.workflow import Step, Workflow


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from: an output port of a step, or an input of the workflow, whose port is ""."""

    name: str
    port: str


@dataclass(frozen=True, slots=True)
class CheckedStep:
    """A step that can run.

    Parameters
    ----------
    name
        Of the step.
    node_name, node
        By what name the node is known, and the node with its parameters.
    inputs
        Sources by port.
    outputs
        Types that each output port can have here.
    each
        Name of the input for each of whose files the step runs; None if it runs once.
    """

    name: str
    node_name: str
    node: Node
    inputs: dict[str, tuple[Source, ...]]
    outputs: dict[str, tuple[str, ...]]
    each: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A workflow that was checked: its steps in an order in which they can run, and what is handed out."""

    workflow: Workflow
    steps: dict[str, CheckedStep]
    outputs: dict[str, Source]


def check(workflow: Workflow) -> Plan:
    """Check a workflow.

    Raises
    ------
    InputError
        ``E_WORKFLOW`` with the first problem: an unknown node, a parameter that does not fit, a port that is not
        there, left open or given the wrong type, a name that is not there, a cycle, or a result that nobody uses.
    """
    checker = _Checker(workflow)
    if checker.problems:
        more = len(checker.problems) - 1
        remedy = f"{more} more with: datprl workflow check" if more else ""
        raise InputError(ErrorCode.WORKFLOW, checker.problems[0], where=workflow.name, remedy=remedy)
    return Plan(workflow, checker.steps, checker.outputs)


def find_problems(workflow: Workflow) -> list[str]:
    """Return a line for each thing that is wrong with a workflow; none if it can run."""
    return _Checker(workflow).problems


class _Checker:
    """One pass over a workflow; a step is looked at when all that it refers to has been."""

    def __init__(self, workflow: Workflow) -> None:
        self.problems: list[str] = []
        self.steps: dict[str, CheckedStep] = {}
        self.outputs: dict[str, Source] = {}
        self._workflow = workflow
        self._nodes = {name: node for name, step in workflow.steps.items() if (node := self._make_node(name, step))}
        for name in sorted(workflow.inputs.keys() & workflow.steps.keys()):
            self._say(f"'{name}' is the name of an input and of a step; each needs its own")
        for name in self._in_order():
            if name in self._nodes:
                self._check_step(name, workflow.steps[name], self._nodes[name])
        if not self.problems:
            for target, reference in workflow.outputs.items():
                self._check_output(target, reference)
            self._check_used()

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _in_order(self) -> list[str]:
        steps = self._workflow.steps
        needs = {name: {_owner(r) for r in _references(step)} & steps.keys() for name, step in steps.items()}
        try:
            return list(TopologicalSorter(needs).static_order())
        except CycleError as error:
            self._say(f"the steps need each other in a circle: {' -> '.join(reversed(error.args[1]))}")
            return []

    def _make_node(self, name: str, step: Step) -> Node | None:
        try:
            if isinstance(step.node, Node):
                return step.node
            return make_node(step.node, find_node(step.node), step.parameters)
        except DatprlError as error:
            self._say(f"step '{name}': {error.what}{_lowered(error.remedy)}")
            return None

    def _check_step(self, name: str, step: Step, node: Node) -> None:
        node_name = step.node if isinstance(step.node, str) else type(node).__name__
        where, ports = f"step '{name}' ({node_name})", node.inputs()
        wrong = sorted(step.inputs.keys() - ports.keys())
        for port_name in wrong:
            hint = did_you_mean(port_name, ports) or f"It has {', '.join(ports) or 'none'}"
            self._say(f"{where} has no input port '{port_name}'{_lowered(hint)}")
        inputs: dict[str, tuple[Source, ...]] = {}
        bound: dict[str, tuple[str, ...]] = {}
        for port in ports.values():
            references = step.inputs.get(port.name, ())
            if not references and not port.optional and not wrong:
                self._say(
                    f"{where}: the input port '{port.name}' ({port.label}) is left open; {self._fitting(name, port)}"
                )
            if len(references) > 1 and not port.many:
                self._say(f"{where}: the input port '{port.name}' takes one value, not {len(references)}")
            found = [self._connect(name, port, reference, bound) for reference in references]
            if found:
                inputs[port.name] = tuple(source for source in found if source is not None)
        outputs = {port.name: bound.get(port.variable, port.types) for port in node.outputs().values()}
        each = {self._each(s) for p, sources in inputs.items() if not ports[p].many for s in sources} - {None}
        if len(each) > 1:
            self._say(f"{where} would run for each file of two inputs, {' and '.join(sorted(map(str, each)))}")
        self.steps[name] = CheckedStep(name, node_name, node, inputs, outputs, next(iter(each), None))

    def _connect(self, step: str, port: Port, reference: str, bound: dict[str, tuple[str, ...]]) -> Source | None:
        """Resolve a reference and check that its type fits the port; `bound` holds what type variables stand for."""
        where = f"step '{step}', port '{port.name}'"
        source = self._resolve(where, reference)
        if source is None:
            return None
        given, wanted = self._types(source), bound.get(port.variable, port.types)
        if not set(given) <= set(wanted):
            same = ", like the other ports of the node" if port.variable in bound else ""
            self._say(
                f"{where}: '{reference}' gives {' or '.join(given)}, but the port takes {' or '.join(wanted)}{same}; "
                f"{self._fitting(step, port, wanted)}"
            )
        elif port.variable:
            bound[port.variable] = given
        return source

    def _resolve(self, where: str, reference: str) -> Source | None:
        """Find what a reference means, or say why it means nothing."""
        name, _, port = reference.partition(".")
        if name in self._workflow.inputs and not port:
            return Source(name, "")
        if name not in self._workflow.steps:
            known = {*self._workflow.inputs, *self._workflow.steps}
            hint = did_you_mean(name, known) or f"There are {', '.join(sorted(known))}"
            self._say(f"{where}: there is no input or step '{reference if name in known else name}'{_lowered(hint)}")
        elif name in self.steps:
            ports = self.steps[name].outputs
            if port in ports or (not port and len(ports) == 1):
                return Source(name, port or next(iter(ports)))
            self._say(
                f"{where}: step '{name}' has no output '{port}'; write {' or '.join(f'{name}.{p}' for p in ports)}"
            )
        return None

    def _types(self, source: Source) -> tuple[str, ...]:
        if not source.port:
            return (self._workflow.inputs[source.name].type,)
        return self.steps[source.name].outputs[source.port]

    def _each(self, source: Source) -> str | None:
        if source.port:
            return self.steps[source.name].each
        return source.name if self._workflow.inputs[source.name].each is not None else None

    def _fitting(self, step: str, port: Port, wanted: tuple[str, ...] | None = None) -> str:
        """Name what could be connected to a port without making a circle."""
        found: dict[str, tuple[str, ...]] = {name: (i.type,) for name, i in self._workflow.inputs.items()}
        for name, node in self._nodes.items():
            outputs = self.steps[name].outputs if name in self.steps else _declared(node)
            found |= {name if len(outputs) == 1 else f"{name}.{each}": types for each, types in outputs.items()}
        fitting = [
            name
            for name, types in found.items()
            if set(types) <= set(wanted or port.types) and not self._depends(_owner(name), step)
        ]
        return f"what fits: {', '.join(fitting)}" if fitting else "nothing in the workflow fits"

    def _depends(self, name: str, step: str) -> bool:
        """Tell whether a step is, or needs, another; there are no circles any more."""
        needs = _references(self._workflow.steps[name]) if name in self._workflow.steps else ()
        return name == step or any(self._depends(_owner(reference), step) for reference in needs)

    def _check_output(self, target: str, reference: str) -> None:
        where = f"output '{target}'"
        source = self._resolve(where, reference)
        if source is None:
            return
        each = self._each(source)
        if not source.port:
            self._say(f"{where}: '{reference}' is an input; hand out what a step makes")
        elif target.startswith(("/", ".")) or ".." in target.split("/"):
            self._say(f"{where} is not a name inside the folder of the outputs")
        elif each is not None and f"{{{each}}}" not in target:
            self._say(f"{where} would be one name for each of many files; write the place of their name as {{{each}}}")
        elif each is None and "{" in target:
            self._say(f"{where}: '{reference}' runs once, so that no name of a file can stand in braces")
        else:
            self._check_suffix(where, target, source)
        self.outputs[target] = source

    def _check_suffix(self, where: str, target: str, source: Source) -> None:
        try:
            check_ending(self.steps[source.name].node, self._types(source), PurePath(target))
        except DatprlError as error:
            self._say(f"{where}: {error.what}{_lowered(error.remedy)}")

    def _check_used(self) -> None:
        used = {s.name for step in self.steps.values() for sources in step.inputs.values() for s in sources}
        used |= {source.name for source in self.outputs.values()}
        for name in self._workflow.inputs.keys() - used:
            self._say(f"the input '{name}' is used by no step")
        for name in self._workflow.steps.keys() - used:
            self._say(f"the result of step '{name}' is used by no other step and handed out by no output")


def _references(step: Step) -> Iterable[str]:
    return (reference for references in step.inputs.values() for reference in references)


def _declared(node: Node) -> dict[str, tuple[str, ...]]:
    return {port.name: port.types for port in node.outputs().values()}


def _lowered(remedy: str) -> str:
    """Return a remedy as the end of a sentence."""
    return f"; {remedy[0].lower()}{remedy[1:]}" if remedy else ""


def _owner(reference: str) -> str:
    return reference.partition(".")[0]
