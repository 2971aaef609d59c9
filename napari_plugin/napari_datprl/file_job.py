"""What the widgets share that run something from files to files: places, buttons, progress, and opening the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.messages import Advanced, Cancelled, Failed, Finished, Reply, Request
from napari_datprl.restoration import Restoration
from napari_datprl.restore_run import EngineCall
from napari_datprl.sources import KEY, SceneSource, VolumeSource

if TYPE_CHECKING:
    from collections.abc import Callable


class PathField(QWidget):
    """A line for a path, with a button that looks for it.

    Parameters
    ----------
    saves
        Whether it names what is to be written.
    """

    def __init__(self, *, saves: bool) -> None:
        super().__init__()
        self._saves = saves
        self.line = QLineEdit()
        button = QPushButton("...")
        button.setMaximumWidth(32)
        button.clicked.connect(self._look)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        row.addWidget(button)

    @property
    def path(self) -> Path | None:
        """The path, or None where nothing is written."""
        written = self.line.text().strip()
        return Path(written) if written else None

    def _look(self) -> None:
        name = QFileDialog.getSaveFileName(self)[0] if self._saves else _existing(self)
        if name:
            self.line.setText(name)


class FileJobWidget(QWidget):
    """Lets the engine do something with files, and opens what it made.

    Parameters
    ----------
    viewer
        Where results are opened.
    engine
        Where it is done.
    """

    def __init__(self, viewer: Viewer, engine: EngineProcess = ENGINE) -> None:
        super().__init__()
        self.viewer, self.engine = viewer, engine
        self._call: EngineCall | None = None
        self._outputs: Callable[[], tuple[Path, ...]] = tuple
        self.overwrite = QCheckBox("Replace existing outputs")
        self.opens = QCheckBox("Open the result")
        self.opens.setChecked(True)
        self.start_button, self.cancel_button = QPushButton("Run"), QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.cancel_button.clicked.connect(self.engine.cancel)
        self.bar = QProgressBar()
        self.message = QLabel()
        self.message.setWordWrap(True)

    def add_controls(self, column: QVBoxLayout) -> None:
        """Put options, buttons, progress and message at the end of a form."""
        column.addWidget(self.overwrite)
        column.addWidget(self.opens)
        buttons = QHBoxLayout()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.cancel_button)
        column.addLayout(buttons)
        column.addWidget(self.bar)
        column.addWidget(self.message)
        column.addStretch()

    def run(self, request: Request, outputs: Callable[[], tuple[Path, ...]]) -> None:
        """Start; `outputs` tells afterwards which files to open."""
        if self.engine.is_working:
            self.say("The engine is at work; wait or cancel.", wrong=True)
            return
        self._outputs = outputs
        self._call = EngineCall(self.engine, request, self)
        self._call.replied.connect(self._on_reply)
        self._call.ended.connect(self._on_end)
        self._set_working(working=True)
        self._call.start()

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show one message."""
        self.message.setStyleSheet("color: #e06c60;" if wrong else "")
        self.message.setText(text)

    def layer_path(self) -> Path | None:
        """Return the file or folder behind the selected layer, or say that there is none."""
        layer = self.viewer.layers.selection.active
        path = None if layer is None else path_of(layer)
        if path is None:
            self.say("The selected layer was not opened from a series or scene.", wrong=True)
        return path

    def closeEvent(self, event: Any) -> None:
        """Stop what is under way when the window closes."""
        if self._call is not None:
            self.engine.cancel()
        super().closeEvent(event)

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, Advanced):
            self.bar.setMaximum(reply.total)
            self.bar.setValue(reply.done)
            self.bar.setFormat(f"{reply.step} %v of %m {reply.unit}")

    def _on_end(self, reply: Reply) -> None:
        self._call = None
        self._set_working(working=False)
        if isinstance(reply, Failed):
            self.say(str(reply.error), wrong=True)
        elif isinstance(reply, Cancelled):
            self.say("Cancelled; nothing was written.")
        elif isinstance(reply, Finished):
            self.say("\n".join(("Written.", *reply.result)))
            if self.opens.isChecked():
                self._open()

    def _open(self) -> None:
        """Open what is an image among the results; a table or a page is none."""
        from napari_datprl import reader, scene_reader

        for path in self._outputs():
            if scene_reader.get_reader(str(path)) or reader.get_reader(str(path)):
                self.viewer.open(str(path), plugin="datprl-toolkit")

    def _set_working(self, *, working: bool) -> None:
        self.start_button.setEnabled(not working)
        self.cancel_button.setEnabled(working)
        self.bar.setMaximum(0 if working else 1)
        self.bar.setFormat("")
        self.bar.setValue(0)


def path_of(layer: Any) -> Path | None:
    """Return the file or folder that a layer was opened from; of a restored layer that of its original."""
    found = layer.metadata.get(KEY)
    source = found.source if isinstance(found, Restoration) else found
    if isinstance(source, SceneSource):
        return source.scene.path
    if isinstance(source, VolumeSource):
        paths = {image.path for image in source.volume.slices}
        return paths.pop() if len(paths) == 1 else next(iter(paths)).parent
    return None


def _existing(parent: QWidget) -> str:
    """Ask for a file or a folder; Qt has no window for both."""
    dialog = QFileDialog(parent)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    return dialog.selectedFiles()[0] if dialog.exec() else ""
