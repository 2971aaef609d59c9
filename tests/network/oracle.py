"""The network written down a second time, literally, formula by formula: what every optimisation is judged by.

It reads the parameters of a `DatprlNetwork` and nothing else of it. Nothing here is fast, and nothing here may be
made fast: queries over a single token are computed although their softmax is 1, attention maps are applied before
they are projected, every intermediate result is whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from datprl_toolkit.network import DatprlNetwork, NetworkConfig

State = "Mapping[str, Tensor]"


class Oracle:
    """The whole network for images that each have their own context.

    Parameters
    ----------
    network
        Where the parameters come from.
    """

    def __init__(self, network: DatprlNetwork) -> None:
        self.config: NetworkConfig = network.config
        self.state: Mapping[str, Tensor] = dict(network.state_dict())

    def __call__(self, image: Tensor) -> Tensor:
        """Restore images (images, 3, H, W)."""
        height, width = image.shape[-2:]
        grid = self.config.grid
        padded = functional.pad(image, (0, -width % grid, 0, -height % grid))
        shallow = self.convolve("backbone.stem", functional.pixel_unshuffle(padded, self.config.stem_stride))
        restormer = self.config.backbone == "restormer"
        block = self.restormer_block if restormer else self.naf_block
        x, skips = shallow, []
        for level, number in enumerate(self.config.encoder_blocks):
            for index in range(number):
                x = block(f"backbone.encoder.{level}.{index}", x, None, level)
            skips.append(x)
            x = self.down(level, x)
        prompt = self.prompt(shallow, x)
        for index in range(self.config.middle_blocks):
            x = block(f"backbone.middle.{index}", x, prompt, len(skips))
        for place, number in enumerate(self.config.decoder_blocks):
            level = len(skips) - 1 - place
            x = self.up(place, level, x, skips[level])
            for index in range(number):
                x = block(f"backbone.decoder.{place}.{index}", x, prompt, level)
        for index in range(self.config.refinement_blocks):
            x = block(f"backbone.refinement.{index}", x, prompt, 0)
        residual = functional.pixel_shuffle(self.convolve("backbone.head", x), self.config.stem_stride)
        return (padded + residual)[..., :height, :width]

    def convolve(self, name: str, x: Tensor, *, stride: int = 1, depthwise: bool = False) -> Tensor:
        """Convolve with zeros around."""
        weight = self.state[f"{name}.weight"]
        padding = weight.shape[-1] // 2 if stride == 1 else 0
        bias = self.state.get(f"{name}.bias")
        return functional.conv2d(x, weight, bias, stride, padding, groups=weight.shape[0] if depthwise else 1)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """Apply a fully connected layer to the last axis."""
        return functional.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        """Normalise each pixel over the channels."""
        pixels = x.flatten(2).transpose(1, 2)
        mean = pixels.mean(dim=-1, keepdim=True)
        variance = pixels.var(dim=-1, keepdim=True, unbiased=False)
        normed = (pixels - mean) / torch.sqrt(variance + eps) * self.state[f"{name}.weight"]
        return (normed + self.state[f"{name}.bias"]).transpose(1, 2).reshape(x.shape)

    def down(self, level: int, x: Tensor) -> Tensor:
        """Halve the size, double the channels."""
        if self.config.backbone == "nafnet":
            return self.convolve(f"backbone.downs.{level}", x, stride=2)
        return functional.pixel_unshuffle(self.convolve(f"backbone.downs.{level}", x), 2)

    def up(self, place: int, level: int, x: Tensor, skip: Tensor) -> Tensor:
        """Double the size, halve the channels, and join what the encoder had there."""
        x = functional.pixel_shuffle(self.convolve(f"backbone.ups.{place}", x), 2)
        if self.config.backbone == "nafnet":
            return x + skip
        x = torch.cat([x, skip], dim=1)
        return self.convolve(f"backbone.reductions.{place}", x) if level else x

    def restormer_block(self, name: str, x: Tensor, prompt: Tensor | None, level: int) -> Tensor:
        """Transposed attention and gated feed-forward network."""
        seen = self.norm(f"{name}.attention_norm", self.fuse(f"{name}.fusion", x, prompt), 1e-5)
        qkv = self.convolve(
            f"{name}.attention.qkv_depthwise", self.convolve(f"{name}.attention.qkv", seen), depthwise=True
        )
        heads = self.config.heads[level]
        query, key, value = (part.reshape(len(x), heads, -1, x.shape[2] * x.shape[3]) for part in qkv.chunk(3, dim=1))
        query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        attention = (query @ key.transpose(-2, -1) * self.state[f"{name}.attention.temperature"]).softmax(dim=-1)
        x = x + self.convolve(f"{name}.attention.out", (attention @ value).flatten(1, 2).view(x.shape))
        normed = self.norm(f"{name}.feed_forward_norm", x, 1e-5)
        expanded = self.convolve(f"{name}.feed_forward.expand", normed)
        gate, value = self.convolve(f"{name}.feed_forward.depthwise", expanded, depthwise=True).chunk(2, dim=1)
        return x + self.convolve(f"{name}.feed_forward.out", functional.gelu(gate) * value)

    def naf_block(self, name: str, x: Tensor, prompt: Tensor | None, level: int) -> Tensor:
        """Gated depthwise convolution with channel attention, and gated 1x1 network."""
        del level
        seen = self.fuse(f"{name}.fusion", self.norm(f"{name}.spatial_norm", x, 1e-6), prompt)
        first, second = self.convolve(f"{name}.depthwise", self.convolve(f"{name}.expand", seen), depthwise=True).chunk(
            2, 1
        )
        gated = first * second
        gated = gated * self.convolve(f"{name}.channel_attention", gated.mean(dim=(2, 3), keepdim=True))
        x = x + self.convolve(f"{name}.out", gated) * self.state[f"{name}.spatial_scale"]
        first, second = self.convolve(f"{name}.channel_expand", self.norm(f"{name}.channel_norm", x, 1e-6)).chunk(2, 1)
        return x + self.convolve(f"{name}.channel_out", first * second) * self.state[f"{name}.channel_scale"]

    def fuse(self, name: str, x: Tensor, prompt: Tensor | None) -> Tensor:
        """Adaptive gated fusion, equation 3 of the paper, and the other forms: two released, one of table 13."""
        if prompt is None:
            return x
        if self.config.feature_fusion == "sequential":
            domain, task = prompt.chunk(2, dim=1)
            return self.attend(f"{name}.task", self.attend(f"{name}.domain", x, domain), task)
        gates = torch.cat([self.state[f"{name}.feature_gate"], self.state[f"{name}.prompt_gate"]]).softmax(dim=0)
        if self.config.feature_fusion == "adaptive_modulation":
            hidden = functional.relu(self.linear(f"{name}.projection.0", prompt.squeeze(1)))
            scale, shift = self.linear(f"{name}.projection.2", hidden)[:, :, None, None].chunk(2, dim=1)
            return gates[0] * x * (1 + gates[1] * scale) + gates[1] * shift
        if self.config.feature_fusion == "concat":
            projected = self.linear(f"{name}.projection", prompt.squeeze(1))[:, :, None, None].expand(x.shape)
            return self.convolve(f"{name}.mix", torch.cat([x * gates[0], projected * gates[1]], dim=1))
        return self.attend(name, x, prompt, gates)

    def attend(self, name: str, x: Tensor, prompt: Tensor, gates: Tensor | tuple[float, float] = (1.0, 1.0)) -> Tensor:
        """Let every pixel ask the tokens of the prompt."""
        weight, bias = self.state[f"{name}.norm.weight"], self.state[f"{name}.norm.bias"]
        prompt = functional.layer_norm(prompt, prompt.shape[-1:], weight, bias)
        pixels = x.flatten(2).transpose(1, 2)
        query = gates[0] * self.linear(f"{name}.query", pixels)
        key, value = (gates[1] * self.linear(f"{name}.{part}", prompt) for part in ("key", "value"))
        attention = (query @ key.transpose(1, 2) / x.shape[1] ** 0.5).softmax(dim=-1)
        answer = self.linear(f"{name}.out", attention @ value)
        return gates[0] * x + answer.transpose(1, 2).reshape(x.shape)

    def prompt(self, shallow: Tensor, middle: Tensor) -> Tensor | None:
        """Query both pools, equation 1, and fuse what they give, equation 2 of the released form."""
        domain = self.retrieve("domain", shallow, (8, 4, 1), self.config.domain_pool)
        task = self.retrieve("task", middle, (4, 2, 1), self.config.task_pool)
        if domain is None or task is None:
            return task if domain is None else domain
        if self.config.feature_fusion == "sequential":
            return torch.cat([domain, task], dim=1)
        if self.config.pool_fusion != "cross_attention":
            return torch.cat([domain, task], dim=-1)
        state, name = self.state, "pool_fusion.attention"
        weights = (state[f"{name}.in_proj_weight"], state[f"{name}.in_proj_bias"])
        query, key, value = (
            functional.linear(source, weight, bias).reshape(*source.shape[:2], 8, -1).transpose(1, 2)
            for source, weight, bias in zip((domain, task, task), weights[0].chunk(3), weights[1].chunk(3), strict=True)
        )
        attention = (query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5).softmax(dim=-1)
        answer = self.linear(f"{name}.out_proj", (attention @ value).transpose(1, 2).flatten(2))
        fused = functional.layer_norm(
            domain + answer, domain.shape[-1:], state["pool_fusion.norm.weight"], state["pool_fusion.norm.bias"]
        )
        hidden = functional.gelu(self.linear("pool_fusion.feed_forward.0", fused))
        return fused + self.linear("pool_fusion.feed_forward.3", hidden)

    def retrieve(self, kind: str, features: Tensor, pools: tuple[int, int, int], config: object) -> Tensor | None:
        """Return the representation that one pool composes for each image."""
        if config is None:
            return None
        x = functional.adaptive_avg_pool2d(features, pools[0])
        x = functional.adaptive_avg_pool2d(functional.relu(self.convolve(f"{kind}_query.first", x)), pools[1])
        x = functional.adaptive_avg_pool2d(functional.relu(self.convolve(f"{kind}_query.second", x)), pools[2])
        query = self.linear(f"{kind}_query.linear", x.flatten(1))
        keys, values = self.state[f"{kind}_pool.keys"], self.state[f"{kind}_pool.values"]
        temperature = self.state[f"{kind}_pool.temperature"].clamp(0.1, 2.0)
        similarity = functional.normalize(query, dim=-1) @ functional.normalize(keys, dim=-1).T / temperature
        top = similarity.topk(config.top_k, dim=-1)  # type: ignore[attr-defined]
        composed = (top.values.softmax(dim=-1)[:, :, None, None] * values[top.indices]).sum(dim=1)
        if self.config.prompt_form == "tokens":
            return composed
        flat = self.linear(f"{kind}_pool.aggregation.0", composed.flatten(1))
        weight, bias = self.state[f"{kind}_pool.aggregation.1.weight"], self.state[f"{kind}_pool.aggregation.1.bias"]
        return functional.gelu(functional.layer_norm(flat, flat.shape[-1:], weight, bias)).unsqueeze(1)
