"""What the network chose, for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.reports.report import Network, Prompts

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Context, Restorer


def describe_network(restorer: Restorer, context: Context, sampled: str) -> Network:
    """Return the prompts of a context and the gates of the network.

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
        numbers, shares = choice.selected[0].tolist(), choice.weights[0].tolist()
        similarity = choice.similarity[0].tolist()
        chosen = tuple((number, share, similarity[number]) for number, share in zip(numbers, shares, strict=True))
        prompts.append(Prompts(pool, len(similarity), chosen))
    gates = tuple((name, features, prompt) for name, (features, prompt) in restorer.network.gates().items())
    return Network(tuple(prompts), gates, sampled)
