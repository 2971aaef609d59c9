"""What a person reads when a workflow is run, fails, is gone on with, checked and drawn on the command line."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from datprl_toolkit.cli.commands import application
from datprl_toolkit.errors import DatprlError

CHAIN = """
inputs: {photo: {type: Picture, description: A photo, default: photos/none.png}}
steps:
  brighter: {node: acme_brighten, inputs: {picture: photo}}
  mean: {node: acme_measure, inputs: {picture: brighter}}
outputs: {bright.png: brighter, mean.json: mean}
"""

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN, encoding="utf-8")
    return path


def datprl(*arguments: str | Path) -> tuple[str, DatprlError | None]:
    """Run a command in this process; return all that it printed, and the error that would be its last line."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            application(["workflow", *(str(argument) for argument in arguments)], standalone_mode=False)
        except DatprlError as error:
            return said.getvalue(), error
    return said.getvalue(), None


def test_a_run_that_fails_says_what_is_kept_and_the_same_command_goes_on(workflow: Path, picture: Path) -> None:
    Path("STOP").touch()
    command = ("run", workflow, "out", "--input", f"photo={picture}")
    said, error = datprl(*command)
    assert "brighter: done\nmean: failed\n1 finished step is kept; the same command goes on from there\n" in said
    assert str(error).startswith("E_NODE: step 'mean' (acme_measure): the node failed: RuntimeError")
    assert not Path("out").exists()
    Path("STOP").unlink()
    said, error = datprl(*command)
    assert error is None
    assert "brighter: kept\nmean: done\nSteps done: 1, kept from before: 1," in said


def test_a_default_that_is_not_there_says_how_to_name_another_file(workflow: Path) -> None:
    _, error = datprl("run", workflow, "out")
    assert str(error).startswith("E_MISSING: there is no such file or folder for the input 'photo' (")
    assert str(error).endswith("photos/none.png). Add: --input photo=PATH.")


def test_a_check_tells_all_problems_and_their_number(workflow: Path) -> None:
    text = CHAIN.replace("picture: photo", "pictur: photo").replace("picture: brighter", "picture: brihter")
    workflow.write_text(text, encoding="utf-8")
    said, error = datprl("check", workflow, "--set", "brighter.amont=3")
    assert "'acme_brighten' has no parameter 'amont'; perhaps 'amount' was meant" in said
    assert "port 'picture': there is no input or step 'brihter'; perhaps 'brighter' was meant" in said
    assert str(error).startswith("E_WORKFLOW: the workflow has 2 problems")
    said, error = datprl("check", workflow)
    assert "step 'brighter' (acme_brighten) has no input port 'pictur'; perhaps 'picture' was meant" in said


def test_a_workflow_is_drawn_as_a_picture_or_in_the_terminal_and_its_schema_is_printed(workflow: Path) -> None:
    said, _ = datprl("draw", workflow)
    assert said.startswith("flowchart LR\n")
    datprl("draw", workflow, "chain.svg")
    assert "<svg" in Path("chain.svg").read_text(encoding="utf-8")
    assert json.loads(datprl("schema")[0])["title"] == "Workflow of datprl-toolkit"
