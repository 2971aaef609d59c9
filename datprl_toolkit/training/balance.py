"""Balance between tasks by the size of their gradients, so that none drowns in the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from datprl_toolkit.training.losses import reconstruction_losses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from datprl_toolkit.network import Anchors, DatprlNetwork
    from datprl_toolkit.training.baselines import Baseline
    from datprl_toolkit.training.losses import LossWeights

MEMORY = 0.8
"""Share of the earlier measurements in the running norm."""
LARGEST_FACTOR = 20.0


class GradientBalance:
    """Running norm of each task's gradient, and the factors that make them alike.

    A task that changes whole regions, such as dehazing, causes gradients ten times as large as one that sharpens
    edges; under one optimiser their noise covers what the others would teach.

    Parameters
    ----------
    tasks
        Names of the tasks.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.norms: dict[str, float | None] = dict.fromkeys(tasks)

    def update(self, task: str, norm: float) -> None:
        """Add one measurement; one that is not finite or is zero says nothing."""
        if math.isfinite(norm) and norm > 0.0:
            before = self.norms[task]
            self.norms[task] = norm if before is None else MEMORY * before + (1.0 - MEMORY) * norm

    def factors(self) -> dict[str, float]:
        """Return the factor of each task's loss: the geometric mean of the norms over its own; 1 if not measured."""
        known = [norm for norm in self.norms.values() if norm is not None]
        if not known:
            return dict.fromkeys(self.norms, 1.0)
        mean = math.exp(sum(math.log(norm) for norm in known) / len(known))
        low, high = 1.0 / LARGEST_FACTOR, LARGEST_FACTOR
        return {task: 1.0 if norm is None else min(max(mean / norm, low), high) for task, norm in self.norms.items()}

    @property
    def state(self) -> dict[str, float | None]:
        """What a checkpoint keeps."""
        return dict(self.norms)

    @state.setter
    def state(self, values: Mapping[str, float | None]) -> None:
        self.norms.update(values)


def reconstruction_gradient(
    network: DatprlNetwork | Baseline, degraded: Tensor, clean: Tensor, anchors: Anchors | None, weights: LossWeights
) -> float:
    """Return the norm of the gradient of the reconstruction terms over the parameters of the backbone.

    Parameters
    ----------
    degraded, clean
        (B, 3, H, W) in [0, 1], of one task.
    anchors
        Prompts that the images are given; None for free choices.
    weights
        Factors of the terms.
    """
    output, _ = network.trace(degraded, anchors)
    terms = reconstruction_losses(output, clean, weights)
    loss = torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
    # A parameter that the output does not depend on, such as the query over a single token, counts as zero.
    parameters = [each for each in network.backbone.parameters() if each.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())
