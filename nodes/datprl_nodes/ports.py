"""Ports: the types that flow between nodes, read from the annotations of a node's ``run``.

A port carries one of five domain types: ``Volume`` (a CT, MR or PET series), ``Scene`` (a georeferenced raster),
``Picture``, ``Report`` (a table of figures) or ``Path`` (a file or folder of any other kind). An input annotated
``A | B`` takes either; ``A | None`` may be left open; ``tuple[A, ...]`` takes any number. A type variable, such as
:data:`Image`, takes any of its types, but the same at every port of the node that names it. The result of ``run`` is
one type, or a ``NamedTuple`` of several.

Annotations are read by name, not evaluated, so that a list of nodes does not load pydicom, GDAL or torch.
"""

from __future__ import annotations

import ast
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene

TYPES = {
    "Volume": "CT, MR or PET series with geometry and unit (a folder of DICOM)",
    "Scene": "georeferenced raster (GeoTIFF or Zarr)",
    "Picture": "picture (PNG, JPEG)",
    "Report": "table of figures (JSON)",
    "Path": "file or folder",
}
"""What a port can carry, for a person."""

Image = TypeVar("Image", "Volume", "Scene", "Picture")
"""Whatever has pixels, the same at every port of a node that is annotated with it."""
FlatImage = TypeVar("FlatImage", "Scene", "Picture")
"""A scene or a picture, the same at every port of a node that is annotated with it."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a node.

    Parameters
    ----------
    name
        As steps refer to it.
    types
        Names from :data:`TYPES`; several if any of them fits.
    many
        Whether it takes any number of values.
    optional
        Whether it may be left open.
    variable
        Name of the type variable that ties it to other ports of its node; empty if none does.
    """

    name: str
    types: tuple[str, ...]
    many: bool = False
    optional: bool = False
    variable: str = ""

    @property
    def label(self) -> str:
        """The types for a person, such as "Volume or Scene"."""
        label = " or ".join(self.types)
        return f"any number of {label}" if self.many else label

    def describe(self) -> dict[str, Any]:
        """Return the port as plain values."""
        return {
            "types": list(self.types),
            "many": self.many,
            "optional": self.optional,
            **({"same_type_as": self.variable} if self.variable else {}),
        }


def input_ports(run: Callable[..., Any]) -> dict[str, Port]:
    """Return the inputs of a ``run``: its keyword-only arguments but the job.

    Raises
    ------
    TypeError
        If an argument is not keyword-only, or is annotated with something else than port types.
    """
    ports = {}
    for parameter in list(inspect.signature(run).parameters.values())[1:]:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{run.__qualname__}: the input '{parameter.name}' must be keyword-only")
        if _text(parameter.annotation) != "Job":
            port = _port(parameter.name, parameter.annotation, run)
            optional = port.optional or parameter.default is not inspect.Parameter.empty
            ports[port.name] = Port(port.name, port.types, port.many, optional, port.variable)
    return ports


def output_ports(run: Callable[..., Any]) -> dict[str, Port]:
    """Return the outputs of a ``run``: one, named like its type, or the fields of a ``NamedTuple``.

    Raises
    ------
    TypeError
        If the result is annotated with something else.
    """
    annotation = inspect.signature(run).return_annotation
    several = _global(_text(annotation), run)
    if isinstance(several, type) and issubclass(several, tuple) and hasattr(several, "_fields"):
        return {name: _port(name, several.__annotations__[name], run) for name in several._fields}
    port = _port(_text(annotation).lower(), annotation, run)
    name = "image" if port.variable else port.types[0].lower()
    return {name: Port(name, port.types, variable=port.variable)}


def takes_job(run: Callable[..., Any]) -> str | None:
    """Return the name of the argument through which a ``run`` is given its :class:`Job`; None if it needs none."""
    parameters = inspect.signature(run).parameters.values()
    return next((each.name for each in parameters if _text(each.annotation) == "Job"), None)


def _port(name: str, annotation: Any, run: Callable[..., Any]) -> Port:
    try:
        return _parse(name, ast.parse(_text(annotation, whole=True), mode="eval").body, run)
    except (SyntaxError, ValueError):
        known = ", ".join(TYPES)
        msg = f"{run.__qualname__}: the port '{name}' has the type {_text(annotation)}; ports carry {known}"
        raise TypeError(msg) from None


def _parse(name: str, node: ast.expr, run: Callable[..., Any]) -> Port:
    match node:
        case ast.BinOp(left, ast.BitOr(), ast.Constant(None)):
            inner = _parse(name, left, run)
            return Port(name, inner.types, inner.many, optional=True, variable=inner.variable)
        case ast.BinOp(left, ast.BitOr(), right):
            return Port(name, _parse(name, left, run).types + _parse(name, right, run).types)
        case ast.Subscript(ast.Name("tuple"), ast.Tuple([item, ast.Constant(value=v)])) if v is Ellipsis:
            inner = _parse(name, item, run)
            return Port(name, inner.types, many=True, variable=inner.variable)
        case ast.Name(word) | ast.Attribute(attr=word) if word in TYPES:
            return Port(name, (word,))
        case ast.Name(word) if isinstance(variable := _global(word, run), TypeVar):
            types = tuple(_text(each) for each in variable.__constraints__)
            if types and set(types) <= set(TYPES):
                return Port(name, types, variable=word)
    raise ValueError


def _global(name: str, run: Callable[..., Any]) -> Any:
    """Return what a name means in the module of a ``run``."""
    return vars(sys.modules[run.__module__]).get(name)


def _text(annotation: Any, *, whole: bool = False) -> str:
    """Return an annotation as it was written; without `whole`, without the module before a name."""
    if isinstance(annotation, str):
        text = annotation
    else:
        text = getattr(annotation, "__forward_arg__", "") or inspect.formatannotation(annotation).lstrip("~")
    return text if whole else text.rpartition(".")[2]
