"""Where nodes come from: whatever packages are installed offer them under one entry-point group."""

from __future__ import annotations

from importlib.metadata import entry_points

from datprl_nodes.node import Node, did_you_mean
from datprl_toolkit.errors import DatprlError, ErrorCode, InputError

GROUP = "datprl.nodes"
"""Entry-point group under which packages offer their nodes."""


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
