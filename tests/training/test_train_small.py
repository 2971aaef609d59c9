"""The stages in which the shipped weights were trained: each setting is one, and each network holds the last."""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.restoring.testing import TINY
from datprl_toolkit.training import TrainingConfig, override, training_preset
from datprl_toolkit.training.warm_start import start_from
from datprl_toolkit.weights import WeightsCard, find_weights, load_weights, read_card, save_weights
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("train_small")


def configurations(recipe: ModuleType, tmp_path: Path) -> list[TrainingConfig]:
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=None)
    configs = []
    for number, settings in enumerate(recipe.STAGES):
        command = recipe.command(arguments, tmp_path, settings, tmp_path / "before" if number else None)
        given = (part.split("=", 1) for before, part in itertools.pairwise(command) if before == "--set")
        configs.append(override(training_preset("small"), {name: json.loads(value) for name, value in given}))
    return configs


def test_every_setting_is_one_and_each_stage_can_start_from_the_last(recipe: ModuleType, tmp_path: Path) -> None:
    networks = [DatprlNetwork(config.network) for config in configurations(recipe, tmp_path)]
    for earlier, later in itertools.pairwise(networks):
        start_from(later, earlier, "earlier")


def test_the_last_stage_is_what_is_shipped(recipe: ModuleType, tmp_path: Path) -> None:
    card, config = read_card(find_weights("small")), configurations(recipe, tmp_path)[-1]
    assert card.config == config.network == preset("small")
    for name in ("steps", "crop", "batch_size", "learning_rate", "identity", "task_shares", "task_weights"):
        assert card.training[name] == getattr(config, name)


def test_a_stage_starts_from_the_one_before_and_may_end_towards_earlier_ones(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = DatprlNetwork(TINY["nafnet"])
    for number in (16, 18, 19):
        path = tmp_path / f"stage{number}" / "small.safetensors"
        path.parent.mkdir()
        save_weights(path, network, WeightsCard(name="small", config=network.config, tasks=()))
    commands: list[list[str]] = []
    monkeypatch.setattr(recipe.subprocess, "run", lambda command, check: commands.append(command))
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=None)
    for number in (19, 20, 23):
        before = tmp_path / f"stage{number - 1}" / "small.safetensors"
        recipe.run(arguments, tmp_path / f"stage{number}", recipe.STAGES[number - 1], before, ["--threads", "1"])
    given = [dict(itertools.pairwise(command)) for command in commands]
    assert given[0]["--start-from"] == str(tmp_path / "stage19" / "average.safetensors")
    assert (given[0]["--part"], given[0].get("--towards")) == ("1.0", None)
    assert given[1]["--start-from"] == str(tmp_path / "stage19" / "small.safetensors")
    assert (given[1]["--part"], given[1]["--towards"]) == ("0.25", str(tmp_path / "stage20" / "towards.safetensors"))
    assert (given[2]["--part"], given[2]["--towards"]) == ("0.7", str(tmp_path / "stage20" / "small.safetensors"))
    assert commands[2][commands[2].index("--give-back") + 1 :][:3] == ["task_pool", "domain_pool", "pool_fusion"]


def test_several_earlier_stages_are_mixed_one_after_the_other(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = DatprlNetwork(TINY["nafnet"])
    name = next(name for name, values in network.state_dict().items() if values.is_floating_point())
    for number in (1, 2, 4, 6):
        path = tmp_path / f"stage{number}" / "small.safetensors"
        path.parent.mkdir()
        network.load_state_dict({key: torch.full_like(value, number) for key, value in network.state_dict().items()})
        save_weights(path, network, WeightsCard(name="small", config=network.config, tasks=()))
    monkeypatch.setattr(recipe.subprocess, "run", lambda command, check: None)
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=None)
    settings = {"towards": (1, 2, 4), "towards_parts": (0.75, 0.5)}
    recipe.run(arguments, tmp_path / "stage7", settings, tmp_path / "stage6" / "small.safetensors", [])
    mixed, _ = load_weights(str(tmp_path / "stage7" / "towards.safetensors"))
    assert torch.allclose(mixed.state_dict()[name], torch.tensor(0.5 * (0.75 * 1 + 0.25 * 2) + 0.5 * 4))


def test_a_stage_that_was_killed_is_resumed(recipe: ModuleType, tmp_path: Path) -> None:
    arguments = argparse.Namespace(data=tmp_path, out=tmp_path, steps=7)
    assert "--resume" not in recipe.command(arguments, tmp_path, {}, None)
    (tmp_path / "checkpoint.pt").touch()
    command = recipe.command(arguments, tmp_path, {}, None)
    assert command[-1] == "--resume"
    assert "steps=7" in command


def test_a_stage_may_start_from_the_average_of_two(recipe: ModuleType, tmp_path: Path) -> None:
    small = TINY["nafnet"]
    larger = replace(small, middle_blocks=small.middle_blocks + 1)
    paths = []
    for name, config in (("later", larger), ("earlier", small)):
        card = WeightsCard(name=name, config=config, tasks=())
        paths.append(tmp_path / f"{name}.safetensors")
        save_weights(paths[-1], DatprlNetwork(config), card)
    found = recipe.averaged(*paths, tmp_path / "stage" / "average.safetensors")
    (mean, _), (later, _), (earlier, _) = (load_weights(str(path)) for path in (found, *paths))
    known = earlier.state_dict()
    for name, tensor in mean.state_dict().items():
        before = later.state_dict()[name]
        if name in known:
            assert torch.allclose(tensor, (before + known[name]) / 2, atol=1e-6)
        else:
            assert torch.allclose(tensor, before / 2 if name.endswith("_scale") else before)
    assert recipe.averaged(*paths, found) == found, "a stage that was killed is done again"
    with pytest.raises(InputError) as caught:
        recipe.averaged(*reversed(paths), tmp_path / "other")
    assert caught.value.code is ErrorCode.WEIGHTS
