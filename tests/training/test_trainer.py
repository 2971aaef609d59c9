"""The training loop: exact resume, guards, log, schedule."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from datprl_toolkit.errors import DatprlError, InputError, ResourceError
from datprl_toolkit.network import Anchors, DatprlNetwork, PromptPoolConfig
from datprl_toolkit.training import Trainer
from datprl_toolkit.training.given import GivenPrompts, is_changed, without_clean
from datprl_toolkit.training.tasks import TASKS
from datprl_toolkit.training.validation import format_table, restore

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.network.configuration import FeatureFusion
    from datprl_toolkit.training import PreparedData, TrainingConfig


def quiet(_: str) -> None:
    """Report nothing."""


def anchored(config: TrainingConfig) -> TrainingConfig:
    """Return settings with which a prompt stands for each task and for each domain."""
    pool = replace(config.network.task_pool or PromptPoolConfig(), size=9)
    network = replace(config.network, task_pool=pool, domain_pool=pool)
    return replace(config, network=network, losses=replace(config.losses, anchor=0.2))


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_a_resumed_run_has_the_losses_and_weights_of_one_that_was_not_stopped_to_the_bit(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    whole = Trainer(config, data, tmp_path / "whole", report=quiet)
    expected = [whole.train_step() for _ in range(8)]
    first = Trainer(config, data, tmp_path / "parts", report=quiet)
    losses = [first.train_step() for _ in range(3)]
    first.save()
    second = Trainer(config, data, tmp_path / "parts", report=quiet)
    torch.rand(5)  # the state of the generator must come from the checkpoint
    second.resume()
    losses += [second.train_step() for _ in range(5)]
    assert losses == expected
    assert torch.equal(weights(second.network), weights(whole.network))
    assert torch.equal(weights(second.average), weights(whole.average))


def test_frozen_parts_stay_as_they_are_and_the_others_learn(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    frozen = ("backbone.encoder", "task_query")
    trainer = Trainer(replace(config, frozen=frozen), data, tmp_path, report=quiet)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    for _ in range(2):
        trainer.train_step()
    changed = {name for name, tensor in trainer.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith(frozen) for name in changed)
    assert any(name.startswith("backbone.decoder") for name in changed)
    with pytest.raises(DatprlError, match=r"frozen: backbone\.encodre"):
        Trainer(replace(config, frozen=("backbone.encodre",)), data, tmp_path, report=quiet)


@pytest.mark.parametrize("fusion", ["cross_attention", "concat", "adaptive_modulation"])
def test_a_prompt_gain_sets_images_with_different_prompts_further_apart(
    fusion: FeatureFusion, config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    image = torch.rand(1, 3, 32, 32).expand(2, -1, -1, -1)
    prompts = Anchors(torch.tensor([0, 3]), torch.tensor([0, 2]))
    network = replace(config.network, feature_fusion=fusion)

    def apart(gain: float) -> float:
        trainer = Trainer(replace(config, network=network, prompt_gain=gain), data, tmp_path, report=quiet)
        first, second = trainer.network.eval().trace(image, prompts)[0]
        return float((first - second).detach().norm())

    assert apart(6.0) > 2.0 * apart(1.0)


def test_training_lowers_the_loss_on_every_kind_of_pair(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(replace(config, steps=60, learning_rate=3e-3), data, tmp_path, report=quiet)
    losses = [trainer.train_step()["pixel"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])


def test_a_run_ends_with_a_checkpoint_a_log_and_its_settings(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    assert Trainer(config, data, tmp_path, report=quiet).run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 8]
    assert set(lines[0]["error"]) == set(config.tasks)
    assert set(lines[-1]["validation"]) == set(config.tasks)
    assert lines[-1]["validation"]["dehazing"]["images"] == 3
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 8
    resumed = Trainer(config, data, tmp_path, report=quiet)
    resumed.resume()
    assert resumed.step == 8


def test_a_run_without_time_stops_before_its_end_and_keeps_a_checkpoint(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(config, data, tmp_path, report=quiet)
    assert not trainer.run(minutes=0.0)
    assert (tmp_path / "checkpoint.pt").exists()


def test_a_termination_signal_ends_the_run_after_the_present_step(
    config: TrainingConfig, data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(config, data, tmp_path, report=quiet)
    step = trainer.train_step

    def step_and_signal() -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return step()

    monkeypatch.setattr(trainer, "train_step", step_and_signal)
    before = signal.getsignal(signal.SIGTERM)
    assert not trainer.run()
    assert trainer.step == 1
    assert (tmp_path / "checkpoint.pt").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_step_without_a_finite_gradient_changes_nothing_and_many_end_the_run(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(config, data, tmp_path, report=quiet)
    with torch.no_grad():
        next(trainer.network.backbone.parameters()).fill_(math.nan)
    before = weights(trainer.network).clone()
    trainer.train_step()
    assert torch.equal(weights(trainer.network).nan_to_num(7.0), before.nan_to_num(7.0))
    assert torch.isfinite(weights(trainer.average)).all()
    trainer.config = replace(config, steps=100)
    with pytest.raises(ResourceError, match="not finite"):
        trainer.run()


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(replace(config, steps=100, warm_up=10, final_learning_rate=1e-6), data, tmp_path)
    rates = []
    for trainer.step in (0, 4, 10, 50, 100):
        rates.append(trainer.learning_rate())
    assert rates[0] == pytest.approx(1e-4, rel=0.01)
    assert rates[1] == pytest.approx(5e-4, rel=0.01)
    assert rates[3] == pytest.approx((1e-3 + 1e-6) / 2)
    assert rates[4] == pytest.approx(1e-6)


def test_text_features_train_the_domain_representation(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    keys = [f"{s.name}/{i:04d}" for s in data.sources.values() for i in range(len(s))]
    text = {key: generator.standard_normal(16).astype(np.float32) for key in keys}
    terms = Trainer(config, data, tmp_path, text=text, report=quiet).train_step()
    assert 0 < terms["alignment"] < 2
    with pytest.raises(InputError, match="text feature"):
        Trainer(config, data, tmp_path, text={"x": text[keys[0]]}, report=quiet).train_step()


def test_given_prompts_become_fewer_until_the_network_chooses_alone(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(replace(anchored(config), steps=100, anchored=0.5), data, tmp_path, report=quiet)
    assert trainer.train_step()["anchor"] > 0
    shares = []
    for trainer.step in (0, 25, 50, 75):
        given = trainer.given.warm_start(trainer.given.anchors(("ct_denoising",) * 10), trainer.step)
        assert given is not None
        assert given.task is not None
        shares.append(float((given.task >= 0).float().mean()))
    assert shares[0] == 1.0
    assert 0.0 < shares[1] < 1.0
    assert shares[2:] == [0.0, 0.0]


def test_prompts_are_given_to_batches_of_any_size(config: TrainingConfig, data: PreparedData, tmp_path: Path) -> None:
    settings = replace(anchored(config), anchored=1.0, crop=16, crop_sizes=(8, 32), task_told={"dehazing": 1.0})
    trainer = Trainer(settings, data, tmp_path, report=quiet)
    assert {trainer.config.batch_at(step)[0] for step in range(4)} == {2, 40}
    for _ in range(4):
        assert math.isfinite(trainer.train_step()["anchor"])


def test_clean_images_have_the_prompt_of_no_task_and_keep_that_of_their_domain() -> None:
    clean = torch.rand(3, 3, 4, 4)
    degraded = clean.clone()
    degraded[1, 0, 2, 2] += 0.1
    changed = is_changed(degraded, clean)
    anchors = without_clean(Anchors(torch.tensor([4, 5, 6]), torch.tensor([1, 1, 2])), changed)
    assert anchors is not None
    assert anchors.task is not None
    assert anchors.domain is not None
    assert anchors.task.tolist() == [-1, 5, -1]
    assert anchors.domain.tolist() == [1, 1, 2]
    assert without_clean(None, changed) is None


def test_a_share_of_the_images_with_something_wrong_is_told_the_task_and_clean_ones_are_not(
    config: TrainingConfig,
) -> None:
    tasks = ("dehazing", "cloud_removal", "ct_denoising") * 20
    changed = torch.arange(60) % 2 == 0
    settings = replace(anchored(config), task_told={"dehazing": 1.0, "cloud_removal": 0.5})
    told = GivenPrompts(settings, torch.device("cpu")).told(tasks, 3, changed)
    assert told is not None
    assert told.task is not None
    assert told.domain is None  # chosen, as with --task
    hazy, cloudy, other = (told.task[first::3] for first in range(3))
    assert hazy.tolist() == [TASKS.index("dehazing") if each else -1 for each in changed[0::3]]
    assert set(cloudy[changed[1::3]].tolist()) == {TASKS.index("cloud_removal"), -1}
    assert set(cloudy[~changed[1::3]].tolist()) == {-1}
    assert set(other.tolist()) == {-1}


def test_who_is_told_keeps_what_was_given_and_nobody_is_told_by_default(config: TrainingConfig) -> None:
    given = Anchors(torch.tensor([5, -1, 4]), torch.tensor([1, 1, 2]))
    tasks, changed = ("dehazing", "dehazing", "ct_denoising"), torch.tensor([False, True, True])
    prompts = GivenPrompts(replace(anchored(config), task_told={"dehazing": 1.0}), torch.device("cpu"))
    told = prompts.told(tasks, 0, changed, given)
    assert told is not None
    assert told.task is not None
    assert told.task.tolist() == [5, TASKS.index("dehazing"), 4]
    assert told.domain is given.domain
    assert GivenPrompts(config, torch.device("cpu")).told(tasks, 0, changed) is None


@pytest.mark.parametrize("wanted", [True, False])
def test_a_batch_of_clean_images_is_anchored_to_its_tasks_if_that_is_wanted(
    config: TrainingConfig, data: PreparedData, tmp_path: Path, wanted: bool
) -> None:
    settings = anchored(config)
    network = replace(settings.network, domain_pool=None)
    settings = replace(settings, network=network, identity=1.0, clean_anchored=wanted)
    assert (Trainer(settings, data, tmp_path, report=quiet).train_step()["anchor"] > 0) == wanted


def test_a_checkpoint_of_other_settings_or_data_is_refused(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    Trainer(config, data, tmp_path, report=quiet).save()
    with pytest.raises(InputError, match="other settings"):
        Trainer(replace(config, steps=9), data, tmp_path, report=quiet).resume()
    with pytest.raises(InputError, match="other data"):
        Trainer(config, replace(data, manifest={}), tmp_path, report=quiet).resume()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_checkpoint_that_cannot_be_read_is_told_in_one_line(
    config: TrainingConfig, data: PreparedData, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(DatprlError) as raised:
        Trainer(config, data, tmp_path, report=quiet).resume()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("shape", [(21, 18), (21, 18, 3), (16, 16, 3)])
def test_validation_restores_images_of_any_size_and_keeps_their_shape(
    config: TrainingConfig, shape: tuple[int, ...]
) -> None:
    network = DatprlNetwork(config.network).eval()
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    restored = restore(network, image, config.network.grid, torch.device("cpu"))
    assert restored.shape == shape
    assert restored.min() >= 0
    assert restored.max() <= 1


def test_validation_scores_an_untouched_image_with_the_psnr_of_its_input(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    trainer = Trainer(config, data, tmp_path, report=quiet)
    with torch.no_grad():
        assert isinstance(trainer.average, DatprlNetwork)
        for parameter in trainer.average.backbone.head.parameters():
            parameter.zero_()
    scores = trainer.validate(clean_images=1)
    for score in scores.values():
        assert score.gain == pytest.approx(0.0, abs=1e-6)
        assert score.worst_gain == pytest.approx(0.0, abs=1e-6)
        assert score.clean == 100.0
    assert "dehazing" in format_table(scores)
