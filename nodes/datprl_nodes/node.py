"""What a node is: parameters that are checked when it is made, and a run without hidden state."""

from __future__ import annotations

from abc import abstractmethod
from importlib.metadata import entry_points
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

GROUP = "datprl.nodes"
"""Entry-point group under which packages offer their nodes."""


class Node(BaseModel):
    """A frozen set of parameters with a run.

    Subclasses declare parameters as fields with units, ranges and descriptions, and a typed `run`. The JSON schema
    of the parameters is ``model_json_schema()``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: ClassVar[str]
    """What the node does, in a few words."""

    @abstractmethod
    def run(self, **inputs: Any) -> Any:
        """Do the work of the node."""


def find_nodes() -> dict[str, type[Node]]:
    """Return every installed node by its name, whichever package offers it."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}
