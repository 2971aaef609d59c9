"""The batch widget: any installed node, run from files to files beside the viewer.

Its forms are made from the nodes' own schemas, so that a new node appears here by itself.
"""

from __future__ import annotations

from napari.viewer import Viewer
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.file_job import FileJobWidget, PathField
from napari_datprl.forms import SchemaForm
from napari_datprl.messages import RunNode

FIRST = "restore"


class BatchWidget(FileJobWidget):
    """Runs one node on files; what it made is opened in the viewer.

    Parameters
    ----------
    napari_viewer
        The viewer.
    engine
        Where nodes run.
    """

    def __init__(self, napari_viewer: Viewer, engine: EngineProcess = ENGINE) -> None:
        super().__init__(napari_viewer, engine)
        from datprl_nodes import find_nodes

        self.nodes = find_nodes()
        self.node = QComboBox()
        for name in sorted(self.nodes, key=lambda name: (name != FIRST, name)):
            self.node.addItem(f"{self.nodes[name].title} ({name})", name)
        self.inputs: dict[str, PathField] = {}
        self.outputs: dict[str, PathField] = {}
        self.form = SchemaForm({})
        self.layer_button = QPushButton("Take the files of the selected layer")
        self.description = QLabel()
        self.description.setWordWrap(True)
        self._parts = QVBoxLayout()
        column = QVBoxLayout(self)
        for widget in (self.node, self.description, self.layer_button):
            column.addWidget(widget)
        column.addLayout(self._parts)
        self.add_controls(column)
        self.node.currentIndexChanged.connect(self.show_node)
        self.layer_button.clicked.connect(self.take_layer)
        self.start_button.clicked.connect(self.start)
        self.show_node()

    def show_node(self) -> None:
        """Show the form of the chosen node."""
        from datprl_nodes import describe

        name = self.node.currentData()
        described = describe(name, self.nodes[name])
        while (item := self._parts.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.description.setText(described["description"].partition("\n")[0])
        ports = QWidget()
        rows = QFormLayout(ports)
        rows.setContentsMargins(0, 0, 0, 0)
        self.inputs = {port: PathField(saves=False) for port in described["inputs"]}
        self.outputs = {port: PathField(saves=True) for port in described["outputs"]}
        for fields, which, mark in ((self.inputs, "inputs", "in"), (self.outputs, "outputs", "out")):
            for port, field in fields.items():
                rows.addRow(f"{port} ({mark})", field)
                field.setToolTip(" or ".join(described[which][port]["types"]))
        self.form = SchemaForm(described["parameters"])
        self._parts.addWidget(ports)
        self._parts.addWidget(self.form)

    def take_layer(self) -> None:
        """Fill in the file or folder behind the selected layer as the first input."""
        path = self.layer_path()
        if path is not None:
            next(iter(self.inputs.values())).line.setText(str(path))

    def request(self) -> RunNode:
        """Return what the form asks for.

        Raises
        ------
        ValueError
            If a field holds what cannot be read.
        """
        inputs = {port: (field.path,) for port, field in self.inputs.items() if field.path is not None}
        outputs = {port: field.path for port, field in self.outputs.items() if field.path is not None}
        return RunNode(self.node.currentData(), self.form.values(), {**inputs}, outputs, self.overwrite.isChecked())

    def start(self) -> None:
        """Run the node."""
        try:
            request = self.request()
        except ValueError as error:
            self.say(f"A field holds what is no JSON: {error}", wrong=True)
            return
        if not request.outputs:
            self.say("Name where the result is to be written.", wrong=True)
            return
        self.run(request, lambda: tuple(request.outputs.values()))
