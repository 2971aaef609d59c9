"""One node run from files to files: what a command, a form or another engine asks for."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from datprl_nodes.node import Job, Node, call_node, did_you_mean
from datprl_nodes.ports import Port
from datprl_nodes.values import KINDS, type_of
from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError
from datprl_toolkit.files import TEMPORARY_PREFIX, check_absent, check_apart, output_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datprl_toolkit.restoring import ProgressCallback


def run_node(
    name: str,
    node: Node,
    inputs: Mapping[str, Sequence[Path]],
    outputs: Mapping[str, Path],
    *,
    overwrite: bool = False,
    progress: ProgressCallback = lambda progress: None,
    warn: Callable[[str], None] = lambda line: None,
) -> None:
    """Run one node from files to files.

    Parameters
    ----------
    name
        Of the node, for messages.
    node
        With its parameters.
    inputs, outputs
        Files or folders for each port.
    overwrite
        Whether existing outputs may be replaced.

    Raises
    ------
    DatprlError
        ``E_OPTION`` for a port that the node lacks or that was left open, and whatever opening, running and writing
        raise; outputs are written when all of the node's work is done.
    """
    check_ports(name, "input", node.inputs(), inputs)
    check_ports(name, "output", node.outputs(), outputs, needed=not outputs)
    for target in outputs.values():
        check_absent(target, overwrite=overwrite)
        for source in (path for paths in inputs.values() for path in paths):
            check_apart(source, target)
    for port, target in outputs.items():
        check_ending(node, node.outputs()[port].types, target)
    values = {port: open_port(node.inputs()[port], paths) for port, paths in inputs.items()}
    beside = next(iter(outputs.values())).absolute().parent
    with output_errors(beside):
        beside.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=beside) as folder:
            results = call_node(node, values, Job(Path(folder), progress, warn))
            for port, target in outputs.items():
                deliver(results[port], target, overwrite=overwrite, ours=Path(folder))


def deliver(value: Any, target: Path, *, overwrite: bool, ours: Path | None = None) -> None:
    """Write a value where a person wants it, in the form that the name of the target says.

    Raises
    ------
    OptionError
        ``E_OPTION`` if values of this type are not written so.
    """
    kind = type_of(value)
    _check_suffix(kind, target)
    KINDS[kind].deliver(value, target, overwrite=overwrite, ours=ours)


def check_ending(node: Node, types: Sequence[str], target: PurePath) -> None:
    """Raise ``E_OPTION`` if what a node gives is not written under such a name, as far as is known before it runs."""
    if len(types) == 1:
        _check_suffix(types[0], target, node.suffix if types[0] == "Path" else None)


def _check_suffix(kind: str, target: PurePath, suffix: str | None = None) -> None:
    fitting = KINDS[kind].suffixes if suffix is None else (suffix,)
    if fitting and target.suffix.lower() not in fitting:
        raise OptionError(
            ErrorCode.OPTION,
            f"a {kind} is not written as '{target.name}'",
            remedy=f"Let the name end in {', '.join(fitting)}" if any(fitting) else "Leave out the ending",
        )


def open_port(port: Port, paths: Sequence[Path]) -> Any:
    """Open the files for a port as the first of its types that takes them.

    Raises
    ------
    DatprlError
        ``E_OPTION`` for several files where the port takes one; what opening the last type raises where none fits.
    """
    if not port.many and len(paths) != 1:
        raise OptionError(ErrorCode.OPTION, f"the input '{port.name}' takes one file, not {len(paths)}")
    values = []
    for path in paths:
        for place, kind in enumerate(port.types):
            try:
                values.append(KINDS[kind].open(path))
                break
            except DatprlError:
                # The last type's message stands for all of them.
                if place == len(port.types) - 1 or not path.exists():
                    raise
    return tuple(values) if port.many else values[0]


def check_ports(
    name: str, what: str, ports: Mapping[str, Port], given: Mapping[str, object], *, needed: bool = True
) -> None:
    """Raise ``E_OPTION`` for a port that a node lacks and, where all are needed, for one that is left open.

    Parameters
    ----------
    name, what
        Of the node, and "input" or "output", for messages.
    ports, given
        What the node has, and what it was given by port.
    """
    for port in given:
        if port not in ports:
            raise OptionError(
                ErrorCode.OPTION,
                f"the node '{name}' has no {what} '{port}'",
                remedy=did_you_mean(port, ports) or f"It has {', '.join(ports)}",
            )
    for left in ports.values():
        if needed and left.name not in given and not left.optional:
            raise OptionError(
                ErrorCode.OPTION,
                f"the node '{name}' needs the {what} '{left.name}' ({left.label})",
                remedy=f"Add: --{what} {left.name}=PATH",
            )
