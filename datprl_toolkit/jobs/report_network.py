"""What the network chose, for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from datprl_toolkit.reports.report import Network, Prompts

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Context, Restorer


def describe_network(restorer: Restorer, context: Context, sampled: str) -> Network:
    """Return the prompts of a context, of a field the means over its nodes, and the gates of the network.

    Parameters
    ----------
    restorer
        The network.
    context
        What it computed.
    sampled
        From what, for a person.
    """
    prompts = []
    for pool, choice in (("domain", context.domain), ("task", context.task)):
        if choice is None:
            continue
        shares = torch.zeros_like(choice.similarity).scatter_(1, choice.selected, choice.weights).mean(dim=0)
        similarity = choice.similarity.mean(dim=0).tolist()
        order = shares.argsort(descending=True, stable=True).tolist()
        chosen = tuple((number, float(shares[number]), similarity[number]) for number in order if shares[number] > 0)
        prompts.append(Prompts(pool, len(similarity), chosen))
    gates = tuple((name, features, prompt) for name, (features, prompt) in restorer.network.gates().items())
    return Network(tuple(prompts), gates, sampled)
