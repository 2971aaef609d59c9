"""The ablation at our scale: one budget for all variants, and a table of what they reached."""

from __future__ import annotations

import argparse
import itertools
import json
from typing import TYPE_CHECKING

import pytest

from datprl_toolkit.training import TrainingConfig, override, training_preset
from datprl_toolkit.training.ablations import ablate
from tests.loading import load_recipe

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("ablation_table")


def configuration(recipe: ModuleType, folder: Path, ablation: str | None) -> TrainingConfig:
    arguments = argparse.Namespace(data=folder, steps=40)
    command = recipe.command(arguments, folder, ablation, 3)
    given = (part.split("=", 1) for before, part in itertools.pairwise(command) if before == "--set")
    config = override(training_preset("small"), {name: json.loads(value) for name, value in given})
    return config if ablation is None else ablate(config, ablation)


def test_variants_differ_in_their_pools_alone(recipe: ModuleType, tmp_path: Path) -> None:
    configs = {name: configuration(recipe, tmp_path, ablation) for name, ablation in recipe.VARIANTS.items()}
    pools = {name: (c.network.task_pool is not None, c.network.domain_pool is not None) for name, c in configs.items()}
    assert pools["no pools"] == (False, False)
    assert pools["task pool"] == (True, False)
    assert pools["domain pool"] == (False, True)
    assert pools["both pools"] == (True, True)
    assert [c.network.prompt_form for c in configs.values()].count("tokens") == 1
    full = configs["both pools"].to_dict()
    for config in configs.values():
        values = config.to_dict()
        assert {name for name in values if values[name] != full[name]} <= {"network"}
        assert (config.steps, config.validate_every, config.seed) == (40, 40, 3)


def test_the_table_has_mean_and_spread_over_the_seeds(recipe: ModuleType) -> None:
    gains = {
        "both pools": [{"dehazing": 1.0, "ct_denoising": 3.0}, {"dehazing": 2.0, "ct_denoising": 3.0}],
        "no pools": [{"dehazing": 0.5, "ct_denoising": -0.5}],
    }
    assert recipe.table(gains).splitlines() == [
        "| gain in dB | both pools | no pools |",
        "|---|---|---|",
        "| dehazing | +1.50 ± 0.71 | +0.50 |",
        "| ct_denoising | +3.00 ± 0.00 | -0.50 |",
        "| mean | +2.25 ± 0.35 | +0.00 |",
    ]


def test_the_gains_are_those_of_the_last_validation(recipe: ModuleType, tmp_path: Path) -> None:
    lines = [
        {"step": 10, "validation": {"dehazing": {"psnr_input": 20.0, "psnr_output": 21.0}}},
        {"step": 20, "validation": {"dehazing": {"psnr_input": 20.0, "psnr_output": 24.5}}},
        {"step": 20, "loss": {}},
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert recipe.final_gains(tmp_path) == {"dehazing": 4.5}
