"""What a node is: parameters that are checked when it is made, typed ports, and a run without hidden state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from datprl_nodes.ports import Port, input_ports, output_ports
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datprl_toolkit.restoring import ProgressCallback

GROUP = "datprl.nodes"
"""Entry-point group under which packages offer their nodes."""


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
    suffix: ClassVar[str] = ""
    """Ending of the file that a node with an output of the type Path makes; empty for a folder."""
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


def find_nodes() -> dict[str, type[Node]]:
    """Return every installed node by its name, whichever package offers it; see also :func:`broken_nodes`."""
    return _load_nodes()[0]


def broken_nodes() -> dict[str, str]:
    """Return, by name, why a node that a package offers cannot be used."""
    return _load_nodes()[1]


def find_node(name: str) -> type[Node]:
    """Return one node.

    Raises
    ------
    DatprlError
        ``E_MISSING`` if no package offers it, with the nearest name; ``E_NODE`` if it cannot be loaded.
    """
    found, broken = _load_nodes()
    if name in found:
        return found[name]
    if name in broken:
        raise DatprlError(ErrorCode.NODE, f"the node '{name}' cannot be loaded: {broken[name]}")
    hint = did_you_mean(name, found) or "See all with: datprl node list"
    raise InputError(ErrorCode.MISSING, f"there is no node '{name}'", remedy=hint)


def did_you_mean(name: str, known: Mapping[str, object] | set[str]) -> str:
    """Return a remedy that names the nearest of the known names; empty if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"Perhaps '{near[0]}' was meant" if near else ""


def _load_nodes() -> tuple[dict[str, type[Node]], dict[str, str]]:
    """Load what the entry points name; one package that is broken does not take the others with it."""
    found: dict[str, type[Node]] = {}
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            node = entry.load()
        except Exception as error:  # whatever somebody else's package does when it is imported
            broken[entry.name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            continue
        if not (isinstance(node, type) and issubclass(node, Node) and hasattr(node, "run")):
            broken[entry.name] = f"{entry.value} is no node with a run"
        elif entry.name in found and found[entry.name] is not node:
            broken[entry.name] = "two packages offer a node of this name"
        else:
            found[entry.name] = node
    for name in broken:
        found.pop(name, None)
    return found, broken
