"""Nodes for Nipype, made from the schema of every installed node: from files to files.

>>> restore = interface("restore_volume")(strength=0.5)      # doctest: +SKIP
>>> restore.inputs.volume = "CT_SERIES"                      # doctest: +SKIP
>>> restore.run().outputs.volume                             # doctest: +SKIP
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_nodes.calling import run_node
from datprl_nodes.node import make_node
from datprl_nodes.registry import find_node, find_nodes
from datprl_toolkit.errors import missing_package

if TYPE_CHECKING:
    from datprl_nodes.node import Node
    from datprl_nodes.ports import Port

ENDINGS = {"Volume": "", "Scene": ".tif", "Picture": ".png", "Report": ".json"}
INPUTS, OUTPUTS = "_inputs", "_outputs"
OUTPUT = "out_{port}"
"""Name of the input with which a person says where an output is written; by default in the working directory."""


@cache
def interface(name: str) -> Any:
    """Return the class of the Nipype interface of a node.

    Inputs are the node's input ports (files or folders, lists for ports that take any number), its parameters, and
    ``out_PORT`` for the name of each output; outputs are its output ports.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` without Nipype.
    DatprlError
        ``E_MISSING`` if there is no such node.
    """
    try:
        from nipype.interfaces import base
    except ImportError as error:
        package = "nipype"
        raise missing_package(package, "cli", "to run nodes in Nipype") from error
    node = find_node(name)
    inputs = {port.name: _port_trait(base, port) for port in node.inputs().values()}
    inputs |= {key: base.traits.Any(desc=field.description or key) for key, field in node.model_fields.items()}
    inputs |= {
        OUTPUT.format(port=port.name): base.traits.Str(
            _default_name(node, port), usedefault=True, desc="where to write"
        )
        for port in node.outputs().values()
    }
    outputs = {port.name: _place(base, desc=port.label) for port in node.outputs().values()}
    content = {
        "__doc__": node.__doc__,
        "input_spec": type(f"{name}{INPUTS}", (base.BaseInterfaceInputSpec,), {**inputs, "__module__": __name__}),
        "output_spec": type(f"{name}{OUTPUTS}", (base.TraitedSpec,), {**outputs, "__module__": __name__}),
        "__module__": __name__,
        "_run_interface": partial_method(_run, name, node),
        "_list_outputs": partial_method(_list, node),
    }
    return type(name, (base.BaseInterface,), content)


def __getattr__(name: str) -> Any:
    """Return an interface by the name of its node, as Nipype looks it up when it sends one to another process."""
    known = find_nodes()
    for ending, part in ((INPUTS, "input_spec"), (OUTPUTS, "output_spec")):
        if name.endswith(ending) and name.removesuffix(ending) in known:
            return getattr(interface(name.removesuffix(ending)), part)
    if name in known:
        return interface(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def partial_method(function: Any, *given: Any) -> Any:
    """Return a method that calls a function with some arguments before the object's own."""

    def method(self: Any, *arguments: Any) -> Any:
        return partial(function, *given)(self, *arguments)

    return method


def _place(base: Any, **metadata: Any) -> Any:
    """Return the trait of a file or folder that is there."""
    return base.traits.Either(base.File(exists=True), base.Directory(exists=True), **metadata)


def _port_trait(base: Any, port: Port) -> Any:
    metadata = {"mandatory": not port.optional, "desc": port.label}
    return base.traits.List(_place(base), **metadata) if port.many else _place(base, **metadata)


def _default_name(node: type[Node], port: Port) -> str:
    return f"{port.name}{ENDINGS.get(port.types[0], node.suffix or '')}"


def _run(name: str, node: type[Node], self: Any, runtime: Any) -> Any:
    from nipype.interfaces.base import isdefined

    chosen = {key: value for key in node.model_fields if isdefined(value := getattr(self.inputs, key))}
    sources = {}
    for port in node.inputs().values():
        value = getattr(self.inputs, port.name)
        if isdefined(value):
            sources[port.name] = [Path(each) for each in (value if port.many else [value])]
    run_node(name, make_node(name, node, chosen), sources, _targets(node, self, Path(runtime.cwd)))
    return runtime


def _list(node: type[Node], self: Any) -> dict[str, str]:
    return {port: str(path) for port, path in _targets(node, self, Path.cwd()).items()}


def _targets(node: type[Node], self: Any, folder: Path) -> dict[str, Path]:
    return {port: folder / getattr(self.inputs, OUTPUT.format(port=port)) for port in node.outputs()}
