"""What a workflow is: named inputs, steps that refer to each other by name, and what is handed out at the end.

.. code-block:: yaml

    name: Restored CT
    inputs:
      study: {type: Path, description: Folder of DICOM}
    steps:
      ct: {node: read_dicom, inputs: {source: study}, parameters: {modality: CT}}
      restored: {node: restore_volume, inputs: {volume: ct}}
    outputs:
      ct: restored

A reference is the name of an input or a step, or ``STEP.PORT`` where a step has several outputs. An input with
``each: "*.tif"`` takes a folder; every step that depends on it runs once for each of the files, and outputs name the
file as in ``"{scenes}.zarr"``. A port that takes any number of values takes those of all files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, ValidationError

from datprl_nodes.node import Node
from datprl_toolkit.errors import ErrorCode, InputError, OptionError

NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
TypeName = Literal["Volume", "Scene", "Picture", "Report", "Path"]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkflowInput(_Strict):
    """A file or folder that is named when the workflow is run.

    Parameters
    ----------
    type
        What it is opened as.
    description
        For the person who runs the workflow.
    default
        A path, relative to the file of the workflow; without one the input must be named.
    each
        Pattern of the files in a folder, such as ``*.tif``, for each of which the workflow runs.
    """

    type: TypeName = "Path"
    description: str = ""
    default: str | None = None
    each: str | None = None


class Step(_Strict):
    """One node with its parameters and where its inputs come from.

    Parameters
    ----------
    node
        The name of a node, or in Python a node itself.
    inputs
        References by port; several where the port takes any number.
    parameters
        Of the node, where it is given by name.
    """

    node: str | InstanceOf[Node]
    inputs: dict[str, Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)


class Workflow(_Strict):
    """A graph of steps.

    Parameters
    ----------
    name, description
        For people.
    inputs
        What is named when it is run.
    steps
        What is done; the order in the file does not matter.
    outputs
        References by the name of the file or folder that is handed out.
    folder
        What relative paths of defaults are counted from.
    """

    name: str = "workflow"
    description: str = ""
    inputs: dict[Name, WorkflowInput] = Field(default_factory=dict)
    steps: dict[Name, Step]
    outputs: dict[str, str]
    folder: Path = Field(default=Path(), exclude=True)

    def with_parameters(self, changes: dict[str, dict[str, Any]]) -> Workflow:
        """Return the workflow with other parameters for some of its steps.

        Raises
        ------
        OptionError
            ``E_OPTION`` for a step that is not there, or one whose node was given whole.
        """
        steps = dict(self.steps)
        for name, parameters in changes.items():
            if name not in steps or not isinstance(steps[name].node, str):
                raise OptionError(
                    ErrorCode.OPTION, f"there is no step '{name}' to set", remedy=f"The steps are {', '.join(steps)}"
                )
            merged = {**steps[name].parameters, **parameters}
            steps[name] = steps[name].model_copy(update={"parameters": merged})
        return self.model_copy(update={"steps": steps})


def load_workflow(path: Path) -> Workflow:
    """Read a workflow from a YAML file.

    Raises
    ------
    InputError
        ``E_MISSING`` if it is not there; ``E_WORKFLOW`` if it is no YAML, a name stands in it twice, or it has not
        the form of a workflow; the message names the place.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # a SafeLoader
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(ErrorCode.MISSING, "there is no such workflow file", where=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(ErrorCode.WORKFLOW, f"the file is no YAML: {_first_words(error)}", where=path) from error
    if not isinstance(content, dict):
        raise InputError(ErrorCode.WORKFLOW, "a workflow has steps and outputs", where=path)
    try:
        return Workflow(**content, folder=path.parent)
    except (ValidationError, TypeError) as error:
        raise InputError(ErrorCode.WORKFLOW, _explain(error), where=path) from error


class _UniqueKeys(yaml.SafeLoader):
    """Refuses what YAML would silently take the last of."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice[0]}' stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _first_words(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)


def _explain(error: ValidationError | TypeError) -> str:
    """Say in one line what is wrong with the form, and at which place."""
    if isinstance(error, TypeError):
        return "a workflow has the keys name, description, inputs, steps and outputs"
    # A name that is not known explains best why another is missing.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        inner: dict[str, type[BaseModel]] = {"steps": Step, "inputs": WorkflowInput}
        owner = Workflow if len(first["loc"]) == 1 else inner[str(first["loc"][0])]
        known = ", ".join(name for name in owner.model_fields if name != "folder")
        return f"'{place}' is not known here; there may be {known}"
    if first["type"] == "string_pattern_mismatch":
        return f"'{place}' is no name: letters, digits, _ and -, beginning with a letter"
    return f"'{place}': {first['msg'][0].lower()}{first['msg'][1:]}"
