"""Workflows are checked as a whole before anything runs; each message names the step, the port and what would fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from datprl_nodes.checking import check, find_problems
from datprl_nodes.schema import workflow_schema
from datprl_nodes.workflow import Step, Workflow, WorkflowInput, load_workflow

from datprl_toolkit.errors import DatprlError, ErrorCode

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
name: two restorations
inputs:
  study: {type: Path, description: Folder of DICOM}
  photo: {type: Picture, default: photo.png}
steps:
  ct: {node: read_dicom, inputs: {source: study}, parameters: {modality: CT}}
  noisy: {node: low_dose_ct, inputs: {volume: ct}}
  restored: {node: restore_volume, inputs: {volume: noisy}}
  scores: {node: score, inputs: {image: restored, reference: ct}}
  better: {node: restore_picture, inputs: {picture: photo}}
outputs:
  ct: restored
  scores.json: scores
  better.png: better
"""


def problems(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "workflow.yaml").write_text(text, encoding="utf-8")
    return find_problems(load_workflow(tmp_path / "workflow.yaml"))


def test_a_workflow_in_which_everything_fits_has_an_order(tmp_path: Path) -> None:
    assert problems(tmp_path) == []
    plan = check(load_workflow(tmp_path / "workflow.yaml"))
    order = list(plan.steps)
    assert order.index("ct") < order.index("noisy") < order.index("restored") < order.index("scores")
    assert plan.steps["scores"].outputs == {"report": ("Report",)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "node: low_dose_ct",
            "node: low_dose_tc",
            "step 'noisy': there is no node 'low_dose_tc'; perhaps 'low_dose_ct'",
        ),
        (
            "modality: CT",
            "modalty: CT",
            "step 'ct': the node 'read_dicom' has no parameter 'modalty'; perhaps 'modality'",
        ),
        ("modality: CT", "modality: XX", "step 'ct': parameter 'modality' of the node 'read_dicom' cannot be 'XX'"),
        (
            "{volume: noisy}",
            "{volum: noisy}",
            "step 'restored' (restore_volume) has no input port 'volum'; perhaps 'volume'",
        ),
        (
            "{volume: noisy}",
            "{}",
            "step 'restored' (restore_volume): the input port 'volume' (Volume) is left open; what fits: ct, noisy",
        ),
        (
            "{volume: noisy}",
            "{volume: nosy}",
            "port 'volume': there is no input or step 'nosy'; perhaps 'noisy' was meant",
        ),
        (
            "{volume: noisy}",
            "{volume: photo}",
            "port 'volume': 'photo' gives Picture, but the port takes Volume; what fits: ct, noisy",
        ),
        ("reference: ct", "reference: photo", "'photo' gives Picture, but the port takes Volume, like the other ports"),
        ("{volume: noisy}", "{volume: [ct, noisy]}", "the input port 'volume' takes one value, not 2"),
        ("{volume: noisy}", "{volume: noisy.image}", "step 'noisy' has no output 'image'; write noisy.volume"),
        ("{volume: ct}", "{volume: restored}", "the steps need each other in a circle: "),
        ("scores.json: scores", "scores.xml: scores", "output 'scores.xml': a Report is not written as 'scores.xml'"),
        ("scores.json: scores", "../scores.json: scores", "is not a name inside the folder of the outputs"),
        ("scores.json: scores", "x.png: photo", "'photo' is an input; hand out what a step makes"),
        ("  scores.json: scores\n", "", "the result of step 'scores' is used by no other step"),
        ("  better: {node", "  photo: {node", "'photo' is the name of an input and of a step"),
        ("{picture: photo}", "{picture: study}", "'study' gives Path, but the port takes Picture; what fits: photo"),
        ("photo.png}", "photo.png, each: '*.png'}", "write the place of their name as {photo}"),
    ],
)
def test_what_does_not_fit_is_named_with_its_step_its_port_and_what_would(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    found = problems(tmp_path, (old, new))
    assert any(message in problem for problem in found), found


def test_a_misspelt_port_is_one_problem_and_not_an_open_port_too(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, ("{picture: photo}", "{pictur: photo}"))
    assert "has no input port 'pictur'; perhaps 'picture' was meant" in found


def test_what_restores_anything_may_be_handed_out_under_any_ending(tmp_path: Path) -> None:
    changes = ("node: restore_picture, inputs: {picture: photo}", "node: restore, inputs: {source: study}")
    assert problems(tmp_path, changes, ("  photo: {type: Picture, default: photo.png}\n", "")) == []


def test_a_cycle_names_the_steps_in_it(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, ("{volume: ct}", "{volume: restored}"))
    assert "noisy -> restored -> noisy" in found or "restored -> noisy -> restored" in found


def test_an_input_that_nobody_uses_is_a_problem(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, ("inputs:\n  study", "inputs:\n  spare: {type: Path}\n  study"))
    assert found == "the input 'spare' is used by no step"


def test_the_error_of_a_workflow_is_one_line_that_says_how_many_more_there_are(tmp_path: Path) -> None:
    problems(tmp_path, ("modality: CT", "modality: XX"), ("{picture: photo}", "{picture: study}"))
    with pytest.raises(DatprlError, match=r"^E_WORKFLOW: step 'ct': .* more with: datprl workflow check\.$") as caught:
        check(load_workflow(tmp_path / "workflow.yaml"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [", "the file is no YAML"),
        ("- a\n- b\n", "a workflow has steps and outputs"),
        ("steps: {}\n", "'outputs': field required"),
        ("stepps: {}\n", "'stepps' is not known here; there may be name, description, inputs, steps, outputs"),
        ("steps: {a: {nod: x}}\noutputs: {}\n", "'steps.a.nod' is not known here; there may be node"),
        ("steps: {a: {node: x, params: {}}}\noutputs: {}\n", "'steps.a.params' is not known here; there may be node"),
        ("steps: {'a b': {node: x}}\noutputs: {}\n", "is no name: letters, digits"),
        ("inputs: {x: {type: Film}}\nsteps: {}\noutputs: {}\n", "'inputs.x.type': input should be 'Volume'"),
        ("steps: {a: {node: x}, a: {node: y}}\noutputs: {}\n", "'a' stands there twice (line 1)"),
        ("name: !!python/object/apply:os.getcwd []\nsteps: {}\noutputs: {}\n", "could not determine a constructor"),
        ("1: 2\n", "a workflow has the keys name"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused_in_one_line_that_names_the_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatprlError) as caught:
        load_workflow(path)
    assert caught.value.code is ErrorCode.WORKFLOW
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_workflow_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="E_MISSING"):
        load_workflow(tmp_path / "nowhere.yaml")


def test_the_schema_accepts_what_the_checks_accept_and_refuses_a_misspelt_parameter() -> None:
    schema = workflow_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert not list(validator.iter_errors(yaml.safe_load(GOOD)))
    for old, new in (("modality: CT", "modalty: CT"), ("node: score", "node: scor"), ("{volume: ct}", "{volum: ct}")):
        assert list(validator.iter_errors(yaml.safe_load(GOOD.replace(old, new)))), new


def test_a_workflow_is_made_in_python_with_nodes_themselves(acme: Path) -> None:
    from datprl_nodes.restoring import RestorePicture

    workflow = Workflow(
        inputs={"photo": WorkflowInput(type="Picture")},
        steps={"better": Step(node=RestorePicture(strength=0.5), inputs={"picture": ("photo",)})},
        outputs={"better.png": "better"},
    )
    assert check(workflow).steps["better"].node_name == "RestorePicture"
