"""The Restormer backbone as the published full model uses it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from datprl_toolkit.network.depthwise import depthwise, gated_depthwise
from datprl_toolkit.network.fusion import make_fusion
from datprl_toolkit.network.layers import ChannelNorm
from datprl_toolkit.network.onednn import Convolution, product
from datprl_toolkit.network.strips import Widening, add_in_strips, plan_strips, pointwise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.network.configuration import NetworkConfig
    from datprl_toolkit.network.context import StatisticsSource, Sums
    from datprl_toolkit.network.lattice import Spread
    from datprl_toolkit.network.strips import Strip


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

    def sums(self, strips: Sequence[Strip], seen: Callable[[Strip], Tensor], images: int) -> Sums:
        """Return q k^T, |q|^2 and |k|^2 of each image, summed over its pixels.

        Parameters
        ----------
        strips
            Strips of the images, which together are the whole.
        seen
            What the attention sees of a strip's fresh rows.
        images
            Number of images.
        """
        project = tuple(self._projection(part) for part in (0, 1))
        totals: Sums = ()
        for strip in strips:
            fresh = seen(strip)
            parts = self._sums_of_strip(project[0](fresh, strip), project[1](fresh, strip))
            if len(strips) == 1:
                return parts
            totals = totals or tuple(part.new_zeros(images, *part.shape[1:], dtype=torch.float32) for part in parts)
            for total, part in zip(totals, parts, strict=True):
                total[strip.images] += part
        return totals

    def mixer(self, mixing: Tensor, spread: Spread | None) -> Callable[[Tensor, Strip], Tensor]:
        """Return what mixes a strip's values by what `fold` made of the attention maps of the images or the nodes."""
        project = self._projection(2)

        def mix(fresh: Tensor, strip: Strip) -> Tensor:
            values = project(fresh, strip).permute(0, 2, 3, 1)

            def mixed(by: Tensor) -> Tensor:
                by = by.to(values.dtype)
                if len(by) == 1:
                    return product(values, by[0]).permute(0, 3, 1, 2)
                return (values.flatten(1, 2) @ by.transpose(1, 2)).view(values.shape).permute(0, 3, 1, 2)

            if spread is None:
                return mixed(strip.own(mixing))
            return spread.part(strip.images, strip.core_rows).blend(lambda node: mixed(mixing[node, None]))

        return mix

    def _projection(self, part: int) -> Callable[[Tensor, Strip], Tensor]:
        """Return the projection to query (0), key (1) or value (2), for the strips of images in order."""
        rows = slice(part * self.channels, (part + 1) * self.channels)
        widen = Widening(self.qkv.weight[rows])
        kernels = self.qkv_depthwise.weight[rows]
        return lambda fresh, strip: depthwise(widen(fresh, strip), kernels, strip.padding)

    def _sums_of_strip(self, query: Tensor, key: Tensor) -> Sums:
        pixels = (each.permute(0, 2, 3, 1).flatten(1, 2) for each in (query, key))
        query, key = (each.view(*each.shape[:2], self.heads, -1).transpose(1, 2) for each in pixels)
        return query.transpose(-1, -2) @ key, query.square().sum(-2), key.square().sum(-2)

    def attention_map(self, sums: Sums) -> Tensor:
        """Return the map, (images, heads, channels of a head, the same)."""
        products, query_squares, key_squares = sums
        query_norm = query_squares.sqrt().clamp_min(1e-12).unsqueeze(-1)
        key_norm = key_squares.sqrt().clamp_min(1e-12).unsqueeze(-2)
        attention: Tensor = (products / (query_norm * key_norm) * self.temperature).softmax(dim=-1)
        return attention

    def fold(self, attention: Tensor) -> Tensor:
        """Multiply the output projection with the block-diagonal map, (images, channels, channels).

        Both are channels x channels, so the values are read only once.
        """
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

    def feeder(self) -> Callable[[Tensor, Strip], Tensor]:
        """Return what makes (images, channels, H, W) of a strip's fresh rows, for the strips of images in order."""
        # Gate and value apart, so that each lies in memory in one piece.
        gate, value = (Widening(weight) for weight in self.expand.weight.chunk(2))
        gate_kernels, value_kernels = self.depthwise.weight.chunk(2)

        def feed(fresh: Tensor, strip: Strip) -> Tensor:
            wide = gate(fresh, strip), value(fresh, strip)
            hidden = gated_depthwise(*wide, gate_kernels, value_kernels, strip.padding)
            return pointwise(hidden, self.out.weight)

        return feed

    @torch.no_grad()
    def align(self, multiple: int) -> None:
        """Add channels of zeros, which change no result, until gate and value each have a multiple of channels."""
        hidden = self.out.in_channels
        extra = -hidden % multiple
        for layer in (self.expand, self.depthwise):
            halves = layer.weight.chunk(2)
            padded = [functional.pad(half, (0, 0, 0, 0, 0, 0, 0, extra)) for half in halves]
            layer.weight = nn.Parameter(torch.cat(padded))
            layer.out_channels += 2 * extra
        self.depthwise.in_channels = self.depthwise.groups = self.depthwise.out_channels
        self.out.weight = nn.Parameter(functional.pad(self.out.weight, (0, 0, 0, 0, 0, extra)))
        self.out.in_channels += extra


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
        attention = self.attention
        strips = plan_strips(x, 2 * attention.channels)

        spread = statistics.spread(x)

        def seen(strip: Strip) -> Tensor:
            features = strip.fresh(x)
            if self.fusion is not None and prompt is not None:
                spread_here = None if spread is None else spread.part(strip.images, strip.fresh_rows)
                features = self.fusion(features, strip.own(prompt) if spread is None else prompt, spread_here)
            return cast("Tensor", self.attention_norm(features))

        statistic = statistics.resolve(partial(attention.sums, strips, seen, len(x)), attention.attention_map)
        mix = attention.mixer(attention.fold(statistic), spread)
        # The residual is added to x, not to what was fused.
        y = add_in_strips(strips, x, lambda strip: mix(seen(strip), strip))
        strips = plan_strips(y, self.feed_forward.out.in_channels)
        feed = self.feed_forward.feeder()
        return add_in_strips(
            strips, y, lambda strip: feed(self.feed_forward_norm(strip.fresh(y)), strip), in_place=True
        )


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

        self.stem = Convolution(folded, config.width, 3, padding=1, bias=False)
        self.encoder = nn.ModuleList(
            blocks(number, widths[level], level, prompted=False) for level, number in enumerate(config.encoder_blocks)
        )
        self.downs = nn.ModuleList(Convolution(width, width // 2, 3, padding=1, bias=False) for width in widths[:-1])
        self.middle = blocks(config.middle_blocks, widths[-1], levels, prompted=True)
        self.ups = nn.ModuleList()
        self.reductions = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for number, level in zip(config.decoder_blocks, reversed(range(levels)), strict=True):
            self.ups.append(Convolution(widths[level + 1], 2 * widths[level + 1], 3, padding=1, bias=False))
            # At the finest level the concatenated skip is not reduced.
            reduction = Convolution(2 * widths[level], widths[level], 1, bias=False) if level else nn.Identity()
            self.reductions.append(reduction)
            channels = widths[level] if level else 2 * widths[0]
            self.decoder.append(blocks(number, channels, level, prompted=True))
        self.refinement = blocks(config.refinement_blocks, 2 * widths[0], 0, prompted=True)
        self.head = Convolution(2 * widths[0], folded, 3, padding=1, bias=False)

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
