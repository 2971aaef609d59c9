"""Twenty lines of somebody else's are enough for a node that appears everywhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
from datprl_nodes.schema import workflow_schema

from datprl_toolkit.cli.commands import application
from datprl_toolkit.images.picture import read_picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGE = '''
from dataclasses import replace
from typing import ClassVar
from pydantic import Field
from datprl_nodes import Node
from datprl_toolkit.images.picture import Picture


class Invert(Node):
    """Turn the grey levels of a picture around."""

    title: ClassVar[str] = "Invert a picture"
    category: ClassVar[str] = "look"
    white: int = Field(default=255, ge=99, le=255, description="Grey level that becomes black.")

    def run(self, *, picture: Picture) -> Picture:
        return replace(picture, pixels=self.white - picture.pixels)
'''
ENTRY_POINTS = "[datprl.nodes]\nother_invert = other_nodes:Invert\n"
WORKFLOW = {
    "inputs": {"photo": {"type": "Picture"}},
    "steps": {"inverted": {"node": "other_invert", "inputs": {"picture": "photo"}, "parameters": {"white": 200}}},
    "outputs": {"inverted.png": "inverted"},
}


@pytest.fixture(autouse=True)
def package(install: Callable[[str, str, str], Path]) -> Path:
    assert len(f"{PACKAGE}{ENTRY_POINTS}".strip().splitlines()) <= 20
    return install("other_nodes", PACKAGE, ENTRY_POINTS)


def datprl(*arguments: str | Path) -> str:
    """Run a command in this process and return what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        assert not application([str(argument) for argument in arguments], standalone_mode=False)
    return said.getvalue()


def test_it_is_listed_described_and_run_by_the_command_line(picture: Path, tmp_path: Path) -> None:
    assert "other_invert" in datprl("node", "list")
    assert json.loads(datprl("node", "schema", "other_invert"))["parameters"]["properties"]["white"]["maximum"] == 255
    datprl("node", "run", "other_invert", "-i", picture, "-o", tmp_path / "out.png", "-s", "white=120")
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png").pixels, 120 - read_picture(picture).pixels)


def test_it_is_a_step_of_a_workflow_and_of_its_schema(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "workflow.yaml").write_text(json.dumps(WORKFLOW), encoding="utf-8")
    assert "everything fits" in datprl("workflow", "check", tmp_path / "workflow.yaml")
    assert "Invert a picture" in datprl("workflow", "draw", tmp_path / "workflow.yaml")
    jsonschema.Draft202012Validator(workflow_schema()).validate(WORKFLOW)
    datprl("workflow", "run", tmp_path / "workflow.yaml", tmp_path / "out", "-i", f"photo={picture}")
    inverted = read_picture(tmp_path / "out" / "inverted.png").pixels
    np.testing.assert_array_equal(inverted, 200 - read_picture(picture).pixels)


def test_it_is_a_node_of_comfyui(monkeypatch: pytest.MonkeyPatch, picture: Path) -> None:
    monkeypatch.delitem(sys.modules, "datprl_nodes.adapters.comfyui", raising=False)
    comfyui = importlib.import_module("datprl_nodes.adapters.comfyui")
    kind = comfyui.NODE_CLASS_MAPPINGS["datprl_other_invert"]
    fields = kind.INPUT_TYPES()
    assert fields["required"]["picture"][0] == "DATPRL_PICTURE"
    assert (fields["optional"]["white"][1]["min"], fields["optional"]["white"][1]["max"]) == (99, 255)
    (inverted,) = getattr(kind(), kind.FUNCTION)(picture=read_picture(picture), white=255)
    np.testing.assert_array_equal(inverted.pixels, 255 - read_picture(picture).pixels)
    assert comfyui.NODE_DISPLAY_NAME_MAPPINGS["datprl_other_invert"] == "Invert a picture"


FORM = """
import sys
from napari.components import ViewerModel
from napari.qt import get_qapp
from napari_datprl.batch_widget import BatchWidget

application = get_qapp()
widget = BatchWidget(ViewerModel())
widget.node.setCurrentIndex(widget.node.findData("other_invert"))
assert "Turn the grey levels" in widget.description.text()
box = widget.form.fields["white"].widget
assert (box.minimum(), box.maximum(), box.value()) == (99, 255, 255)
box.setValue(130)
widget.inputs["picture"].line.setText(sys.argv[1])
widget.outputs["picture"].line.setText(sys.argv[2])
request = widget.request()
print(request.name, request.parameters, sorted(request.inputs), sorted(request.outputs))
"""


def test_it_has_a_form_in_the_napari_plugin(package: Path, picture: Path, tmp_path: Path) -> None:
    # In a process of its own: Qt has one screen for the life of a process, and here it needs none.
    pytest.importorskip("qtpy", reason="napari is not installed")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(package)}
    environment["NAPARI_CONFIG"] = str(tmp_path / "settings.yaml")
    command = [sys.executable, "-c", FORM, str(picture), str(tmp_path / "out.png")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "other_invert {'white': 130} ['picture'] ['picture']"
