"""Strips: the network in strips, aligned or whole gives one and the same result, the one of the formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.network import strips as module
from datprl_toolkit.network.depthwise import gated_depthwise
from datprl_toolkit.network.strips import Widening, plan_strips
from datprl_toolkit.restoring.testing import TINY
from tests.network.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERANCE = 1e-5
RESTORMER = TINY["restormer"]
VARIANTS = {
    "restormer": RESTORMER,
    "concat": replace(RESTORMER, feature_fusion="concat"),
    "modulation": replace(RESTORMER, feature_fusion="adaptive_modulation"),
    "prompts concatenated": replace(RESTORMER, pool_fusion="concat"),
    "sequential": replace(RESTORMER, feature_fusion="sequential"),
    "tokens": replace(RESTORMER, prompt_form="tokens"),
    "task only": replace(RESTORMER, domain_pool=None),
    "no prompts": replace(RESTORMER, domain_pool=None, task_pool=None),
    "nafnet": preset("small"),
}


@pytest.fixture(params=VARIANTS)
def network(request: pytest.FixtureRequest) -> DatprlNetwork:
    torch.manual_seed(0)
    network = DatprlNetwork(VARIANTS[request.param]).eval()
    # The head starts small; at its usual size a difference in the features shows.
    with torch.no_grad():
        network.backbone.head.weight.mul_(10)
    return network


@pytest.fixture
def thin_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRIP_VALUES", 1)


@pytest.fixture
def images() -> Iterator[torch.Tensor]:
    with torch.inference_mode():
        yield torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))


def test_the_network_is_what_the_formulas_say(network: DatprlNetwork, images: torch.Tensor) -> None:
    assert (network(images) - Oracle(network)(images)).abs().max() <= TOLERANCE


@pytest.mark.usefixtures("thin_strips")
def test_strips_give_what_the_formulas_say(network: DatprlNetwork, images: torch.Tensor) -> None:
    assert len(plan_strips(images, 1)) > len(images)
    assert (network(images) - Oracle(network)(images)).abs().max() <= TOLERANCE


def test_a_context_is_the_same_in_strips(
    network: DatprlNetwork, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = network.context(images)
    restored = network(images, whole)
    monkeypatch.setattr(module, "STRIP_VALUES", 1)
    cut = network.context(images)
    for one, other in zip(whole.statistics, cut.statistics, strict=True):
        assert (one - other).abs().max() <= TOLERANCE
    assert (network(images, whole) - restored).abs().max() <= TOLERANCE


def test_added_channels_of_zeros_change_nothing(network: DatprlNetwork, images: torch.Tensor) -> None:
    before, context = network(images), network.context(images)
    frozen = network(images, context)
    network.align()
    network.align()
    assert (network(images) - before).abs().max() <= TOLERANCE
    assert (network(images, context) - frozen).abs().max() <= TOLERANCE
    for name, parameter in network.named_parameters():
        if name.endswith("feed_forward.out.weight"):
            assert parameter.shape[1] % 16 == 0


@given(count=st.integers(1, 3), height=st.integers(1, 90), width=st.integers(1, 40), values=st.integers(1, 4000))
def test_strips_hold_and_ask_for_every_row_once(count: int, height: int, width: int, values: int) -> None:
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(module, "STRIP_VALUES", values)
        features = torch.zeros(count, 2, height, width)
        for strip in plan_strips(features, 2):
            strip.core(features)[:, 0].add_(1)
            strip.fresh(features)[:, 1].add_(1)
            needed = slice(max(strip.top - 1, 0), strip.bottom + 1)
            assert (features[strip.images, 1, needed] == 1).all()
            assert strip.fresh(features).shape[2] > 0
        assert (features == 1).all()


@settings(max_examples=25)
@given(height=st.integers(1, 60), width=st.integers(1, 9), values=st.integers(1, 2000))
def test_what_is_widened_in_strips_is_convolved_as_the_whole(height: int, width: int, values: int) -> None:
    generator = torch.Generator().manual_seed(height)
    weights = [torch.randn(16, 3, 1, 1, generator=generator) for _ in range(2)]
    kernels = [torch.randn(16, 1, 3, 3, generator=generator) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(module, "STRIP_VALUES", values)
        features = torch.randn(2, 3, height, width, generator=generator).to(memory_format=torch.channels_last)
        gate, value = (
            functional.conv2d(functional.conv2d(features, weight), kernel, padding=1, groups=16)
            for weight, kernel in zip(weights, kernels, strict=True)
        )
        expected = functional.gelu(gate) * value
        widen = [Widening(weight) for weight in weights]
        for strip in plan_strips(features, 16):
            first, second = (each(strip.fresh(features), strip) for each in widen)
            made = gated_depthwise(first, second, kernels[0], kernels[1], strip.padding)
            torch.testing.assert_close(made, strip.core(expected), rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("thin_strips")
def test_bfloat16_in_strips_is_near_float32(network: DatprlNetwork, images: torch.Tensor) -> None:
    context = network.context(images)
    expected = network(images, context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (network(images, context).float() - expected).abs().max() <= 0.1


def test_what_is_given_is_not_changed_in_place(network: DatprlNetwork, images: torch.Tensor) -> None:
    before = images.clone()
    first = network(images)
    assert torch.equal(images, before)
    assert torch.equal(network(images), first)


def test_gradients_need_the_whole() -> None:
    assert len(plan_strips(torch.zeros(1, 1, 4000, 4000), 100)) == 1
