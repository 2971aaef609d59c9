"""Balance between tasks by the size of their gradients."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from datprl_toolkit.network import Anchors, DatprlNetwork
from datprl_toolkit.training import LossWeights, Trainer
from datprl_toolkit.training.balance import LARGEST_FACTOR, GradientBalance, reconstruction_gradient

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.training import PreparedData, TrainingConfig


def test_factors_make_the_gradients_alike_and_leave_their_geometric_mean() -> None:
    balance = GradientBalance(("large", "small"))
    balance.update("large", 4.0)
    balance.update("small", 1.0)
    factors = balance.factors()
    assert factors["large"] * 4.0 == pytest.approx(factors["small"] * 1.0)
    assert factors["large"] * factors["small"] == pytest.approx(1.0)


def test_a_task_without_a_usable_measurement_keeps_the_factor_1() -> None:
    balance = GradientBalance(("a", "b"))
    balance.update("b", math.nan)
    balance.update("b", 0.0)
    assert balance.factors() == {"a": 1.0, "b": 1.0}
    balance.update("a", 3.0)
    assert balance.factors()["b"] == 1.0


def test_no_factor_is_larger_than_the_limit() -> None:
    balance = GradientBalance(("a", "b"))
    balance.update("a", 1e6)
    balance.update("b", 1e-6)
    assert balance.factors() == {"a": 1.0 / LARGEST_FACTOR, "b": LARGEST_FACTOR}


def test_the_norm_follows_later_measurements() -> None:
    balance = GradientBalance(("a",))
    for norm in (1.0, *[3.0] * 40):
        balance.update("a", norm)
    assert balance.norms["a"] == pytest.approx(3.0, rel=1e-3)
    other = GradientBalance(("a",))
    other.state = balance.state
    assert other.norms == balance.norms


def test_the_measured_gradient_is_that_of_the_two_reconstruction_terms(config: TrainingConfig) -> None:
    torch.manual_seed(0)
    network = DatprlNetwork(config.network).eval()
    degraded, clean = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    anchors = Anchors(torch.tensor([1, 1]), torch.tensor([0, 0]))
    measured = reconstruction_gradient(network, degraded, clean, anchors, LossWeights(pixel=2.0, fourier=0.5))
    difference = network.trace(degraded, anchors)[0] - clean
    spectrum = torch.view_as_real(torch.fft.rfft2(difference))
    torch.autograd.backward(2.0 * difference.abs().mean() + 0.5 * spectrum.abs().mean())
    squares = [p.grad.square().sum() for p in network.backbone.parameters() if p.grad is not None]
    assert measured == pytest.approx(math.sqrt(sum(float(s) for s in squares)), rel=1e-4)


def test_a_balanced_run_resumes_to_the_bit(config: TrainingConfig, data: PreparedData, tmp_path: Path) -> None:
    balanced = replace(config, balance_every=3, task_shares={"dehazing": 0.5})
    whole = Trainer(balanced, data, tmp_path / "whole", report=lambda _: None)
    expected = [whole.train_step() for _ in range(6)]
    assert all(norm is not None for norm in whole.balance.norms.values())
    first = Trainer(balanced, data, tmp_path / "parts", report=lambda _: None)
    losses = [first.train_step() for _ in range(4)]
    first.save()
    second = Trainer(balanced, data, tmp_path / "parts", report=lambda _: None)
    second.resume()
    assert losses + [second.train_step() for _ in range(2)] == expected
