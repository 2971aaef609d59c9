"""Strips: the network in strips, aligned or whole gives one and the same result, the one of the formulas."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.network import strips as module
from datprl_toolkit.network.strips import plan_strips
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
def test_strips_hold_every_row_once_and_a_halo_within_the_image(
    count: int, height: int, width: int, values: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(module, "STRIP_VALUES", values)
        features = torch.zeros(count, 2, height, width)
        for strip in plan_strips(features, 2):
            strip.core(features).add_(1)
            read = strip.read(features)
            assert strip.crop(read).shape == strip.core(features).shape
            assert read.shape[2] >= min(height, strip.bottom - strip.top + 1)
        assert (features == 1).all()


def test_gradients_need_the_whole() -> None:
    assert len(plan_strips(torch.zeros(1, 1, 4000, 4000), 100)) == 1
