"""The NAFNet backbone, its middle and decoder blocks prompted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from datprl_toolkit.network.fusion import make_fusion
from datprl_toolkit.network.lattice import everywhere
from datprl_toolkit.network.layers import ChannelNorm
from datprl_toolkit.network.onednn import Convolution

if TYPE_CHECKING:
    from datprl_toolkit.network.configuration import NetworkConfig
    from datprl_toolkit.network.context import StatisticsSource, Sums


INITIAL_SCALE = 0.2
"""Of the two branches of a block: small enough to be stable, large enough to learn from the first step."""


def simple_gate(x: Tensor) -> Tensor:
    """Multiply one half of the channels with the other."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NafBlock(nn.Module):
    """Gated depthwise convolution with channel attention, then a gated 1x1 network.

    The prompt is fused after the first normalisation, before the first 1x1 convolution.
    """

    def __init__(self, config: NetworkConfig, channels: int, *, prompted: bool) -> None:
        super().__init__()
        self.spatial_norm = ChannelNorm(channels, eps=1e-6)
        self.expand = Convolution(channels, 2 * channels, 1)
        self.depthwise = Convolution(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.channel_attention = Convolution(channels, channels, 1)
        self.out = Convolution(channels, channels, 1)
        self.spatial_scale = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_SCALE))
        self.channel_norm = ChannelNorm(channels, eps=1e-6)
        self.channel_expand = Convolution(channels, 2 * channels, 1)
        self.channel_out = Convolution(channels, channels, 1)
        self.channel_scale = nn.Parameter(torch.full((1, channels, 1, 1), INITIAL_SCALE))
        dimension = config.prompt_dimension if prompted else None
        self.fusion = make_fusion(config.feature_fusion, channels, dimension)
        # An open gate passes the features on until it has learnt which to hold back.
        nn.init.ones_(cast("Tensor", self.channel_attention.bias))

    def forward(self, x: Tensor, prompt: Tensor | None, statistics: StatisticsSource) -> Tensor:
        """Return (images, channels, H, W)."""
        seen = self.spatial_norm(x)
        spread = statistics.spread(x)
        if self.fusion is not None and prompt is not None:
            seen = self.fusion(seen, prompt, spread)
        gated = simple_gate(self.depthwise(self.expand(seen)))
        pooled = statistics.resolve(partial(self._sums, gated), self._mean)
        gated = gated * everywhere(self.channel_attention(pooled.to(gated.dtype)).flatten(1), spread)
        x = torch.addcmul(x, self.out(gated), self.spatial_scale)
        gated = simple_gate(self.channel_expand(self.channel_norm(x)))
        return torch.addcmul(x, self.channel_out(gated), self.channel_scale)

    @staticmethod
    def _sums(x: Tensor) -> Sums:
        """Return the sum over the pixels of each image, and their number."""
        number = torch.full((x.shape[0], 1, 1, 1), float(x.shape[-1] * x.shape[-2]), device=x.device)
        return x.sum(dim=(-2, -1), keepdim=True, dtype=torch.float32), number

    @staticmethod
    def _mean(sums: Sums) -> Tensor:
        """Return the pooled vector, (images, channels, 1, 1)."""
        total, number = sums
        return total / number


class NafnetBackbone(nn.Module):
    """Encoder, middle and decoder; skips are added."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        levels = len(config.encoder_blocks)
        widths = [config.width * 2**level for level in range(levels + 1)]
        folded = config.channels * config.stem_stride**2

        def blocks(number: int, channels: int, *, prompted: bool) -> nn.ModuleList:
            return nn.ModuleList(NafBlock(config, channels, prompted=prompted) for _ in range(number))

        self.stem = Convolution(folded, config.width, 3, padding=1)
        self.encoder = nn.ModuleList(
            blocks(number, width, prompted=False)
            for number, width in zip(config.encoder_blocks, widths[:-1], strict=True)
        )
        self.downs = nn.ModuleList(Convolution(width, 2 * width, 2, stride=2) for width in widths[:-1])
        self.middle = blocks(config.middle_blocks, widths[-1], prompted=True)
        self.ups = nn.ModuleList(Convolution(width, 2 * width, 1, bias=False) for width in widths[:0:-1])
        self.decoder = nn.ModuleList(
            blocks(number, width, prompted=True)
            for number, width in zip(config.decoder_blocks, widths[-2::-1], strict=True)
        )
        self.head = Convolution(config.width, folded, 3, padding=1)

    def encode(self, shallow: Tensor, statistics: StatisticsSource) -> tuple[Tensor, list[Tensor]]:
        """Return the middle feature and the skips, finest first."""
        x, skips = shallow, []
        for blocks, down in zip(self.encoder, self.downs, strict=True):
            for block in cast("nn.ModuleList", blocks):
                x = block(x, None, statistics)
            skips.append(x)
            x = down(x)
        return x, skips

    def decode(self, x: Tensor, skips: list[Tensor], prompt: Tensor | None, statistics: StatisticsSource) -> Tensor:
        """Return the residual image, folded as the stem was."""
        for block in self.middle:
            x = block(x, prompt, statistics)
        for up, blocks, skip in zip(self.ups, self.decoder, reversed(skips), strict=True):
            x = functional.pixel_shuffle(up(x), 2) + skip
            for block in cast("nn.ModuleList", blocks):
                x = block(x, prompt, statistics)
        return cast("Tensor", self.head(x))
