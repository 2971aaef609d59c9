"""Configuration of the network: which backbone, how wide and deep, which prompt pools, how they are fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

Backbone = Literal["restormer", "nafnet"]
FeatureFusion = Literal["cross_attention", "concat", "adaptive_modulation", "sequential"]
PoolFusionMethod = Literal["cross_attention", "concat"]
PromptForm = Literal["vector", "tokens"]


@dataclass(frozen=True, slots=True)
class PromptPoolConfig:
    """Size of one prompt pool (section 3.1 of the paper).

    Parameters
    ----------
    size
        Number of prompts in the pool, N.
    top_k
        Number of prompts that an image selects, k.
    dimension
        Length d of a key and of each token of a value.
    tokens
        Number of tokens T in a value.
    """

    size: int = 15
    top_k: int = 3
    dimension: int = 1024
    tokens: int = 2

    def __post_init__(self) -> None:
        if min(self.size, self.top_k, self.dimension, self.tokens) < 1:
            msg = f"a prompt pool needs positive sizes, not {self}"
            raise ValueError(msg)
        if self.top_k > self.size:
            msg = f"a prompt pool of {self.size} prompts cannot select {self.top_k}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that determines the shapes of the network's parameters.

    Parameters
    ----------
    backbone
        ``"restormer"``, the published full model, or ``"nafnet"``.
    width
        Channels at full resolution; doubled at each level below.
    encoder_blocks, decoder_blocks
        Blocks per level. The encoder is given from the finest level down, the decoder from the coarsest up.
    middle_blocks
        Blocks at the coarsest resolution.
    refinement_blocks
        Blocks at full resolution after the decoder (Restormer only).
    heads
        Attention heads per level, the coarsest last (Restormer only).
    expansion
        Factor of hidden channels in the feed-forward network (Restormer only).
    task_pool, domain_pool
        The two prompt pools; None switches a pool off.
    feature_fusion
        How the prompt enters the features of a block. ``"sequential"`` fuses the domain's representation and then
        the task's, and leaves `pool_fusion` without a part.
    pool_fusion
        How the two representations become one prompt, where both pools are on.
    prompt_form
        ``"vector"``: the T tokens of a composed prompt are projected to one, as released. ``"tokens"``: they are
        kept, and blocks attend over T keys, as in equation 3 of the paper.
    stem_stride
        1 works at the image's resolution, as published. 2 folds 2x2 pixels into channels first, which costs a
        quarter at the same width.
    channels
        Channels of the image.
    """

    backbone: Backbone = "restormer"
    width: int = 48
    encoder_blocks: tuple[int, ...] = (4, 6, 6)
    middle_blocks: int = 8
    decoder_blocks: tuple[int, ...] = (4, 6, 6)
    refinement_blocks: int = 4
    heads: tuple[int, ...] = (1, 2, 4, 8)
    expansion: float = 2.66
    task_pool: PromptPoolConfig | None = PromptPoolConfig(top_k=3)
    domain_pool: PromptPoolConfig | None = PromptPoolConfig(top_k=5)
    feature_fusion: FeatureFusion = "cross_attention"
    pool_fusion: PoolFusionMethod = "cross_attention"
    prompt_form: PromptForm = "vector"
    stem_stride: int = 1
    channels: int = 3

    def __post_init__(self) -> None:
        _check_choice("backbone", self.backbone, get_args(Backbone))
        _check_choice("feature_fusion", self.feature_fusion, get_args(FeatureFusion))
        _check_choice("pool_fusion", self.pool_fusion, get_args(PoolFusionMethod))
        _check_choice("prompt_form", self.prompt_form, get_args(PromptForm))
        if len(self.encoder_blocks) != len(self.decoder_blocks):
            msg = f"the encoder has {len(self.encoder_blocks)} levels, the decoder {len(self.decoder_blocks)}"
            raise ValueError(msg)
        if self.backbone == "restormer" and len(self.heads) != len(self.encoder_blocks) + 1:
            msg = f"{len(self.encoder_blocks)} levels and the middle need as many heads, not {self.heads}"
            raise ValueError(msg)
        if self.task_pool and self.domain_pool and self.task_pool.dimension != self.domain_pool.dimension:
            msg = "both prompt pools must have the same dimension"
            raise ValueError(msg)
        if self.feature_fusion == "sequential" and not (
            self.task_pool and self.domain_pool and self.task_pool.tokens == self.domain_pool.tokens
        ):
            msg = "sequential fusion takes both prompt pools, with as many tokens each"
            raise ValueError(msg)
        if self.feature_fusion == "sequential" and self.pool_fusion != "cross_attention":
            msg = f"sequential fusion does not fuse the pools by {self.pool_fusion!r}"
            raise ValueError(msg)
        if self.prompt_form == "tokens" and self.feature_fusion not in ("cross_attention", "sequential"):
            msg = f"prompt tokens are attended over; they cannot be fused by {self.feature_fusion!r}"
            raise ValueError(msg)
        if self.prompt_form == "tokens" and self.pool_fusion != "cross_attention":
            msg = f"prompt tokens are attended over; two pools cannot be fused by {self.pool_fusion!r}"
            raise ValueError(msg)

    @property
    def grid(self) -> int:
        """Sizes are padded to a multiple of this, and tiles must start on one."""
        return int(2 ** len(self.encoder_blocks)) * self.stem_stride

    @property
    def prompt_dimension(self) -> int | None:
        """Length of the prompt's tokens as the blocks receive them; None without pools."""
        pools = [pool for pool in (self.domain_pool, self.task_pool) if pool is not None]
        if not pools:
            return None
        return sum(p.dimension for p in pools) if self.pool_fusion == "concat" else pools[0].dimension

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Build a configuration from plain values.

        Raises
        ------
        ValueError
            If a name is unknown or a value does not fit.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            msg = f"unknown network settings: {', '.join(unknown)}"
            raise ValueError(msg)
        plain = dict(values)
        for name in ("encoder_blocks", "decoder_blocks", "heads"):
            if name in plain:
                plain[name] = tuple(int(number) for number in plain[name])
        for name in ("task_pool", "domain_pool"):
            if isinstance(plain.get(name), Mapping):
                plain[name] = PromptPoolConfig(**plain[name])
        return cls(**plain)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, not {value!r}"
        raise ValueError(msg)


_PUBLISHED = NetworkConfig()
_SMALL = NetworkConfig(
    backbone="nafnet",
    width=32,
    encoder_blocks=(3, 4, 8),
    middle_blocks=3,
    decoder_blocks=(4, 6, 7),
    refinement_blocks=0,
    heads=(),
    task_pool=PromptPoolConfig(top_k=3, dimension=128),
    domain_pool=PromptPoolConfig(top_k=5, dimension=128),
    feature_fusion="adaptive_modulation",
    stem_stride=2,
)

PRESETS: Mapping[str, NetworkConfig] = {
    # The multi-domain settings differ in their tasks, not in their shapes.
    "md-6t": _PUBLISHED,
    "md-7t": _PUBLISHED,
    "md-8t": _PUBLISHED,
    "md-9t": _PUBLISHED,
    # The natural-image settings have one domain and so the task pool alone.
    "natural-3t": replace(_PUBLISHED, domain_pool=None),
    "natural-5t": replace(_PUBLISHED, domain_pool=None),
    "natural-cdd11": replace(_PUBLISHED, domain_pool=None),
    "small": _SMALL,
}


def preset(name: str) -> NetworkConfig:
    """Return the configuration known under `name`.

    Raises
    ------
    ValueError
        If there is none; the message lists those there are.
    """
    if name not in PRESETS:
        msg = f"there is no network preset {name!r}; there are {', '.join(PRESETS)}"
        raise ValueError(msg)
    return PRESETS[name]
