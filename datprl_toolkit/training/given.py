"""Prompts that images are given instead of choosing them: for a warm start, or for good (table 5 of the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.network import Anchors, GatedFusion
from datprl_toolkit.network.fusion import PromptAttention
from datprl_toolkit.training.tasks import DOMAINS, KIND_KEYS, KIND_OF_TASK, KINDS, TASKS
from datprl_toolkit.weights import TASK_DOMAINS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from torch import Tensor, nn

    from datprl_toolkit.network.prompts import PromptPool
    from datprl_toolkit.training.configuration import TrainingConfig

ANCHORED_TEMPERATURE = 0.2


class GivenPrompts:
    """Says which prompts the images of a batch are given.

    Parameters
    ----------
    config
        Settings of the run.
    device
        Where the indices are needed.
    """

    def __init__(self, config: TrainingConfig, device: torch.device) -> None:
        self.config, self.device = config, device

    def anchors(self, tasks: tuple[str, ...]) -> Anchors | None:
        """Return the prompt that stands for each image's task, and for its domain; None without anchors."""
        if not self.config.losses.anchor:
            return None
        task = torch.tensor([TASKS.index(name) for name in tasks], device=self.device)
        domain = torch.tensor([DOMAINS.index(TASK_DOMAINS[name]) for name in tasks], device=self.device)
        return Anchors(task, domain)

    def warm_start(self, anchors: Anchors | None, step: int) -> Anchors | None:
        """Return the anchors of the images that are given their prompts in a step: all at first, then fewer."""
        if anchors is None or anchors.task is None or self.config.anchored == 0.0:
            return None
        share = 1.0 - step / (self.config.anchored * self.config.steps)
        drawn = np.random.default_rng([self.config.seed, 11, step]).random(len(anchors.task)) < share
        given = torch.from_numpy(drawn).to(self.device)

        def only(index: Tensor | None) -> Tensor | None:
            return None if index is None else torch.where(given, index, -1)

        return Anchors(only(anchors.task), only(anchors.domain))

    def told(self, tasks: tuple[str, ...], step: int, changed: Tensor, given: Anchors | None = None) -> Anchors | None:
        """Add the prompt of the task of those images that are told what is wrong with them, in their tasks' shares.

        Parameters
        ----------
        tasks
            Task of each image.
        step
            Step of the run.
        changed
            Whether an image has anything wrong with it, (images,): one that is clean is told nothing, so that who is
            told may rely on it.
        given
            What is given for other reasons.
        """
        if not self.config.task_told:
            return given
        shares = np.array([self.config.task_told.get(name, 0.0) for name in tasks])
        drawn = np.random.default_rng([self.config.seed, 12, step]).random(len(tasks)) < shares
        own = torch.tensor([TASKS.index(name) for name in tasks], device=self.device)
        before = -torch.ones_like(own) if given is None or given.task is None else given.task
        task = torch.where(torch.from_numpy(drawn).to(self.device) & changed, own, before)
        return Anchors(task, None if given is None else given.domain)

    def known_domain(self, tasks: tuple[str, ...], given: Anchors | None = None) -> Anchors | None:
        """Add the prompt of each image's domain to what is given, where the network is told the domain."""
        if self.config.domain_prompts == "pool":
            return given
        kinds = torch.tensor([tuple(KINDS).index(KIND_OF_TASK[name]) for name in tasks], device=self.device)
        return Anchors(None if given is None else given.task, kinds)


def without_clean(anchors: Anchors | None, changed: Tensor) -> Anchors | None:
    """Take the prompt of their task away from images that are clean already, and so not `changed`: it is -1.

    What few clouds change looks much like a clean image, and may not be learnt while that counts as cloudy too.
    """
    if anchors is None or anchors.task is None:
        return anchors
    return Anchors(torch.where(changed, anchors.task, -1), anchors.domain)


def is_changed(degraded: Tensor, clean: Tensor) -> Tensor:
    """Return for each image whether it differs from the clean one, (images,)."""
    return (degraded != clean).flatten(1).any(dim=1)


@torch.no_grad()
def sharpen_pools(*pools: PromptPool | None) -> None:
    """Let the chosen prompt outweigh the others, so that a given and a well-chosen prompt differ little."""
    for pool in pools:
        if pool is not None:
            pool.temperature.fill_(ANCHORED_TEMPERATURE)


@torch.no_grad()
def strengthen_prompts(network: nn.Module, gain: float) -> None:
    """Multiply the weights of the last layer through which each block's prompt passes by `gain`."""
    for module in network.modules():
        if isinstance(module, GatedFusion | PromptAttention):
            module.last_layer.weight.mul_(gain)


@torch.no_grad()
def fix_domain_texts(pool: PromptPool, text: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Make the features of the domains' sentences the prompts of the domain pool, and keep them fixed.

    Raises
    ------
    InputError
        ``E_MISSING`` if the feature of a sentence is not there.
    """
    if any(key not in text for key in KIND_KEYS):
        raise InputError(
            ErrorCode.MISSING,
            "the text features of the domains' sentences are not there",
            where="text",
            remedy="Make them with: python recipes/describe_images.py --domains --out FILE, and --encode FILE",
        )
    features = torch.from_numpy(np.stack([text[key] for key in KIND_KEYS])).to(pool.values.device)
    pool.values.copy_(features.unsqueeze(1).expand_as(pool.values))
    pool.values.requires_grad_(False)
