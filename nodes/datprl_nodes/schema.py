"""The JSON schema of workflow files, for editors that complete and check them while one writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datprl_nodes.node import describe
from datprl_nodes.registry import find_nodes
from datprl_nodes.workflow import NAME, WorkflowInput

if TYPE_CHECKING:
    from datprl_nodes.node import Node

REFERENCE = {"type": "string", "description": "An input or a step, or STEP.PORT."}


def workflow_schema() -> dict[str, Any]:
    """Return the schema, with every node that is installed now."""
    steps = {"anyOf": [_step(name, node) for name, node in find_nodes().items()]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Workflow of datprl-toolkit",
        "type": "object",
        "additionalProperties": False,
        "required": ["steps", "outputs"],
        "properties": {
            "name": {"type": "string", "description": "What the workflow is called."},
            "description": {"type": "string", "description": "What it is for."},
            "inputs": _named({**WorkflowInput.model_json_schema(), "title": "Input"}),
            "steps": _named(steps),
            "outputs": {
                "type": "object",
                "description": "References by the name of the file or folder that is handed out.",
                "additionalProperties": REFERENCE,
            },
        },
    }


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": values}


def _step(name: str, node: type[Node]) -> dict[str, Any]:
    described = describe(name, node)
    ports = {
        port: {
            "description": " or ".join(each["types"]),
            "anyOf": [REFERENCE, {"type": "array", "items": REFERENCE}],
        }
        for port, each in described["inputs"].items()
    }
    needed = [port for port, each in described["inputs"].items() if not each["optional"]]
    return {
        "title": described["title"],
        "description": described["description"],
        "type": "object",
        "additionalProperties": False,
        "required": ["node", *(["inputs"] if needed else [])],
        "properties": {
            "node": {"const": name},
            "inputs": {"type": "object", "additionalProperties": False, "properties": ports, "required": needed},
            "parameters": _inline(described["parameters"]),
        },
    }


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are used, so that the schema of a node can stand anywhere in a larger one."""
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return resolve(
                    {**definitions[part["$ref"].rpartition("/")[2]], **{k: v for k, v in part.items() if k != "$ref"}}
                )
            return {key: resolve(value) for key, value in part.items()}
        return [resolve(each) for each in part] if isinstance(part, list) else part

    resolved: dict[str, Any] = resolve(schema)
    return resolved
