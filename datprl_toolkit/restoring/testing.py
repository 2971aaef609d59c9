"""Restorers for tests, of this package and of others: tiny and random, or an exact identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from datprl_toolkit.network import DatprlNetwork, NetworkConfig, PromptPoolConfig
from datprl_toolkit.restoring.restorer import Restorer
from datprl_toolkit.weights import TASK_DOMAINS, TaskCard, WeightsCard

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import Backbone

_POOL = PromptPoolConfig(size=4, top_k=2, dimension=16, tokens=2)

TINY: dict[Backbone, NetworkConfig] = {
    "nafnet": NetworkConfig(
        backbone="nafnet",
        width=8,
        encoder_blocks=(1, 1, 1),
        middle_blocks=1,
        decoder_blocks=(1, 1, 1),
        refinement_blocks=0,
        heads=(),
        task_pool=_POOL,
        domain_pool=_POOL,
    ),
    "restormer": NetworkConfig(
        width=8,
        encoder_blocks=(1, 1, 1),
        middle_blocks=1,
        decoder_blocks=(1, 1, 1),
        refinement_blocks=1,
        heads=(1, 2, 2, 4),
        task_pool=_POOL,
        domain_pool=_POOL,
    ),
}


def tiny_network(backbone: Backbone = "nafnet", seed: int = 0) -> DatprlNetwork:
    """Return a tiny network with random weights, every one of which matters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DatprlNetwork(TINY[backbone])
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval().requires_grad_(requires_grad=False)


def tiny_restorer(
    seed: int = 0,
    *,
    backbone: Backbone = "nafnet",
    batch_size: int | None = None,
    task: str | None = None,
    self_ensemble: bool = False,
) -> Restorer:
    """Return a restorer with a tiny random network that claims all nine tasks.

    It has a prompt for each of the first four, one of which may be asked for.
    """
    network = tiny_network(backbone, seed)
    return Restorer(
        network, _card(network), device="cpu", batch_size=batch_size, task=task, self_ensemble=self_ensemble
    )


def identity_restorer() -> Restorer:
    """Return a restorer whose output equals its input exactly."""
    network = tiny_network()
    with torch.no_grad():
        for parameter in network.backbone.head.parameters():
            parameter.zero_()
    return Restorer(network, _card(network), device="cpu")


def _card(network: DatprlNetwork) -> WeightsCard:
    tasks = tuple(TaskCard(name) for name in TASK_DOMAINS)
    training = {"losses": {"anchor": 1.0}}
    return WeightsCard("test", network.config, tasks, training=training, sha256="0" * 64)
