"""What a node is: parameters that are checked when it is made, typed ports, and a run without hidden state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from datprl_nodes.ports import Port, input_ports, output_ports, takes_job
from datprl_nodes.values import type_of
from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError, explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datprl_toolkit.restoring import ProgressCallback


@dataclass(frozen=True, slots=True)
class Job:
    """What a running node is told about the run that it is part of.

    Parameters
    ----------
    folder
        An empty folder for whatever files the node makes; it is kept with the result.
    progress
        Told after each piece of work; an exception that it raises cancels the run.
    warn
        Told one line, beginning with a stable code, for each thing that a person should know.
    labels
        By port that takes any number of values, what each of them is called: its file, or the step that made it.
    """

    folder: Path
    progress: ProgressCallback = lambda progress: None
    warn: Callable[[str], None] = lambda line: None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Node(BaseModel):
    """A frozen set of parameters with a run.

    Subclasses declare parameters as fields with a range, a description and, where there is one, a unit
    (``json_schema_extra={"unit": "mm"}``), and a ``run`` whose keyword arguments are the inputs. The types of the
    ports are read from its annotations: see :mod:`datprl_nodes.ports`. A keyword argument of the type :class:`Job`
    is no port; it is given by whoever runs the node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str] = ""
    """What the node does, in a few words."""
    category: ClassVar[str] = "other"
    """Under which heading a list or a menu shows it."""
    suffix: ClassVar[str | None] = ""
    """Ending of the file that a node with an output of the type Path makes; empty for a folder, None if it depends."""
    run: ClassVar[Callable[..., Any]]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Refuse, when the class is made, ports that nobody could connect."""
        if hasattr(cls, "run"):
            input_ports(cls.run)
            output_ports(cls.run)

    @classmethod
    def inputs(cls) -> dict[str, Port]:
        """Return the input ports by name."""
        return input_ports(cls.run)

    @classmethod
    def outputs(cls) -> dict[str, Port]:
        """Return the output ports by name; a single one is called like its type, such as ``volume``."""
        return output_ports(cls.run)

    def fingerprint(self) -> Mapping[str, str]:
        """Return what beside the code decides about the result, such as checksums of weights, by parameter.

        An entry stands in the place of the parameter of its name when it is told whether a result is still valid.
        """
        return {}

    def device_used(self) -> str | None:
        """Return the name of the device that the node needs for itself, such as "cuda:0"; None for none."""
        return None


def describe(name: str, node: type[Node]) -> dict[str, Any]:
    """Return everything about a node that a form, an adapter or a person needs, as plain values.

    The parameters are the JSON schema of the model.
    """
    return {
        "name": name,
        "title": node.title,
        "category": node.category,
        "description": (node.__doc__ or "").strip(),
        "inputs": {port.name: port.describe() for port in node.inputs().values()},
        "outputs": {port.name: port.describe() for port in node.outputs().values()},
        "parameters": {**node.model_json_schema(), "title": node.title, "description": ""},
    }


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
        said = explained(error)
        if said.code != ErrorCode.INTERNAL:
            raise said from error
        raise DatprlError(ErrorCode.NODE, f"the node failed: {said.what}") from error
    ports = node.outputs()
    outputs = dict(zip(ports, result, strict=True)) if isinstance(result, tuple) else {next(iter(ports)): result}
    for port, value in outputs.items():
        if type_of(value) not in ports[port].types:
            raise DatprlError(ErrorCode.NODE, f"the node gave a {type_of(value)} where it declares {ports[port].label}")
    return outputs


def did_you_mean(name: str, known: Mapping[str, object] | set[str]) -> str:
    """Return a remedy that names the nearest of the known names; empty if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"Perhaps '{near[0]}' was meant" if near else ""
