"""One node run on values, and one node run from files to files."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from datprl_nodes.node import Job, Node, did_you_mean
from datprl_nodes.ports import Port, takes_job
from datprl_nodes.values import KINDS, type_of
from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError
from datprl_toolkit.files import TEMPORARY_PREFIX, check_absent, check_apart, output_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datprl_toolkit.restoring import ProgressCallback


def make_node(name: str, kind: type[Node], parameters: Mapping[str, Any]) -> Node:
    """Return a node with parameters that fit it.

    Raises
    ------
    OptionError
        ``E_OPTION`` for the first that does not, with its name, its value and what would fit.
    """
    try:
        return kind(**parameters)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1]) or name
        if first["type"] == "extra_forbidden":
            what = f"the node '{name}' has no parameter '{where}'"
            known = ", ".join(kind.model_fields) or "none"
            raise OptionError(
                ErrorCode.OPTION, what, remedy=did_you_mean(where, set(kind.model_fields)) or f"It has {known}"
            ) from None
        given = first["input"] if first["type"] != "missing" else "nothing"
        problem = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        description = kind.model_fields[where].description if where in kind.model_fields else None
        raise OptionError(
            ErrorCode.OPTION,
            f"parameter '{where}' of the node '{name}' cannot be {given!r}: {problem}",
            remedy=description.rstrip(".") if description else "",
        ) from None


def call_node(node: Node, inputs: Mapping[str, Any], job: Job) -> dict[str, Any]:
    """Run a node on values and return its outputs by port.

    Parameters
    ----------
    inputs
        A value for each port; a tuple of them for a port that takes any number.

    Raises
    ------
    DatprlError
        What the node raises; ``E_NODE`` for an error of another kind, and for a result that is not as declared.
    """
    name = takes_job(type(node).run)
    try:
        result = node.run(**inputs, **({name: job} if name else {}))
    except (DatprlError, KeyboardInterrupt):
        raise
    except Exception as error:
        line = " ".join(str(error).split())
        raise DatprlError(ErrorCode.NODE, f"the node failed: {type(error).__name__}: {line}") from error
    ports = node.outputs()
    outputs = dict(zip(ports, result, strict=True)) if isinstance(result, tuple) else {next(iter(ports)): result}
    for port, value in outputs.items():
        if type_of(value) not in ports[port].types:
            raise DatprlError(ErrorCode.NODE, f"the node gave a {type_of(value)} where it declares {ports[port].label}")
    return outputs


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
    _check_ports(name, "input", node.inputs(), inputs)
    _check_ports(name, "output", node.outputs(), outputs, all_needed=False)
    for target in outputs.values():
        check_absent(target, overwrite=overwrite)
        for source in (path for paths in inputs.values() for path in paths):
            check_apart(source, target)
    values = {port: _open(node.inputs()[port], paths) for port, paths in inputs.items()}
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
    check_suffix(kind, target)
    KINDS[kind].deliver(value, target, overwrite=overwrite, ours=ours)


def check_suffix(kind: str, target: PurePath, suffix: str | None = None) -> None:
    """Raise ``E_OPTION`` if values of a port type are not written under such a name.

    Parameters
    ----------
    suffix
        The one ending that fits, where the node says so; empty for a folder.
    """
    fitting = KINDS[kind].suffixes if suffix is None else (suffix,)
    if fitting and target.suffix.lower() not in fitting:
        raise OptionError(
            ErrorCode.OPTION,
            f"a {kind} is not written as '{target.name}'",
            remedy=f"Let the name end in {', '.join(fitting)}" if any(fitting) else "Leave out the ending",
        )


def _open(port: Port, paths: Sequence[Path]) -> Any:
    """Open files as the first type of the port that takes them."""
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


def _check_ports(
    name: str, what: str, ports: Mapping[str, Port], given: Mapping[str, object], *, all_needed: bool = True
) -> None:
    for port in given:
        if port not in ports:
            raise OptionError(
                ErrorCode.OPTION,
                f"the node '{name}' has no {what} '{port}'",
                remedy=did_you_mean(port, ports) or f"It has {', '.join(ports)}",
            )
    missing = [port for port in ports.values() if port.name not in given and not port.optional]
    if missing and (all_needed or not given):
        raise OptionError(
            ErrorCode.OPTION,
            f"the node '{name}' needs the {what} '{missing[0].name}' ({missing[0].label})",
            remedy=f"Add: --{what} {missing[0].name}=PATH",
        )
