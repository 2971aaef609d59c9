"""A task that is asked for: its prompt for every image, whatever the network would choose."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pytest
import torch

from datprl_toolkit.cli.scene_choices import Task
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.jobs import restore
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.profiles import choose_profile
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.network import Anchors
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.recipe import RestorerRecipe
from datprl_toolkit.restoring.stack import StackRestorer
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.transforms.windows import choose_volume_profile
from datprl_toolkit.weights import TASK_DOMAINS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

IMAGES: npt.NDArray[np.float32] = np.random.default_rng(0).random((3, 3, 48, 64), dtype=np.float32)
ASKED = "natural_deblurring"
PROMPT = 2


def test_every_image_is_given_the_prompt_of_the_task() -> None:
    asked, free = tiny_restorer(task=ASKED), tiny_restorer()
    restored = asked.restore_batch(IMAGES)
    with torch.inference_mode():
        given = Anchors(torch.full((3,), PROMPT))
        expected, trace = free.network.trace(torch.from_numpy(IMAGES), given)
    assert trace.task is not None
    assert (trace.task.selected[:, 0] == PROMPT).all()
    assert np.allclose(restored, expected.clamp(0, 1).numpy(), atol=1e-6)
    assert np.abs(restored - free.restore_batch(IMAGES)).max() > 1e-4


def test_a_shared_context_holds_the_prompt_of_the_task() -> None:
    context = tiny_restorer(task=ASKED).context(IMAGES)
    assert context.task is not None
    assert context.task.selected[0, 0] == PROMPT
    assert context.task.weights[0, 0] > 0.99


def test_an_own_context_equals_the_shared_one_of_the_image_alone() -> None:
    asked = tiny_restorer(task=ASKED)
    own = asked.restore_batch(IMAGES[:1])
    assert np.allclose(own, asked.restore_batch(IMAGES[:1], asked.context(IMAGES[:1])), atol=1e-5)


def test_the_task_goes_with_the_restorer_to_another_machine() -> None:
    asked = tiny_restorer(task=ASKED)
    made = pickle.loads(pickle.dumps(RestorerRecipe.of(asked))).make("cpu")
    assert made.task == ASKED
    assert np.array_equal(made.restore_batch(IMAGES), asked.restore_batch(IMAGES))
    assert f"task {ASKED}" in made.describe()


def test_a_stack_is_given_the_prompt_of_what_its_values_are() -> None:
    slices = IMAGES[:, 0].astype(np.float64)
    chosen, given = (
        StackRestorer.of_volume(slices.__getitem__, 3, tiny_restorer(), IntensityProfile("own", 0, 1, "1", task=task))
        for task in (None, ASKED)
    )
    for stack, asked in ((chosen, False), (given, True)):
        assert stack.context is not None
        assert stack.context.task is not None
        assert (int(stack.context.task.selected[0, 0]) == PROMPT and stack.context.task.weights[0, 0] > 0.99) == asked
    expected = tiny_restorer(task=ASKED).restore_batch(slices[:, None].astype(np.float32))[:, 0]
    assert np.allclose(given.restore_alone(slices), expected, atol=1e-5)


def test_what_no_prompt_is_known_to_stand_for_is_left_to_the_network() -> None:
    free = tiny_restorer()
    nameless = Restorer(free.network, replace(free.card, training={}), device="cpu")
    assert free.given("dehazing") is free
    assert free.given(None) is free
    assert nameless.given(ASKED) is nameless
    assert free.given(ASKED).task == ASKED
    assert free.task is None, "the restorer itself stays as it is"


@pytest.mark.parametrize(("modality", "task"), [("CT", None), ("MR", "mri_super_resolution"), ("PT", None)])
def test_the_network_is_told_of_mr_alone(tmp_path: Path, modality: Literal["CT", "MR", "PT"], task: str | None) -> None:
    write_synthetic_series(tmp_path / "series", modality, 2)
    (series,) = group_series(scan(tmp_path / "series").instances)
    profile, _ = choose_profile(survey(series.volume), series.earliest)
    assert profile.task == task
    values = np.random.default_rng(0).uniform(0, 100, (2, 16, 16))
    assert choose_volume_profile((0.0, 50.0), values, {"modality": modality}, None).task == task


@pytest.mark.parametrize(
    ("task", "reason"), [("sharpening", "no such task"), ("dehazing", "no prompt of the weights 'test'")]
)
def test_a_task_without_a_prompt_is_refused(task: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason) as raised:
        tiny_restorer(task=task)
    assert raised.value.code is ErrorCode.OPTION


def test_weights_whose_prompts_have_no_names_are_refused() -> None:
    free = tiny_restorer()
    with pytest.raises(OptionError, match="Let the network choose"):
        Restorer(free.network, replace(free.card, training={}), device="cpu", task=ASKED)


def test_the_shipped_weights_have_a_prompt_for_each_task() -> None:
    card = Restorer.from_pretrained("small", device="cpu").card
    assert [card.prompt_of(task) for task in TASK_DOMAINS] == list(range(9))


def test_a_series_cannot_be_asked_for_a_task(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 2)
    with pytest.raises(OptionError, match="--task has no meaning for DICOM"):
        restore(tmp_path / "ct", tmp_path / "out", tiny_restorer(task=ASKED))
    assert not (tmp_path / "out").exists()


def test_the_ways_in_offer_the_same_tasks() -> None:
    napari = pytest.importorskip("napari_datprl.choices", reason="the napari plugin is not installed")
    nodes = pytest.importorskip("datprl_nodes.restoring", reason="the nodes are not installed")
    offered = {task for task, domain in TASK_DOMAINS.items() if domain != "medical"}
    assert {str(task) for task in Task} == offered
    assert set(napari.ASKED_TASKS) == offered
    (literal, none) = get_args(nodes.RestoreScene.model_fields["task"].annotation)
    assert set(get_args(literal)) == offered
    assert none is type(None)
