"""The workflow widget: a saved workflow, run on the files of the open layers."""

from __future__ import annotations

from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.file_job import FileJobWidget, PathField
from napari_datprl.messages import RunWorkflow


class WorkflowWidget(FileJobWidget):
    """Runs a workflow file; its images are opened in the viewer.

    Parameters
    ----------
    napari_viewer
        The viewer.
    engine
        Where the workflow runs.
    """

    def __init__(self, napari_viewer: Viewer, engine: EngineProcess = ENGINE) -> None:
        super().__init__(napari_viewer, engine)
        self.file, self.folder = PathField(saves=False), PathField(saves=True)
        self.inputs: dict[str, PathField] = {}
        self.description = QLabel()
        self.description.setWordWrap(True)
        self._parts = QVBoxLayout()
        form = QFormLayout()
        form.addRow("Workflow", self.file)
        last = QFormLayout()
        last.addRow("Results into", self.folder)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.description)
        column.addLayout(self._parts)
        column.addLayout(last)
        self.add_controls(column)
        self.file.line.textChanged.connect(self.show_inputs)
        self.start_button.clicked.connect(self.start)

    def show_inputs(self) -> None:
        """Show a field for each input of the workflow."""
        from datprl_nodes.workflow import load_workflow

        from datprl_toolkit.errors import DatprlError

        while (item := self._parts.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.inputs = {}
        self.description.setText("")
        path = self.file.path
        if path is None or not path.is_file():
            return
        try:
            workflow = load_workflow(path)
        except DatprlError as error:
            self.say(str(error), wrong=True)
            return
        self.say("")
        self.description.setText(workflow.description or workflow.name)
        rows = QWidget()
        form = QFormLayout(rows)
        form.setContentsMargins(0, 0, 0, 0)
        for name, declared in workflow.inputs.items():
            field = self.inputs[name] = PathField(saves=False)
            field.setToolTip(declared.description or declared.type)
            button = QPushButton("Take the selected layer")
            button.clicked.connect(lambda _=False, name=name: self.take_layer(name))
            form.addRow(name, field)
            form.addRow("", button)
        self._parts.addWidget(rows)

    def take_layer(self, name: str) -> None:
        """Fill in the file or folder behind the selected layer."""
        path = self.layer_path()
        if path is not None:
            self.inputs[name].line.setText(str(path))

    def start(self) -> None:
        """Run the workflow."""
        workflow, folder = self.file.path, self.folder.path
        if workflow is None or folder is None:
            self.say("Name the workflow and the folder for its results.", wrong=True)
            return
        named = {name: field.path for name, field in self.inputs.items() if field.path is not None}
        request = RunWorkflow(workflow, named, folder, self.overwrite.isChecked())
        self.run(request, lambda: _results(folder))


def _results(folder: Path) -> tuple[Path, ...]:
    """Return what a workflow handed out, in the order of the names."""
    return tuple(sorted(path for path in folder.iterdir() if not path.name.startswith(".")))
