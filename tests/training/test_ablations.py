"""The variants of the paper's tables: what each trains, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from datprl_toolkit.errors import InputError, OptionError
from datprl_toolkit.network import Anchors, DatprlNetwork, PromptPoolConfig
from datprl_toolkit.training import TASKS, Trainer, override, training_preset
from datprl_toolkit.training.ablations import ABLATIONS, ablate
from datprl_toolkit.training.tasks import KIND_KEYS, KIND_OF_TASK, KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.training import PreparedData, TrainingConfig

FEATURES = {
    key: np.random.default_rng(number).normal(size=16).astype(np.float32) for number, key in enumerate(KIND_KEYS)
}


def quiet(_: str) -> None:
    """Report nothing."""


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_variant_trains_validates_and_resumes(
    name: str, config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    settings = replace(ablate(config, name), tasks=("ct_denoising", "dehazing"), batch_size=2)
    trainer = Trainer(settings, data, tmp_path, text=FEATURES if name.startswith("explicit") else None, report=quiet)
    first = trainer.train_step()
    trainer.save()
    second = trainer.train_step()
    trainer.resume()
    assert trainer.train_step() == second
    assert np.isfinite(first["total"])
    assert set(trainer.validate(limit=1)) == {"ct_denoising", "dehazing"}


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_variant_fits_the_published_and_the_small_network(name: str) -> None:
    for preset in ("md-9t", "small"):
        full, changed = training_preset(preset), ablate(training_preset(preset), name)
        assert changed != full
        for pool in (changed.network.task_pool, changed.network.domain_pool):
            assert pool is None or pool.dimension == (1024 if preset == "md-9t" else 128)


def test_the_pools_of_table_3_have_their_numbers() -> None:
    network = ablate(training_preset("md-6t"), "pools-20-k3-k5").network
    assert network.task_pool == PromptPoolConfig(size=20, top_k=3)
    assert network.domain_pool == PromptPoolConfig(size=20, top_k=5)


def test_a_setting_of_a_pool_leaves_its_others_alone(config: TrainingConfig) -> None:
    changed = override(config, {"network": {"domain_pool": {"size": 7}}}).network.domain_pool
    assert changed == PromptPoolConfig(size=7, top_k=3, dimension=16)


def test_every_task_has_a_domain_with_a_sentence() -> None:
    assert set(KIND_OF_TASK) == set(TASKS)
    assert set(KIND_OF_TASK.values()) == set(KINDS)


def test_a_told_domain_decides_the_prompt_of_an_image_and_is_not_regularised(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    settings = ablate(config, "domain-encodings")
    trainer = Trainer(settings, data, tmp_path, text={"ct/0000": FEATURES[KIND_KEYS[0]]}, report=quiet)
    pool = trainer.network.domain_pool
    assert pool is not None
    task_alone = Trainer(ablate(config, "task-pool"), data, tmp_path, report=quiet).train_step()
    assert trainer.train_step().keys() == task_alone.keys()
    given = trainer.given.known_domain(("pet_synthesis", "dehazing"))
    _, trace = trainer.network.trace(torch.rand(2, 3, 16, 16), given)
    assert trace.domain is not None
    assert trace.domain.selected.flatten().tolist() == [list(KINDS).index("pet"), list(KINDS).index("remote_sensing")]
    assert trace.domain.weights.flatten().tolist() == [1.0, 1.0]


def test_sentences_are_prompts_that_training_does_not_change(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    settings = ablate(config, "explicit-domain-prompts")
    trainer = Trainer(settings, data, tmp_path, text=FEATURES, report=quiet)
    pool = trainer.network.domain_pool
    assert pool is not None
    for _ in range(2):
        trainer.train_step()
    expected = np.stack([FEATURES[key] for key in KIND_KEYS])
    np.testing.assert_array_equal(pool.values[:, 0].detach().numpy(), expected)
    with pytest.raises(InputError, match=r"E_MISSING.*--domains"):
        Trainer(settings, data, tmp_path, report=quiet)


def test_sequential_fusion_adds_the_domains_answer_and_then_the_tasks(config: TrainingConfig) -> None:
    torch.manual_seed(0)
    network = DatprlNetwork(ablate(config, "sequential-fusion").network).eval()
    middle: Any = network.backbone.middle
    fusion = middle[0].fusion
    features, domain, task = torch.rand(2, 16, 4, 4), torch.rand(2, 1, 16), torch.rand(2, 1, 16)
    found = fusion(features, torch.cat([domain, task], dim=1))
    # Over one token attention is the value itself, whatever is asked.
    for part, prompt in ((fusion.domain, domain), (fusion.task, task)):
        features = features + part.out(part.value(part.norm(prompt)))[:, 0, :, None, None]
    torch.testing.assert_close(found, features)
    assert network.gates() == {}
    assert network.pool_fusion is None
    image = torch.rand(1, 3, 16, 16)
    context = network.context(image)
    torch.testing.assert_close(network(image, context), network(image))
    changed = network.trace(image, Anchors(torch.tensor([4]), torch.tensor([4])))[0]
    assert not torch.equal(changed, network(image))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"domain_prompts": "encodings"}, "5 prompts of which one"),
        ({"domain_prompts": "words"}, "pool, encodings, texts"),
        ({"baseline": "resnet"}, "restormer, nafnet"),
        ({"network": {"feature_fusion": "sequential", "domain_pool": None}}, "both prompt pools"),
        ({"network": {"feature_fusion": "sequential", "pool_fusion": "concat"}}, "concat"),
    ],
)
def test_variants_that_do_not_fit_are_refused_in_one_line(
    values: dict[str, object], message: str, config: TrainingConfig
) -> None:
    with pytest.raises(OptionError, match=message):
        override(config, values)
    with pytest.raises(OptionError, match="no-pools, task-pool"):
        ablate(config, "all")
