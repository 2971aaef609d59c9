"""Configuration, prompt pools, fusion: what they promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from datprl_toolkit.network import PRESETS, DatprlNetwork, NetworkConfig, PromptPoolConfig, preset
from datprl_toolkit.network.fusion import CrossAttentionFusion
from datprl_toolkit.network.prompts import PromptPool
from datprl_toolkit.restoring.testing import TINY


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_plain_values(name: str) -> None:
    config = preset(name)
    assert NetworkConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "unet"}, "backbone must be one of"),
        ({"decoder_blocks": (1, 1)}, "levels"),
        ({"heads": (1, 2)}, "heads"),
        ({"domain_pool": PromptPoolConfig(dimension=8)}, "same dimension"),
        ({"prompt_form": "tokens", "feature_fusion": "concat"}, "cannot be fused"),
        ({"prompt_form": "tokens", "pool_fusion": "concat"}, "cannot be fused"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY["restormer"], **change)  # type: ignore[arg-type]


def test_unknown_settings_and_presets_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown network settings: depth"):
        NetworkConfig.from_dict({"depth": 3})
    with pytest.raises(ValueError, match="md-9t"):
        preset("md-10t")


def test_a_pool_cannot_select_more_prompts_than_it_has() -> None:
    with pytest.raises(ValueError, match="cannot select"):
        PromptPoolConfig(size=2, top_k=3)


def test_composition_weighs_the_most_similar_prompts_by_equation_1() -> None:
    pool = PromptPool(PromptPoolConfig(size=5, top_k=2, dimension=4, tokens=3), "tokens").eval()
    query = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    choice = pool(query)
    for row in range(2):
        cosines = [float(torch.dot(query[row], key) / (query[row].norm() * key.norm())) for key in pool.keys.detach()]
        best = sorted(range(5), key=lambda index: -cosines[index])[:2]
        shares = torch.tensor([cosines[index] for index in best]).softmax(0)
        composed = sum(share * pool.values[index] for share, index in zip(shares, best, strict=True))
        assert choice.selected[row].tolist() == best
        assert isinstance(composed, torch.Tensor)
        assert torch.allclose(choice.representation[row], composed, atol=1e-5)


def test_in_training_noise_varies_the_choice_but_not_the_similarity() -> None:
    torch.manual_seed(0)
    pool = PromptPool(PromptPoolConfig(size=15, top_k=3, dimension=8), "vector").train()
    query = torch.randn(1, 8)
    choices = [pool(query) for _ in range(20)]
    assert len({tuple(sorted(choice.selected[0].tolist())) for choice in choices}) > 1
    assert all(torch.equal(choice.similarity, choices[0].similarity) for choice in choices)


def test_over_one_token_the_folded_fusion_is_the_full_attention() -> None:
    torch.manual_seed(0)
    fusion = CrossAttentionFusion(8, 16)
    features, prompt = torch.randn(2, 8, 6, 7), torch.randn(2, 1, 16)
    # Two equal tokens share the attention between them and so say the same as one; they take the long way.
    full = fusion(features, prompt.expand(-1, 2, -1))
    assert torch.allclose(fusion(features, prompt), full, atol=1e-6)


@pytest.mark.parametrize("form", ["vector", "tokens"])
@pytest.mark.parametrize("pools", ["both", "task", "domain", "none"])
@pytest.mark.parametrize("backbone", ["nafnet", "restormer"])
def test_every_combination_runs_and_every_used_parameter_learns(backbone: str, pools: str, form: str) -> None:
    torch.manual_seed(0)
    config = replace(
        TINY["nafnet" if backbone == "nafnet" else "restormer"],
        prompt_form="tokens" if form == "tokens" else "vector",
        task_pool=TINY["nafnet"].task_pool if pools in ("both", "task") else None,
        domain_pool=TINY["nafnet"].domain_pool if pools in ("both", "domain") else None,
    )
    network = DatprlNetwork(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    output, trace = network.trace(torch.rand(2, 3, 19, 33))
    assert output.shape == (2, 3, 19, 33)
    assert (trace.prompt is None) == (pools == "none")
    torch.autograd.backward(output.square().mean())
    # Over a single token, query and key of a fusion decide nothing.
    unused = (".fusion.query.", ".fusion.key.") if form == "vector" else ()
    for name, parameter in network.named_parameters():
        if any(part in name for part in unused):
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_gates_are_shares_of_each_prompted_block() -> None:
    network = DatprlNetwork(TINY["restormer"])
    gates = network.gates()
    assert len(gates) == 1 + 3 + 1
    assert all(abs(feature + prompt - 1) < 1e-6 for feature, prompt in gates.values())


@pytest.mark.parametrize("stride", [1, 2])
def test_the_grid_counts_the_folded_pixels_of_the_stem(stride: int) -> None:
    config = replace(TINY["nafnet"], stem_stride=stride)
    assert config.grid == 8 * stride
    assert DatprlNetwork(config).eval()(torch.rand(1, 3, 5, 3)).shape == (1, 3, 5, 3)
