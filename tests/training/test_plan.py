"""What a run is said to need before it starts, and how it is watched."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from rich.console import Console

from datprl_toolkit.errors import ResourceError
from datprl_toolkit.training import Trainer, plan
from datprl_toolkit.training.checkpoints import load_checkpoint
from datprl_toolkit.training.progress import show_progress

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.training import PreparedData, TrainingConfig


@pytest.fixture
def trainer(config: TrainingConfig, data: PreparedData, tmp_path: Path) -> Trainer:
    return Trainer(config, data, tmp_path / "run", report=lambda _: None)


def test_kept_memory_grows_with_the_crop_and_leaves_the_weights_out(
    config: TrainingConfig, data: PreparedData, tmp_path: Path, trainer: Trainer
) -> None:
    large = Trainer(replace(config, crop=64), data, tmp_path, report=lambda _: None)
    small, large_bytes = plan.activation_bytes(trainer), plan.activation_bytes(large)
    # Images of 16 times the pixels; the pools and their fusion do not grow.
    assert 4 * small < large_bytes < 16 * small
    # At least the input, and what the first layer gives.
    assert large_bytes > 4 * 64 * 64 * (3 + config.network.width)


def test_a_step_that_does_not_fit_is_estimated_from_one_crop(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "free_bytes", lambda _: 1000)
    told = plan.measure(trainer)
    assert "10 times that of one crop" in told
    assert "does not fit" in told
    assert trainer.step == 0


def test_the_plan_tells_the_crops_of_each_task(trainer: Trainer) -> None:
    assert "dehazing: 1.11 crops per batch from 2 of rice1 (StoredPairs, 50%)" in plan.describe_plan(trainer)


def test_memory_that_runs_out_is_one_line_with_what_to_do(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, float]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(trainer, "train_step", fail)
    with pytest.raises(ResourceError, match=r"E_MEMORY: .*step 0, with 10 crops of 16x16.*lower batch_size") as raised:
        trainer.run()
    assert "\n" not in str(raised.value)


def test_other_faults_are_not_taken_for_a_lack_of_memory(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, float]:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(trainer, "train_step", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        trainer.run()


def test_a_checkpoint_tells_settings_data_and_version(trainer: Trainer) -> None:
    from datprl_toolkit import __version__

    trainer.save()
    state = load_checkpoint(trainer.folder / "checkpoint.pt")
    assert state["version"] == __version__
    assert state["data"] == trainer.data.fingerprint
    assert state["config"] == trainer.config.to_dict()


def test_in_a_terminal_a_bar_follows_the_steps(trainer: Trainer) -> None:
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, width=120)
    report = trainer.report
    with show_progress(trainer, console):
        trainer.run()
    assert "8/8" in page.getvalue()
    assert "left" in page.getvalue()
    assert "steps/s" in page.getvalue()
    assert trainer.report is report
    assert trainer.watchers == []


def test_without_a_terminal_there_is_no_bar(trainer: Trainer) -> None:
    page = io.StringIO()
    with show_progress(trainer, Console(file=page)):
        assert trainer.watchers == []
    assert page.getvalue() == ""
