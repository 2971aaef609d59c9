"""Nodes for ComfyUI, made from the schema of every installed node.

A folder in ComfyUI's ``custom_nodes`` with this ``__init__.py`` is all it takes::

    from datprl_nodes.adapters.comfyui import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

Sockets have types of their own, such as ``DATPRL_VOLUME``, and never ComfyUI's IMAGE: that one holds 0 to 1 alone and
would destroy Hounsfield units, activity and reflectance. The contract (``INPUT_TYPES``, ``RETURN_TYPES``,
``FUNCTION``, ``CATEGORY``, the mappings) is tested here without the engine, which is not on the package index.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from datprl_nodes.adapters.session import new_folder
from datprl_nodes.calling import deliver
from datprl_nodes.node import Job, call_node, describe, make_node
from datprl_nodes.ports import TYPES
from datprl_nodes.registry import find_nodes
from datprl_nodes.values import KINDS

if TYPE_CHECKING:
    from datprl_nodes.node import Node
    from datprl_nodes.ports import Port

PREFIX = "DATPRL_"
MOST = 8
"""Sockets of a port that takes any number of values."""
LARGEST = 2**31 - 1

Inputs = dict[str, dict[str, tuple[Any, dict[str, Any]]]]


def socket(types: tuple[str, ...]) -> str:
    """Return the type of a socket; several, separated by commas, where any of them fits."""
    return ",".join(f"{PREFIX}{kind.upper()}" for kind in types)


class ComfyNode:
    """What all nodes have in common; a subclass is made for each."""

    NAME: ClassVar[str]
    NODE: ClassVar[type[Node]]
    RETURN_TYPES: ClassVar[tuple[str, ...]]
    RETURN_NAMES: ClassVar[tuple[str, ...]]
    DESCRIPTION: ClassVar[str]
    CATEGORY: ClassVar[str]
    FUNCTION: ClassVar[str] = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return sockets and fields as ComfyUI draws them."""
        described = describe(cls.NAME, cls.NODE)
        inputs: Inputs = {"required": {}, "optional": {}}
        for port in cls.NODE.inputs().values():
            kind = socket(port.types)
            for place, name in enumerate(_sockets(port)):
                needed = not port.optional and place == 0
                inputs["required" if needed else "optional"][name] = (kind, {"tooltip": port.label})
        for name, schema in described["parameters"].get("properties", {}).items():
            needed = name in described["parameters"].get("required", ())
            inputs["required" if needed else "optional"][name] = _field(schema)
        return inputs

    def execute(self, **given: Any) -> tuple[Any, ...]:
        """Run the node on values."""
        ports = self.NODE.inputs()
        values: dict[str, Any] = {}
        for port in ports.values():
            found = tuple(given.pop(name) for name in _sockets(port) if given.get(name) is not None)
            if found:
                values[port.name] = found if port.many else found[0]
        fields = self.NODE.model_fields
        parameters = {name: _parsed(value) for name, value in given.items() if name in fields and value != ""}
        node = make_node(self.NAME, self.NODE, parameters)
        outputs = call_node(node, values, Job(new_folder(), warn=print))
        return tuple(outputs[port] for port in self.NODE.outputs())


class OpenFile:
    """Opens a file or folder as what a socket carries."""

    RETURN_TYPES: ClassVar[tuple[str, ...]] = tuple(socket((kind,)) for kind in TYPES)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = tuple(kind.lower() for kind in TYPES)
    FUNCTION: ClassVar[str] = "execute"
    CATEGORY: ClassVar[str] = "DATPRL/files"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return a field for the path and one for what it is."""
        return {"required": {"path": ("STRING", {"default": ""}), "type": (list(TYPES), {"default": "Path"})}}

    @classmethod
    def IS_CHANGED(cls, path: str, type: str) -> str:
        """Tell ComfyUI whether the file has changed since it was last read."""
        place = Path(path)
        return f"{type} {place.stat().st_mtime_ns if place.exists() else ''}"

    def execute(self, path: str, type: str) -> tuple[Any, ...]:
        """Open the file; the sockets of the other types stay empty."""
        value = KINDS[type].open(Path(path))
        return tuple(value if kind == type else None for kind in TYPES)


class SaveFile:
    """Writes a value in the form that the name of the file says."""

    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION: ClassVar[str] = "execute"
    CATEGORY: ClassVar[str] = "DATPRL/files"
    OUTPUT_NODE: ClassVar[bool] = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return a socket for anything, and a field for the path."""
        return {
            "required": {
                "value": (socket(tuple(TYPES)), {}),
                "path": ("STRING", {"default": ""}),
                "overwrite": ("BOOLEAN", {"default": False}),
            }
        }

    def execute(self, value: Any, path: str, overwrite: bool = False) -> dict[str, Any]:
        """Write the value."""
        deliver(value, Path(path), overwrite=overwrite)
        return {"ui": {"text": [path]}}


def comfy_class(name: str, node: type[Node]) -> type[ComfyNode]:
    """Return the ComfyUI class of a node."""
    outputs = node.outputs()
    content = {
        "NAME": name,
        "NODE": node,
        "RETURN_TYPES": tuple(socket(port.types) for port in outputs.values()),
        "RETURN_NAMES": tuple(outputs),
        "DESCRIPTION": (node.__doc__ or "").strip(),
        "CATEGORY": f"DATPRL/{node.category}",
    }
    return type(f"Datprl{node.__name__}", (ComfyNode,), content)


def _sockets(port: Port) -> list[str]:
    return [f"{port.name}_{place + 1}" for place in range(MOST)] if port.many else [port.name]


def _field(schema: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the field for a parameter: a number within its range, a choice, a switch, or text."""
    unit = f" [{schema['unit']}]" if "unit" in schema else ""
    options = {"tooltip": f"{schema.get('description', schema['title'])}{unit}"}
    default = schema.get("default")
    if "enum" in schema:
        return schema["enum"], {**options, "default": default}
    kind = schema.get("type")
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", -LARGEST))
        high = schema.get("maximum", schema.get("exclusiveMaximum", LARGEST))
        step = {"step": 1} if kind == "integer" else {"step": 0.01}
        start = low if default is None else default
        return ("INT" if kind == "integer" else "FLOAT"), {**options, "default": start, "min": low, "max": high, **step}
    if kind == "boolean":
        return "BOOLEAN", {**options, "default": bool(default)}
    # What may be left out, or is a list, is written as text: empty, or as in YAML.
    return "STRING", {**options, "default": "" if default is None else str(default)}


def _parsed(value: Any) -> Any:
    return yaml.safe_load(value) if isinstance(value, str) else value


NODE_CLASS_MAPPINGS: dict[str, type[Any]] = {
    "datprl_open_file": OpenFile,
    "datprl_save_file": SaveFile,
    **{f"datprl_{name}": comfy_class(name, node) for name, node in find_nodes().items()},
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "datprl_open_file": "Open a file",
    "datprl_save_file": "Save a file",
    **{f"datprl_{name}": node.title or name for name, node in find_nodes().items()},
}
