"""Prompt pools: query, retrieval and composition (section 3.1 of the paper), and the fusion of the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import PromptForm, PromptPoolConfig

CHOICE_NOISE = 0.1
TEMPERATURE_RANGE = (0.1, 2.0)
ANCHOR_LOGIT = 20.0


@dataclass(frozen=True, slots=True)
class PromptChoice:
    """What a batch of images chose from one pool.

    Parameters
    ----------
    query
        (images, dimension).
    similarity
        Cosine similarity of the query with every key, (images, size).
    selected
        Indices of the chosen prompts, the most similar first, (images, top_k).
    weights
        Their shares alpha in the representation, equation 1, (images, top_k).
    representation
        The composed prompt, (images, tokens, dimension); one token in the ``"vector"`` form.
    """

    query: Tensor
    similarity: Tensor
    selected: Tensor
    weights: Tensor
    representation: Tensor

    def to(self, device: torch.device | str) -> PromptChoice:
        """Return the choice on `device`."""
        return PromptChoice(
            self.query.to(device),
            self.similarity.to(device),
            self.selected.to(device),
            self.weights.to(device),
            self.representation.to(device),
        )


class QueryProjector(nn.Module):
    """Maps features of any size to one query vector per image.

    Parameters
    ----------
    channels
        Channels of the features.
    dimension
        Length of the query.
    pools
        Sizes to which the features are pooled before each layer.
    """

    def __init__(self, channels: int, dimension: int, pools: tuple[int, int, int]) -> None:
        super().__init__()
        self.pools = pools
        self.first = nn.Conv2d(channels, channels // 2, 3, padding=1)
        self.second = nn.Conv2d(channels // 2, channels // 4, 3, padding=1)
        self.linear = nn.Linear(channels // 4, dimension)
        for layer in (self.first, self.second, self.linear):
            # Torch's default shrinks what passes; after three layers all images would ask for the same.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        """Return the queries, (images, dimension), of features (images, channels, H, W)."""
        x = functional.adaptive_avg_pool2d(features, self.pools[0])
        x = functional.relu(self.first(x))
        x = functional.adaptive_avg_pool2d(x, self.pools[1])
        x = functional.relu(self.second(x))
        x = functional.adaptive_avg_pool2d(x, self.pools[2])
        return cast("Tensor", self.linear(x.flatten(1)))


class PromptPool(nn.Module):
    """Learnable key-value prompts, and their composition for each query (equation 1)."""

    def __init__(self, config: PromptPoolConfig, form: PromptForm) -> None:
        super().__init__()
        self.top_k = config.top_k
        self.keys = nn.Parameter(torch.empty(config.size, config.dimension))
        self.values = nn.Parameter(torch.empty(config.size, config.tokens, config.dimension))
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.aggregation: nn.Sequential | None = None
        if form == "vector":
            self.aggregation = nn.Sequential(
                nn.Linear(config.tokens * config.dimension, config.dimension),
                nn.LayerNorm(config.dimension),
                nn.GELU(),
            )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start with half of the prompts Xavier-uniform, half orthogonal, and all but the first perturbed."""
        for prompts in (self.keys, self.values.view(self.values.shape[0], -1)):
            half = (prompts.shape[0] + 1) // 2
            nn.init.xavier_uniform_(prompts[:half])
            if prompts.shape[0] > half:
                nn.init.orthogonal_(prompts[half:])
            prompts[1:] += 0.5 * torch.randn_like(prompts[1:])

    def forward(self, query: Tensor, anchor: Tensor | None = None) -> PromptChoice:
        """Compose a prompt for each query.

        Parameters
        ----------
        query
            (images, dimension).
        anchor
            For a warm start of training: the index of the prompt that each image is given whatever it asks for,
            (images,); -1 lets it choose.
        """
        similarity = functional.normalize(query, dim=-1) @ functional.normalize(self.keys, dim=-1).T
        logits = similarity / self.temperature.clamp(*TEMPERATURE_RANGE)
        if anchor is not None:
            given = functional.one_hot(anchor.clamp_min(0), len(self.keys)) * (anchor >= 0).unsqueeze(-1)
            logits = logits + ANCHOR_LOGIT * given
        # Noise lets prompts that are seldom chosen be tried; it decides the choice, never the shares.
        noise = CHOICE_NOISE * torch.randn_like(logits) if self.training else 0.0
        selected = (logits + noise).topk(self.top_k, dim=-1).indices
        weights = logits.gather(-1, selected).softmax(dim=-1)
        composed = torch.einsum("bk,bktd->btd", weights, self.values[selected])
        if self.aggregation is not None:
            composed = self.aggregation(composed.flatten(1)).unsqueeze(1)
        return PromptChoice(query, similarity, selected, weights, composed)


class PoolFusion(nn.Module):
    """Makes one prompt of the domain and the task representation by cross-attention.

    The domain representation asks, the task representation answers; a feed-forward network follows.
    """

    HEADS = 8
    DROPOUT = 0.1

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dimension, self.HEADS, dropout=self.DROPOUT, batch_first=True)
        self.norm = nn.LayerNorm(dimension)
        self.feed_forward = nn.Sequential(
            nn.Linear(dimension, 2 * dimension),
            nn.GELU(),
            nn.Dropout(self.DROPOUT),
            nn.Linear(2 * dimension, dimension),
        )

    def forward(self, domain: Tensor, task: Tensor) -> Tensor:
        """Fuse two representations, each (images, tokens, dimension), into one of the same shape."""
        answer, _ = self.attention(domain, task, task, need_weights=False)
        fused = self.norm(domain + answer)
        return cast("Tensor", fused + self.feed_forward(fused))
