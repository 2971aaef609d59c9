"""The Restormer backbone as the published full model uses it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from datprl_toolkit.network.fusion import make_fusion
from datprl_toolkit.network.layers import ChannelNorm

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import NetworkConfig
    from datprl_toolkit.network.context import StatisticsSource, Sums


class TransposedAttention(nn.Module):
    """Multi-Dconv head transposed attention: channels attend to channels, with sums over all pixels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.channels = channels
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.qkv_depthwise = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.out = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, statistics: StatisticsSource) -> Tensor:
        """Attend over the channels of x, (images, channels, H, W).

        The attention map and the output projection are both channels x channels, so they are multiplied first
        and the values are read once.
        """
        attention = statistics.resolve(partial(self._sums, x), self._attention_map)
        values = self._project(x, slice(2 * self.channels, 3 * self.channels)).flatten(2)
        mixing = self._fold(attention).to(values.dtype)
        return torch.bmm(mixing.expand(len(values), -1, -1), values).view(x.shape)

    def _project(self, x: Tensor, rows: slice) -> Tensor:
        """Return the wanted rows of query, key and value."""
        projected = functional.conv2d(x, self.qkv.weight[rows])
        weight = self.qkv_depthwise.weight[rows]
        return functional.conv2d(projected, weight, padding=1, groups=weight.shape[0])

    def _sums(self, x: Tensor) -> Sums:
        """Return q k^T, |q|^2 and |k|^2 summed over the pixels of each image."""
        query, key = self._project(x, slice(0, 2 * self.channels)).flatten(2).chunk(2, dim=1)
        query = query.reshape(len(x), self.heads, -1, query.shape[-1])
        key = key.reshape(query.shape)
        return query @ key.transpose(-1, -2), query.square().sum(-1), key.square().sum(-1)

    def _attention_map(self, sums: Sums) -> Tensor:
        """Return the map, (images, heads, channels of a head, the same)."""
        products, query_squares, key_squares = sums
        query_norm = query_squares.sqrt().clamp_min(1e-12).unsqueeze(-1)
        key_norm = key_squares.sqrt().clamp_min(1e-12).unsqueeze(-2)
        attention: Tensor = (products / (query_norm * key_norm) * self.temperature).softmax(dim=-1)
        return attention

    def _fold(self, attention: Tensor) -> Tensor:
        """Multiply the output projection with the block-diagonal map, (images, channels, channels)."""
        projection = self.out.weight.view(self.channels, self.heads, -1).transpose(0, 1)
        folded: Tensor = projection @ attention.to(projection.dtype)
        return folded.transpose(1, 2).flatten(2)


class GatedFeedForward(nn.Module):
    """Gated-Dconv feed-forward network."""

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.expand = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.depthwise = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.out = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (images, channels, H, W)."""
        gate, value = self.depthwise(self.expand(x)).chunk(2, dim=1)
        return cast("Tensor", self.out(functional.gelu(gate) * value))


class RestormerBlock(nn.Module):
    """Attention and feed-forward network; the prompt is fused into what the attention sees."""

    def __init__(self, config: NetworkConfig, channels: int, heads: int, *, prompted: bool) -> None:
        super().__init__()
        self.attention_norm = ChannelNorm(channels, eps=1e-5)
        self.attention = TransposedAttention(channels, heads)
        self.feed_forward_norm = ChannelNorm(channels, eps=1e-5)
        self.feed_forward = GatedFeedForward(channels, config.expansion)
        dimension = config.prompt_dimension if prompted else None
        self.fusion = make_fusion(config.feature_fusion, channels, dimension)

    def forward(self, x: Tensor, prompt: Tensor | None, statistics: StatisticsSource) -> Tensor:
        """Return (images, channels, H, W)."""
        seen = x if self.fusion is None or prompt is None else self.fusion(x, prompt)
        # The residual is added to x, not to what was fused.
        x = x + self.attention(self.attention_norm(seen), statistics)
        return cast("Tensor", x + self.feed_forward(self.feed_forward_norm(x)))


class RestormerBackbone(nn.Module):
    """Encoder, middle, decoder and refinement; skips are concatenated."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = len(config.encoder_blocks)
        widths = [config.width * 2**level for level in range(levels + 1)]
        folded = config.channels * config.stem_stride**2

        def blocks(number: int, channels: int, level: int, *, prompted: bool) -> nn.ModuleList:
            heads = config.heads[level]
            return nn.ModuleList(RestormerBlock(config, channels, heads, prompted=prompted) for _ in range(number))

        self.stem = nn.Conv2d(folded, config.width, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(
            blocks(number, widths[level], level, prompted=False) for level, number in enumerate(config.encoder_blocks)
        )
        self.downs = nn.ModuleList(nn.Conv2d(width, width // 2, 3, padding=1, bias=False) for width in widths[:-1])
        self.middle = blocks(config.middle_blocks, widths[-1], levels, prompted=True)
        self.ups = nn.ModuleList()
        self.reductions = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for number, level in zip(config.decoder_blocks, reversed(range(levels)), strict=True):
            self.ups.append(nn.Conv2d(widths[level + 1], 2 * widths[level + 1], 3, padding=1, bias=False))
            # At the finest level the concatenated skip is not reduced.
            reduction = nn.Conv2d(2 * widths[level], widths[level], 1, bias=False) if level else nn.Identity()
            self.reductions.append(reduction)
            channels = widths[level] if level else 2 * widths[0]
            self.decoder.append(blocks(number, channels, level, prompted=True))
        self.refinement = blocks(config.refinement_blocks, 2 * widths[0], 0, prompted=True)
        self.head = nn.Conv2d(2 * widths[0], folded, 3, padding=1, bias=False)

    def encode(self, shallow: Tensor, statistics: StatisticsSource) -> tuple[Tensor, list[Tensor]]:
        """Return the middle feature and the skips, finest first."""
        x, skips = shallow, []
        for blocks, down in zip(self.encoder, self.downs, strict=True):
            for block in cast("nn.ModuleList", blocks):
                x = block(x, None, statistics)
            skips.append(x)
            x = functional.pixel_unshuffle(down(x), 2)
        return x, skips

    def decode(self, x: Tensor, skips: list[Tensor], prompt: Tensor | None, statistics: StatisticsSource) -> Tensor:
        """Return the residual image, folded as the stem was."""
        for block in self.middle:
            x = block(x, prompt, statistics)
        for up, reduction, blocks, skip in zip(self.ups, self.reductions, self.decoder, reversed(skips), strict=True):
            x = torch.cat([functional.pixel_shuffle(up(x), 2), skip], dim=1)
            x = reduction(x)
            for block in cast("nn.ModuleList", blocks):
                x = block(x, prompt, statistics)
        for block in self.refinement:
            x = block(x, prompt, statistics)
        return cast("Tensor", self.head(x))
