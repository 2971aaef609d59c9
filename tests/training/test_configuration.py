"""Settings: presets of the paper, overrides, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datprl_toolkit.errors import OptionError
from datprl_toolkit.training import TASK_SETS, TASKS, TrainingConfig, override, training_preset


def test_the_paper_trains_nine_tasks_with_its_constants() -> None:
    config = training_preset("md-9t")
    assert config.tasks == TASKS
    assert (config.steps, config.batch_size, config.crop) == (1_000_000, 12, 128)
    assert (config.learning_rate, config.final_learning_rate, config.betas) == (4e-4, 1e-6, (0.9, 0.99))
    losses = config.losses
    assert (losses.pixel, losses.alignment, losses.fourier) == (1.0, 1.0, 0.1)
    assert (losses.diversity, losses.balance, losses.contrastive, losses.diversity_threshold) == (0.1, 0.1, 0.1, 0.1)


def test_settings_of_fewer_tasks_add_one_task_at_a_time() -> None:
    sizes = [len(TASK_SETS[name]) for name in ("md-6t", "md-7t", "md-8t", "md-9t")]
    assert sizes == [6, 7, 8, 9]
    assert set(TASK_SETS["md-7t"]) - set(TASK_SETS["md-6t"]) == {"natural_deblurring"}
    assert set(TASK_SETS["md-8t"]) - set(TASK_SETS["md-7t"]) == {"pet_synthesis"}
    assert set(TASK_SETS["md-9t"]) - set(TASK_SETS["md-8t"]) == {"dehazing"}


@pytest.mark.parametrize("name", ["small", "md-6t", "md-9t"])
def test_a_preset_survives_json(name: str) -> None:
    config = training_preset(name)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))).to_dict() == config.to_dict()


def test_nested_settings_are_replaced_one_by_one() -> None:
    config = override(training_preset("md-9t"), {"losses": {"fourier": 0.2}, "network": {"width": 24}})
    assert (config.losses.fourier, config.losses.diversity) == (0.2, 0.1)
    assert (config.network.width, config.network.middle_blocks) == (24, 8)


@pytest.mark.parametrize(
    "values",
    [
        {"stepz": 3},
        {"steps": 0},
        {"tasks": ["ct_denoising", "snow"]},
        {"tasks": []},
        {"crop": 65},
        {"crop_sizes": [64, 65]},
        {"crop_sizes": [0]},
        {"tinted": 1.5},
        {"varied_haze": -0.1},
        {"bright_ground": 2.0},
        {"dense_clouds": -1.0},
        {"faint_noise": {"ct_denoising": 1.1}},
        {"faint_noise": {"dehazing": 0.5}},
        {"faint_noise": 0.5},
        {"precision": "int8"},
        {"ema_decay": 1.0},
        {"losses": {"perceptual": 1.0}},
        {"network": {"backbone": "unet"}},
        {"network": "huge"},
        {"task_weights": {"snow": 2.0}},
        {"task_shares": {"dehazing": 0.0}},
        {"task_candidates": {"dehazing": 0}},
        {"task_shares": {"snow": 2.0}},
        {"task_identity": {"dehazing": 1.5}},
        {"task_identity": {"snow": 0.5}},
        {"task_told": {"dehazing": 1.5}},
        {"task_told": {"snow": 0.5}},
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as raised:
        override(training_preset("small"), values)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": {"task_pool": {"size": 8}}}, "task_pool of 9, not of 8"),
        ({"network": {"domain_pool": {"size": 2, "top_k": 1}}}, "domain_pool of 3, not of 2"),
        ({"tasks": ["dehazing"], "network": {"task_pool": {"size": 8}}}, "task_pool of 9"),
        ({"losses": {"anchor": 0.0}, "task_told": {"dehazing": 0.3}}, "task_told"),
    ],
)
def test_prompts_that_no_pool_has_cannot_stand_for_tasks(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        override(training_preset("small"), values)


def test_pools_may_be_off_or_small_where_no_prompt_stands_for_a_task() -> None:
    config = training_preset("small")
    override(config, {"losses": {"anchor": 0.0}, "network": {"task_pool": {"size": 4}}})
    override(config, {"network": {"task_pool": {"size": 4}}, "tasks": list(TASKS[:2])})
    override(config, {"network": {"task_pool": None}})


@pytest.mark.parametrize("name", ["tasks", "left_out", "frozen"])
def test_one_value_where_a_list_is_needed_is_not_taken_apart_into_letters(name: str) -> None:
    with pytest.raises(OptionError, match=f"{name} is a list"):
        override(training_preset("small"), {name: "dehazing"})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionError, match="md-9t"):
        training_preset("md-10t")


def test_without_crop_sizes_every_batch_is_the_same_size() -> None:
    config = override(training_preset("small"), {"crop": 64, "batch_size": 9})
    assert {config.batch_at(step) for step in range(20)} == {(9, 64)}


def test_batches_of_other_crops_have_about_as_many_pixels_and_follow_from_the_step() -> None:
    config = override(training_preset("small"), {"crop": 128, "batch_size": 8, "crop_sizes": [64, 128, 256]})
    drawn = [config.batch_at(step) for step in range(60)]
    assert set(drawn) == {(32, 64), (8, 128), (2, 256)}
    assert drawn == [config.batch_at(step) for step in range(60)]
    assert override(config, {"batch_size": 1, "crop_sizes": [256]}).batch_at(0) == (1, 256)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"other_seasons": 2.0}, r"other_seasons is a share from 0 to 1 \(2.0\)"),
        ({"snow": -0.1, "deserts": 1.1}, "snow, deserts are shares"),
        ({"faint_noise": {"ct_denoising": 1.5}}, "faint_noise is a share"),
        ({"alternating_noise": "much"}, r"alternating_noise is a share from 0 to 1 \(much\)"),
        ({"ema_decay": 1.0}, "ema_decay is a share from 0 to less than 1"),
    ],
)
def test_the_share_that_is_none_is_the_one_that_is_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        override(training_preset("small"), setting)
