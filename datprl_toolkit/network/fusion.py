"""Adaptive gated fusion: how the prompt enters the features of a block (equation 3 of the paper)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from datprl_toolkit.network.lattice import everywhere
from datprl_toolkit.network.onednn import Convolution

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import FeatureFusion
    from datprl_toolkit.network.lattice import Spread


class GatedFusion(nn.Module):
    """Base of the fusions: two learnable scalars whose softmax weighs features against prompt.

    There is one prompt for each image or one for all; or, where it is said how they are spread, one of each node.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature_gate = nn.Parameter(torch.tensor([0.5]))
        self.prompt_gate = nn.Parameter(torch.tensor([0.5]))

    def gates(self) -> tuple[Tensor, Tensor]:
        """Return the shares of the features and of the prompt; they add up to 1."""
        shares = torch.cat([self.feature_gate, self.prompt_gate]).softmax(dim=0)
        return shares[0], shares[1]

    @property
    def last_layer(self) -> nn.Linear:
        """The last layer that the prompt alone passes through."""
        raise NotImplementedError

    def forward(self, features: Tensor, prompt: Tensor, spread: Spread | None = None) -> Tensor:
        """Fuse a prompt (images, 1 or nodes, tokens, dimension) into features (images, channels, H, W)."""
        raise NotImplementedError


class PromptAttention(nn.Module):
    """Features ask, the prompt answers.

    Over a single token the softmax is identically 1, whatever is asked, so the answer is one constant per
    channel and no query is computed. The parameters of query and key exist all the same: published checkpoints
    hold them.
    """

    def __init__(self, channels: int, prompt_dimension: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(prompt_dimension)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(prompt_dimension, channels)
        self.value = nn.Linear(prompt_dimension, channels)
        self.out = nn.Linear(channels, channels)

    @property
    def last_layer(self) -> nn.Linear:
        """The last layer that the prompt alone passes through."""
        return self.out

    def attend(
        self,
        features: Tensor,
        prompt: Tensor,
        spread: Spread | None,
        feature_share: Tensor | float = 1.0,
        prompt_share: Tensor | float = 1.0,
    ) -> Tensor:
        """Return a share of features (images, channels, H, W) plus what a share of the prompt answers to them."""
        prompt = self.norm(prompt)
        value = prompt_share * self.value(prompt)
        if prompt.shape[1] == 1:
            answer = everywhere(self.out(value).squeeze(1), spread)
            return torch.addcmul(answer, features, torch.as_tensor(feature_share, device=features.device))
        pixels = features.flatten(2).transpose(1, 2)
        query = feature_share * self.query(pixels)
        key = prompt_share * self.key(prompt)

        def answered(key: Tensor, value: Tensor) -> Tensor:
            attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(dim=-1)
            return cast("Tensor", self.out(attention @ value)).transpose(1, 2).reshape(features.shape)

        if spread is None:
            return features * feature_share + answered(key, value)
        return features * feature_share + spread.blend(lambda node: answered(key[node, None], value[node, None]))


class CrossAttentionFusion(PromptAttention, GatedFusion):
    """The answer of the prompt, weighed by the gates."""

    def forward(self, features: Tensor, prompt: Tensor, spread: Spread | None = None) -> Tensor:
        """Fuse a prompt (images, 1 or nodes, tokens, dimension) into features (images, channels, H, W)."""
        return self.attend(features, prompt, spread, *self.gates())


class SequentialFusion(nn.Module):
    """The domain's representation enters the features, and then the task's: the variant of table 13 of the paper."""

    def __init__(self, channels: int, prompt_dimension: int) -> None:
        super().__init__()
        self.domain = PromptAttention(channels, prompt_dimension)
        self.task = PromptAttention(channels, prompt_dimension)

    def forward(self, features: Tensor, prompt: Tensor, spread: Spread | None = None) -> Tensor:
        """Fuse the tokens of the domain and, after them, as many of the task into features (images, channels, H, W)."""
        domain, task = prompt.chunk(2, dim=1)
        return self.task.attend(self.domain.attend(features, domain, spread), task, spread)


class ConcatFusion(GatedFusion):
    """The projected prompt is set beside the features at every pixel, and a 1x1 convolution mixes them."""

    def __init__(self, channels: int, prompt_dimension: int) -> None:
        super().__init__()
        self.projection = nn.Linear(prompt_dimension, channels)
        self.mix = Convolution(2 * channels, channels, 1)

    @property
    def last_layer(self) -> nn.Linear:
        """The last layer that the prompt alone passes through."""
        return self.projection

    def forward(self, features: Tensor, prompt: Tensor, spread: Spread | None = None) -> Tensor:
        """Fuse a prompt (images, 1 or nodes, 1, dimension) into features (images, channels, H, W)."""
        feature_share, prompt_share = self.gates()
        projected = everywhere(prompt_share * self.projection(prompt.squeeze(1)), spread)
        return cast("Tensor", self.mix(torch.cat([features * feature_share, projected.expand(features.shape)], dim=1)))


class ModulationFusion(GatedFusion):
    """The prompt scales and shifts each channel."""

    def __init__(self, channels: int, prompt_dimension: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            nn.Linear(prompt_dimension, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, 2 * channels)
        )

    @property
    def last_layer(self) -> nn.Linear:
        """The last layer that the prompt alone passes through."""
        return cast("nn.Linear", self.projection[2])

    def forward(self, features: Tensor, prompt: Tensor, spread: Spread | None = None) -> Tensor:
        """Fuse a prompt (images, 1 or nodes, 1, dimension) into features (images, channels, H, W)."""
        feature_share, prompt_share = self.gates()
        scale, shift = self.projection(prompt.squeeze(1)).chunk(2, dim=1)
        scale = everywhere(feature_share * (1 + prompt_share * scale), spread)
        return torch.addcmul(everywhere(prompt_share * shift, spread), features, scale)


def make_fusion(
    method: FeatureFusion, channels: int, prompt_dimension: int | None
) -> GatedFusion | SequentialFusion | None:
    """Return the fusion of one block; None where there is no prompt."""
    if prompt_dimension is None:
        return None
    kinds: dict[str, type[ConcatFusion | CrossAttentionFusion | ModulationFusion | SequentialFusion]] = {
        "cross_attention": CrossAttentionFusion,
        "sequential": SequentialFusion,
        "concat": ConcatFusion,
        "adaptive_modulation": ModulationFusion,
    }
    return kinds[method](channels, prompt_dimension)
