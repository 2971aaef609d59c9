"""The variants of the paper's ablation tables, each as the settings in which it differs from the full network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.training.configuration import TrainingConfig, override
from datprl_toolkit.training.tasks import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping


def _pools(size: int, task_top_k: int, domain_top_k: int) -> dict[str, Any]:
    return {
        "network": {
            "task_pool": {"size": size, "top_k": task_top_k},
            "domain_pool": {"size": size, "top_k": domain_top_k},
        }
    }


ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    # Table 2: either pool, or none, which is the plain backbone.
    "no-pools": {"network": {"task_pool": None, "domain_pool": None}},
    "task-pool": {"network": {"domain_pool": None}},
    "domain-pool": {"network": {"task_pool": None}},
    # Table 3: prompts in each pool, and how many of them an image selects from the task and from the domain pool.
    "pools-10-k1-k1": _pools(10, 1, 1),
    "pools-10-k3-k5": _pools(10, 3, 5),
    "pools-15-k1-k1": _pools(15, 1, 1),
    "pools-20-k3-k5": _pools(20, 3, 5),
    "pools-20-k5-k5": _pools(20, 5, 5),
    # Table 5: the domain is told to the network, by a sentence or by an encoding that is learnt.
    "explicit-domain-prompts": {
        "domain_prompts": "texts",
        "network": {"domain_pool": {"size": len(KINDS), "top_k": 1, "tokens": 1}},
    },
    "domain-encodings": {
        "domain_prompts": "encodings",
        "network": {"domain_pool": {"size": len(KINDS), "top_k": 1}},
    },
    # Table 13: the domain's representation enters the features, and then the task's.
    "sequential-fusion": {"network": {"feature_fusion": "sequential", "pool_fusion": "cross_attention"}},
    # Section 3.1 as written: representations keep their tokens, and blocks attend over them (equation 3).
    "prompt-tokens": {
        "network": {
            "prompt_form": "tokens",
            "feature_fusion": "cross_attention",
            "pool_fusion": "cross_attention",
        }
    },
}
"""Settings that replace those of a preset, by the name of the variant."""


def ablate(config: TrainingConfig, name: str) -> TrainingConfig:
    """Return the settings of a variant.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is no such variant.
    """
    if name not in ABLATIONS:
        raise OptionError(
            ErrorCode.OPTION, f"there is no ablation '{name}'", remedy=f"The ablations are {', '.join(ABLATIONS)}"
        )
    return override(config, ABLATIONS[name])
