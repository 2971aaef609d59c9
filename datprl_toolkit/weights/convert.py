"""Published checkpoints into this toolkit's weights: every container, every key, configuration from the shapes."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from datprl_toolkit.errors import ErrorCode, InputError, WeightsError
from datprl_toolkit.network import DatprlNetwork, NetworkConfig, PromptPoolConfig
from datprl_toolkit.weights.store import describe_mismatch

if TYPE_CHECKING:
    from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]

CONTAINERS = ("params_ema", "params", "state_dict")
"""Keys under which containers hold the weights; averaged weights are taken where there are both."""
PREFIXES = ("module.", "net.", "model.")

_COMMON: tuple[tuple[str, str], ...] = (
    (r"^(domain)_mapper\.mapper\.", r"\1_query."),
    (r"^degradation_mapper\.mapper\.", "task_query."),
    (r"^(domain|task)_query\.1\.", r"\1_query.first."),
    (r"^(domain|task)_query\.4\.", r"\1_query.second."),
    (r"^(domain|task)_query\.8\.", r"\1_query.linear."),
    (r"^domain_prompt_pool\.", "domain_pool."),
    (r"^degradation_prompt_pool\.", "task_pool."),
    (r"_pool\.prompt_(keys|values)$", r"_pool.\1"),
    (r"_pool\.value_aggregation\.", "_pool.aggregation."),
    (r"^prompt_cross_attention\.", "pool_fusion.attention."),
    (r"^prompt_fusion_norm\.", "pool_fusion.norm."),
    (r"^prompt_fusion_ffn\.", "pool_fusion.feed_forward."),
    (r"\.feature_weight$", ".fusion.feature_gate"),
    (r"\.prompt_weight$", ".fusion.prompt_gate"),
    (r"\.cross_attn_q\.", ".fusion.query."),
    (r"\.cross_attn_k\.", ".fusion.key."),
    (r"\.cross_attn_v\.", ".fusion.value."),
    (r"\.cross_attn_out\.", ".fusion.out."),
    (r"\.prompt_norm\.", ".fusion.norm."),
    (r"\.prompt_projection\.", ".fusion.projection."),
    (r"\.prompt_mlp\.", ".fusion.projection."),
    (r"\.prompt_fusion\.", ".fusion.mix."),
)
_RESTORMER: tuple[tuple[str, str], ...] = (
    (r"^patch_embed\.proj\.", "backbone.stem."),
    (r"^encoder_level1\.", "backbone.encoder.0."),
    (r"^encoder_level2\.", "backbone.encoder.1."),
    (r"^encoder_level3\.", "backbone.encoder.2."),
    (r"^down1_2\.body\.0\.", "backbone.downs.0."),
    (r"^down2_3\.body\.0\.", "backbone.downs.1."),
    (r"^down3_4\.body\.0\.", "backbone.downs.2."),
    (r"^latent_blocks\.", "backbone.middle."),
    (r"^up4_3\.body\.0\.", "backbone.ups.0."),
    (r"^up3_2\.body\.0\.", "backbone.ups.1."),
    (r"^up2_1\.body\.0\.", "backbone.ups.2."),
    (r"^reduce_chan_level3\.", "backbone.reductions.0."),
    (r"^reduce_chan_level2\.", "backbone.reductions.1."),
    (r"^decoder_level3\.", "backbone.decoder.0."),
    (r"^decoder_level2\.", "backbone.decoder.1."),
    (r"^decoder_level1\.", "backbone.decoder.2."),
    (r"^refinement\.", "backbone.refinement."),
    (r"^output\.", "backbone.head."),
    (r"\.norm1\.body\.", ".attention_norm."),
    (r"\.norm2\.body\.", ".feed_forward_norm."),
    (r"\.attn\.qkv_dwconv\.", ".attention.qkv_depthwise."),
    (r"\.attn\.project_out\.", ".attention.out."),
    (r"\.attn\.", ".attention."),
    (r"\.ffn\.project_in\.", ".feed_forward.expand."),
    (r"\.ffn\.dwconv\.", ".feed_forward.depthwise."),
    (r"\.ffn\.project_out\.", ".feed_forward.out."),
)
_NAFNET: tuple[tuple[str, str], ...] = (
    (r"^intro\.", "backbone.stem."),
    (r"^encoders\.", "backbone.encoder."),
    (r"^downs\.", "backbone.downs."),
    (r"^middle_blks\.", "backbone.middle."),
    (r"^ups\.(\d+)\.0\.", r"backbone.ups.\1."),
    (r"^decoders\.", "backbone.decoder."),
    (r"^ending\.", "backbone.head."),
    (r"\.norm1\.", ".spatial_norm."),
    (r"\.norm2\.", ".channel_norm."),
    (r"\.conv1\.", ".expand."),
    (r"\.conv2\.", ".depthwise."),
    (r"\.conv3\.", ".out."),
    (r"\.conv4\.", ".channel_expand."),
    (r"\.conv5\.", ".channel_out."),
    (r"\.sca\.1\.", ".channel_attention."),
    (r"\.beta$", ".spatial_scale"),
    (r"\.gamma$", ".channel_scale"),
)


def convert_checkpoint(
    path: Path, *, task_top_k: int = 3, domain_top_k: int = 5
) -> tuple[DatprlNetwork, NetworkConfig]:
    """Read a published checkpoint into the network that its shapes describe.

    Parameters
    ----------
    path
        A ``.pth``, ``.pt`` or ``.ckpt`` file, loaded with ``weights_only=True``, or ``.safetensors``.
    task_top_k, domain_top_k
        Prompts chosen from each pool: the one setting that the shapes do not tell. The defaults are published.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is no such file.
    WeightsError
        ``E_WEIGHTS`` if the file holds code, is damaged, or its tensors are not those of a DATPRL-IR network;
        the message lists what is missing and what is left over.
    """
    tensors = rename_keys(unwrap(_read(path), path), path)
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    try:
        config = infer_config(shapes, task_top_k=task_top_k, domain_top_k=domain_top_k)
        network = DatprlNetwork(config)
    except (ValueError, KeyError, IndexError) as error:
        raise WeightsError(
            ErrorCode.WEIGHTS,
            f"no configuration of the network has these tensors: {error}",
            where=path,
            remedy="Only checkpoints of DATPRL-IR with a Restormer or NAFNet backbone can be converted",
        ) from error
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    problem = describe_mismatch(expected, shapes, most=20)
    if problem:
        raise WeightsError(ErrorCode.WEIGHTS, f"the checkpoint does not fit the network: {problem}", where=path)
    network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    return network.eval(), config


def unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the tensors of any container in which checkpoints are published."""
    for container in CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(container), Mapping):
            content = content[container]
            break
    if not isinstance(content, Mapping):
        raise WeightsError(ErrorCode.WEIGHTS, "the file holds no dictionary of tensors", where=path)
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise WeightsError(ErrorCode.WEIGHTS, "the file holds no tensors", where=path)
    for prefix in (*PREFIXES, *PREFIXES):
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
        elif prefix == "net." and any(key.startswith(prefix) for key in tensors):
            # A Lightning module holds other things beside the network, such as metrics.
            tensors = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    return tensors


def rename_keys(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors under the names of this toolkit's network."""
    if "patch_embed.proj.weight" in tensors:
        rules = (*_COMMON, *_RESTORMER)
    elif "intro.weight" in tensors:
        rules = (*_COMMON, *_NAFNET)
    else:
        sample = ", ".join(sorted(tensors)[:3])
        raise WeightsError(
            ErrorCode.WEIGHTS,
            f"the tensors are those of another network (such as {sample})",
            where=path,
            remedy="Only checkpoints of DATPRL-IR with a Restormer or NAFNet backbone can be converted",
        )
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = key
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def infer_config(shapes: Shapes, *, task_top_k: int = 3, domain_top_k: int = 5) -> NetworkConfig:
    """Return the configuration whose network has parameters of these shapes.

    Raises
    ------
    KeyError, ValueError
        If a tensor that decides the configuration is missing, or the values contradict each other.
    """
    restormer = any(key.startswith("backbone.reductions.") for key in shapes)
    width = shapes["backbone.stem.weight"][0]
    levels = _count(shapes, "backbone.encoder")
    blocks = "backbone.middle.0."
    heads: tuple[int, ...] = ()
    expansion = 2.66
    if restormer:
        encoder_heads = [shapes[f"backbone.encoder.{n}.0.attention.temperature"][0] for n in range(levels)]
        heads = (*encoder_heads, shapes[f"{blocks}attention.temperature"][0])
        hidden = shapes["backbone.encoder.0.0.feed_forward.expand.weight"][0] // 2
        # The hidden width was rounded down; half a channel more leads back to it for any factor.
        expansion = expansion if int(width * expansion) == hidden else (hidden + 0.5) / width
    return NetworkConfig(
        backbone="restormer" if restormer else "nafnet",
        width=width,
        encoder_blocks=tuple(_count(shapes, f"backbone.encoder.{n}") for n in range(levels)),
        middle_blocks=_count(shapes, "backbone.middle"),
        decoder_blocks=tuple(_count(shapes, f"backbone.decoder.{n}") for n in range(levels)),
        refinement_blocks=_count(shapes, "backbone.refinement"),
        heads=heads,
        expansion=expansion,
        task_pool=_pool(shapes, "task_pool", task_top_k),
        domain_pool=_pool(shapes, "domain_pool", domain_top_k),
        feature_fusion=(
            "adaptive_modulation"
            if f"{blocks}fusion.projection.2.weight" in shapes
            else "concat"
            if f"{blocks}fusion.mix.weight" in shapes
            else "cross_attention"
        ),
        pool_fusion=_pool_fusion(shapes),
        prompt_form="vector" if _has_aggregation(shapes) else "tokens",
        channels=shapes["backbone.stem.weight"][1],
    )


def _has_aggregation(shapes: Shapes) -> bool:
    pooled = any(key.endswith("_pool.keys") for key in shapes)
    return not pooled or any("_pool.aggregation." in key for key in shapes)


def _pool_fusion(shapes: Shapes) -> Any:
    both = "task_pool.keys" in shapes and "domain_pool.keys" in shapes
    return "concat" if both and "pool_fusion.norm.weight" not in shapes else "cross_attention"


def _pool(shapes: Shapes, name: str, top_k: int) -> PromptPoolConfig | None:
    if f"{name}.values" not in shapes:
        return None
    size, tokens, dimension = shapes[f"{name}.values"]
    return PromptPoolConfig(size=size, top_k=top_k, dimension=dimension, tokens=tokens)


def _count(shapes: Shapes, prefix: str) -> int:
    """Return how many numbered children a module has."""
    pattern = re.compile(rf"^{re.escape(prefix)}\.(\d+)\.")
    return len({match.group(1) for key in shapes if (match := pattern.match(key))})


def _read(path: Path) -> Any:
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no such file", where=path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # What torch has to say about unusual pickles matters to nobody here: it reads them or it does not.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            ErrorCode.WEIGHTS,
            "the file is damaged, or holds objects that are not tensors, which are never loaded",
            where=path,
            remedy="Ask its authors for a file of tensors alone",
        ) from error
    except Exception as error:  # a parser of foreign bytes may fail in any way
        raise WeightsError(
            ErrorCode.WEIGHTS, f"the file cannot be read as a checkpoint: {_first_line(error)}", where=path
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
