"""The commands about workflow nodes: what they print and do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from datprl_nodes import broken_nodes, describe, find_node, find_nodes
from datprl_nodes.calling import run_node
from datprl_nodes.node import make_node
from rich.console import Console
from rich.table import Table

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.errors import ErrorCode, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from datprl_nodes.ports import Port


def show_list(*, as_json: bool) -> None:
    """Print a table of the nodes by category, or all that is known about them."""
    found = find_nodes()
    if as_json:
        print_json([describe(name, node) for name, node in found.items()])
        return
    table = Table("name", "takes", "gives", "title", box=None, pad_edge=False)
    for name, node in sorted(found.items(), key=lambda item: (item[1].category, item[0])):
        table.add_row(name, _ports(node.inputs().values()), _ports(node.outputs().values()), node.title)
    Console(highlight=False, soft_wrap=True).print(table)
    for name, reason in broken_nodes().items():
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"W_NODE: the node '{name}' cannot be loaded: {reason}", markup=False
        )


def show_schema(name: str) -> None:
    """Print what is known about one node."""
    print_json(describe(name, find_node(name)))


def run(
    name: str, inputs: Sequence[str], outputs: Sequence[str], parameters: Sequence[str], *, overwrite: bool
) -> None:
    """Run one node from files to files."""
    kind = find_node(name)
    chosen = dict(split_assignment(each, "--set", "PARAMETER=VALUE") for each in parameters)
    node = make_node(name, kind, {key: parse_value(value) for key, value in chosen.items()})
    sources: dict[str, list[Path]] = {}
    for each in inputs:
        port, path = split_assignment(each, "--input", "PORT=PATH", only=kind.inputs())
        sources.setdefault(port, []).append(Path(path))
    targets = {}
    for each in outputs:
        port, path = split_assignment(each, "--output", "PORT=PATH", only=kind.outputs())
        targets[port] = Path(path)
    with Terminal() as terminal:
        run_node(
            name,
            node,
            sources,
            targets,
            overwrite=overwrite,
            progress=terminal.progress,
            warn=terminal.announce,
        )
        for port, target in targets.items():
            terminal.announce(f"{port}: {target}")


def split_assignment(text: str, option: str, form: str, only: Mapping[str, object] | None = None) -> tuple[str, str]:
    """Take ``NAME=VALUE`` apart; where there is only one name, the value alone stands for it.

    Raises
    ------
    OptionError
        ``E_OPTION`` if it is anything else.
    """
    name, sign, value = text.partition("=")
    if sign and name and value:
        return name, value
    if not sign and text and only is not None and len(only) == 1:
        return next(iter(only)), text
    raise OptionError(ErrorCode.OPTION, f"{option} takes {form}, not '{text}'")


def parse_value(text: str) -> Any:
    """Read a value as YAML does: numbers, true and false, null, lists in brackets, anything else as text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def print_json(content: Any) -> None:
    """Print JSON as it is, for other programs."""
    Console(highlight=False, soft_wrap=True, markup=False).print(json.dumps(content, indent=2, ensure_ascii=False))


def _ports(ports: Iterable[Port]) -> str:
    return ", ".join(f"{port.name}{'?' if port.optional else ''}: {port.label}" for port in ports)
