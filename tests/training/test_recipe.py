"""The command line of the recipe, as a user calls it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from datprl_toolkit.training import load_prepared
from datprl_toolkit.weights import load_weights, read_card
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from datprl_toolkit.training import TrainingConfig


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("train_md_aioir")


@pytest.fixture
def settings(config: TrainingConfig, tmp_path: Path) -> Path:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(config.to_dict()))
    return path


def call(recipe: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["train_md_aioir.py", *map(str, arguments)])
    recipe.main()


def test_a_dry_run_prints_the_plan_with_measured_cost_and_writes_nothing(
    recipe: ModuleType,
    folder: Path,
    settings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "run"
    call(recipe, monkeypatch, "--data", folder, "--out", out, "--config", settings, "--dry-run", "--threads", 1)
    printed = capsys.readouterr().out
    for expected in ("M parameters", "ct_denoising", "s per step", "GiB", "equation 2"):
        assert expected in printed
    assert not out.exists()


def test_a_run_in_slices_ends_with_weights_that_the_toolkit_loads(
    recipe: ModuleType, folder: Path, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    left_out = ("--set", 'left_out=["rice2"]')
    common = ("--data", folder, "--out", out, "--config", settings, "--name", "tiny", "--threads", 1, *left_out)
    call(recipe, monkeypatch, *common, "--minutes", 0)
    assert not (out / "tiny.safetensors").exists()
    with pytest.raises(SystemExit, match="E_EXISTS"):
        call(recipe, monkeypatch, *common)
    call(recipe, monkeypatch, *common, "--resume")
    network, card = load_weights(out / "tiny.safetensors")
    assert card.name == "tiny"
    assert network.config.width == 8
    task = card.task("ct_denoising")
    assert task is not None
    assert (task.low, task.high, task.unit, task.images) == (-160.0, 240.0, "HU", 3)
    assert card.training["steps"] == 8
    assert any(line.startswith("ct: 2 images") for line in card.training_data)
    assert not any(line.startswith("rice2:") for line in card.training_data), "it was left out"
    size = (out / "tiny.safetensors").stat().st_size
    call(recipe, monkeypatch, *common, "--export", "--half")
    assert (out / "tiny.safetensors").stat().st_size < 0.8 * size
    assert load_weights(out / "tiny.safetensors")[0].config == network.config


def test_weights_that_go_on_from_others_name_the_sources_of_those_too(recipe: ModuleType, folder: Path) -> None:
    data = load_prepared(folder).without(("rice2",))
    lines = recipe.sources(data, ("rice2: 23 images, RICE2", "ct: 45 images, of before"))
    assert "rice2: 23 images, RICE2" in lines
    assert [line for line in lines if line.startswith("ct:")] == [
        line for line in recipe.sources(data) if "ct:" in line
    ]
    assert len(lines) == len(recipe.sources(data)) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "md-99t"], "E_OPTION"),
        (["--set", "steps=zero"], "JSON"),
        (["--set", "network.width=8", "--set", "stepz=1"], "stepz"),
        (["--config", "nowhere.yaml"], "E_MISSING"),
        (["--text", "nowhere.npz"], "E_MISSING"),
    ],
)
def test_options_that_do_not_fit_end_in_one_line(
    recipe: ModuleType,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as ended:
        call(recipe, monkeypatch, "--data", folder, "--out", tmp_path / "run", *arguments)
    assert message in str(ended.value)
    assert "\n" not in str(ended.value)


def test_a_folder_without_prepared_data_is_refused_with_the_command_that_makes_them(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="prepare_data"):
        call(recipe, monkeypatch, "--data", tmp_path, "--out", tmp_path / "run")


def test_weights_are_written_part_of_the_way_from_those_that_it_started_from(
    recipe: ModuleType, folder: Path, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("--data", folder, "--config", settings, "--name", "tiny", "--threads", 1)
    first, second = tmp_path / "first", tmp_path / "second"
    call(recipe, monkeypatch, *common, "--out", first, "--steps", 1)
    onward = (*common, "--out", second, "--steps", 3, "--start-from", first / "tiny.safetensors")
    call(recipe, monkeypatch, *onward)
    card = read_card(second / "tiny.safetensors")
    assert (card.training["steps"], card.training["earlier_steps"]) == (3, 1)
    assert card.description.endswith("trained for 3 steps after 1 of earlier runs")
    assert read_card(first / "tiny.safetensors").description.endswith("trained for 1 steps")
    start, trained = (load_weights(str(place / "tiny.safetensors"))[0].state_dict() for place in (first, second))
    call(recipe, monkeypatch, *onward, "--export", "--part", 0.25)
    written = load_weights(str(second / "tiny.safetensors"))[0].state_dict()
    assert any(not torch.equal(start[name], trained[name]) for name in start)
    for name, tensor in written.items():
        assert torch.allclose(tensor, start[name] + 0.25 * (trained[name] - start[name]), atol=1e-6), name
    call(recipe, monkeypatch, *onward, "--export", "--part", 0.0, "--towards", second / "tiny.safetensors")
    again = load_weights(str(second / "tiny.safetensors"))[0].state_dict()
    assert all(torch.allclose(tensor, written[name], atol=1e-6) for name, tensor in again.items())
    for wrong in ((*common, "--out", second, "--part", 0.5), (*onward, "--part", 1.5)):
        with pytest.raises(SystemExit, match="--part goes from 0 to 1"):
            call(recipe, monkeypatch, *wrong)
    call(recipe, monkeypatch, *onward, "--export", "--part", 0.5, "--give-back", "task_pool", "backbone.head")
    for name, tensor in load_weights(str(second / "tiny.safetensors"))[0].state_dict().items():
        part = 0.0 if name.startswith(("task_pool", "backbone.head")) else 0.5
        assert torch.allclose(tensor, torch.lerp(start[name], trained[name], part), atol=1e-6), name
    with pytest.raises(SystemExit, match="no parameter's name begins like this"):
        call(recipe, monkeypatch, *onward, "--export", "--part", 0.5, "--give-back", "decoder")
    with pytest.raises(SystemExit, match="--give-back needs --part"):
        call(recipe, monkeypatch, *onward, "--export", "--give-back", "task_pool")
    with pytest.raises(SystemExit, match="--towards needs --part"):
        call(recipe, monkeypatch, *onward, "--export", "--towards", first / "tiny.safetensors")
