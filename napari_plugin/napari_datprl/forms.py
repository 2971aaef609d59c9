"""Forms made from the JSON schema of a node's parameters, so that a new node has its form by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QLineEdit, QSpinBox, QWidget

LARGEST = 2**31 - 1
LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter: its widget, and what reads its value."""

    widget: QWidget
    read: Callable[[], Any]


class SchemaForm(QWidget):
    """A form for the parameters of one node.

    Parameters
    ----------
    schema
        JSON schema of an object, as pydantic writes it.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__()
        self.fields: dict[str, Field] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        definitions = schema.get("$defs", {})
        for name, described in schema.get("properties", {}).items():
            kind = _resolved(described, definitions)
            field = _field(kind, kind.get("default"))
            unit = kind.get("unit")
            field.widget.setToolTip(str(kind.get("description", "")))
            form.addRow(name.replace("_", " ") + (f" ({unit})" if unit else ""), field.widget)
            self.fields[name] = field

    def values(self) -> dict[str, Any]:
        """Return the parameters that are filled in.

        Raises
        ------
        ValueError
            If what is written in a field is no JSON where a list or an object is wanted.
        """
        read = {name: field.read() for name, field in self.fields.items()}
        return {name: value for name, value in read.items() if value is not None}


def _resolved(described: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a property with references followed, and of several possible types the first that is not null."""
    found = dict(described)
    reference = found.pop("$ref", None)
    if reference is not None:
        found = {**definitions.get(str(reference).rpartition("/")[2], {}), **found}
    choices = found.pop("anyOf", None) or found.pop("allOf", None)
    if choices:
        first: dict[str, Any] = next((choice for choice in choices if choice.get("type") != "null"), {})
        found = {**_resolved(first, definitions), **found}
        found["optional"] = any(choice.get("type") == "null" for choice in choices)
    return found


def _field(kind: dict[str, Any], default: Any) -> Field:
    """Return the widget that fits a type, with its default filled in."""
    if "enum" in kind or "const" in kind:
        return _choice(list(kind.get("enum", [kind.get("const")])), default, optional=bool(kind.get("optional")))
    optional = bool(kind.get("optional")) and default is None
    if kind.get("type") == "boolean" and not optional:
        box = QCheckBox()
        box.setChecked(bool(default))
        return Field(box, box.isChecked)
    if kind.get("type") == "integer" and not optional:
        return _integer(kind, default)
    if kind.get("type") == "number" and not optional:
        return _number(kind, default)
    line = QLineEdit("" if default is None else default if isinstance(default, str) else json.dumps(default))
    line.setPlaceholderText(LEFT_OUT if default is None else "")
    text = kind.get("type") == "string"
    return Field(line, lambda: _read_line(line.text().strip(), text=text))


def _choice(choices: list[Any], default: Any, *, optional: bool) -> Field:
    box = QComboBox()
    for choice in [None, *choices] if optional else choices:
        box.addItem(LEFT_OUT if choice is None else str(choice), choice)
    box.setCurrentIndex(max(box.findData(default), 0))
    return Field(box, box.currentData)


def _integer(kind: dict[str, Any], default: Any) -> Field:
    box = QSpinBox()
    low = kind.get("minimum", kind.get("exclusiveMinimum", -LARGEST - 1) + ("exclusiveMinimum" in kind))
    high = kind.get("maximum", kind.get("exclusiveMaximum", LARGEST) - ("exclusiveMaximum" in kind))
    box.setRange(int(max(low, -LARGEST)), int(min(high, LARGEST)))
    box.setValue(int(default or 0))
    return Field(box, box.value)


def _number(kind: dict[str, Any], default: Any) -> Field:
    box = QDoubleSpinBox()
    box.setDecimals(6)
    box.setRange(
        float(kind.get("minimum", kind.get("exclusiveMinimum", -1e12))),
        float(kind.get("maximum", kind.get("exclusiveMaximum", 1e12))),
    )
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.setValue(float(default or 0.0))
    return Field(box, box.value)


def _read_line(written: str, *, text: bool) -> Any:
    """Return what is written: as it is for text, as JSON for everything else, None where nothing is."""
    if not written:
        return None
    return written if text else json.loads(written)
