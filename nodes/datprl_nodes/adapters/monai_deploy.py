"""Nodes for MONAI Deploy, made from the schema of every installed node: operators of an application.

.. code-block:: python

    class RestoreCt(Application):
        def compose(self):
            read = operator("read_dicom")(self, CountCondition(self, 1), inputs={"source": "STUDY"}, name="read")
            restore = operator("restore_volume")(
                self, parameters={"strength": 0.5}, outputs={"volume": "RESTORED"}, name="restore"
            )
            self.add_flow(read, restore, {("volume", "volume")})

What flows between operators are the values of the ports, in the memory of the application: a volume with its unit and
geometry, never an array alone. The SDK needs CUDA's libraries to be imported; the contract (``setup``, ``compute``) is
tested without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from datprl_nodes.adapters.session import new_folder
from datprl_nodes.calling import check_ports, deliver, open_port
from datprl_nodes.node import Job, call_node, make_node
from datprl_nodes.registry import find_node
from datprl_toolkit.errors import ErrorCode, ResourceError


@cache
def operator(name: str) -> Any:
    """Return the class of the operator of a node.

    Its inputs and outputs are called like the ports of the node. It is made with the application, conditions, and by
    keyword:

    ``parameters``
        Parameters of the node.
    ``inputs``, ``outputs``
        Files or folders by port: an input is opened from there in place of being received, an output is also written.
    ``name``
        Of the operator, as everywhere in MONAI Deploy.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` where the SDK is not installed or cannot be imported.
    DatprlError
        ``E_MISSING`` if there is no such node; ``E_OPTION``, when an operator is made, for a parameter or port that
        the node lacks.
    """
    core, kind = _sdk(), find_node(name)

    class NodeOperator(core.Operator):  # type: ignore[misc, name-defined]
        __doc__ = kind.__doc__

        def __init__(
            self,
            application: Any,
            *conditions: Any,
            parameters: Mapping[str, Any] | None = None,
            inputs: Mapping[str, str | Path] | None = None,
            outputs: Mapping[str, str | Path] | None = None,
            **named: Any,
        ) -> None:
            self.node = make_node(name, kind, parameters or {})
            self.opened = {port: Path(path) for port, path in (inputs or {}).items()}
            self.written = {port: Path(path) for port, path in (outputs or {}).items()}
            check_ports(name, "input", kind.inputs(), self.opened, needed=False)
            check_ports(name, "output", kind.outputs(), self.written, needed=False)
            self.received = {port.name: port for port in kind.inputs().values() if port.name not in self.opened}
            # The SDK calls `setup` from here.
            super().__init__(application, *conditions, **named)

        def setup(self, spec: Any) -> None:
            """Declare the ports."""
            for port in self.received.values():
                entry = spec.input(port.name, **({"size": core.IOSpec.ANY_SIZE} if port.many else {}))
                if port.optional:
                    entry.condition(core.ConditionType.NONE)
            for output in kind.outputs():
                spec.output(output).condition(core.ConditionType.NONE)  # what nobody takes holds nobody up

        def compute(self, op_input: Any, op_output: Any, _context: Any) -> None:
            """Run the node once on what has come."""
            values = {port: op_input.receive(port) for port in self.received}
            values |= {port: open_port(kind.inputs()[port], [path]) for port, path in self.opened.items()}
            given = {port: value for port, value in values.items() if value is not None}
            made = call_node(self.node, given, Job(new_folder(), warn=print))
            for port, value in made.items():
                if port in self.written:
                    deliver(value, self.written[port], overwrite=False)
                op_output.emit(value, port)

    NodeOperator.__name__ = NodeOperator.__qualname__ = kind.__name__
    return NodeOperator


def _sdk() -> Any:
    try:
        from monai.deploy import core
    except (ImportError, OSError) as error:
        line = " ".join(str(error).split())
        raise ResourceError(
            ErrorCode.DEPENDENCY,
            f"the MONAI Deploy SDK cannot be imported ({line})",
            remedy="Install monai-deploy-app-sdk, and CUDA's runtime, which it needs without a GPU too",
        ) from error
    return core
