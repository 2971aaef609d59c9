"""Settings that several stages of `recipes/train_small.py` have in common."""

from __future__ import annotations

from typing import Any

from datprl_toolkit.training.tasks import TASKS


def shares(*of_each: float) -> dict[str, float]:
    """Return the shares of all tasks in a batch, in the order of the tasks."""
    return dict(zip(TASKS, of_each, strict=True))


SHALLOW = {"encoder_blocks": [1, 1, 2], "middle_blocks": 2, "decoder_blocks": [1, 1, 1]}
DEEPER = {"encoder_blocks": [2, 2, 2], "middle_blocks": 2, "decoder_blocks": [2, 2, 4]}
SHARPENING = {"natural_super_resolution": 2, "natural_deblurring": 2}
SHARPENED = {"pixel": 1.0, "fourier": 0.1, "pixel_epsilon": 0.0, "balance": 0.0}
BY_FACTOR: dict[str, Any] = {
    "batch_size": 12,
    "losses": {"pixel": 0.0, "fourier": 0.0, "pixel_epsilon": 0.0, "psnr": 0.1, "anchor": 0.5, "balance": 0.0},
    "task_weights": {},
}
VARIED: dict[str, Any] = {
    **BY_FACTOR,
    "batch_size": 10,
    "crop": 128,
    "crop_sizes": [64, 128, 128, 256],
    "final_learning_rate": 1e-6,
    "precision": "bfloat16",
    "identity": 0.05,
    "left_out": [],
    "half": True,
}
SHARES = {
    "natural_super_resolution": 1.9,
    "natural_deblurring": 1.7,
    "mri_super_resolution": 1.6,
    "ct_denoising": 2.0,
    "pet_synthesis": 2.2,
    "remote_sensing_super_resolution": 1.6,
}
LATER_SHARES = SHARES | {"natural_deblurring": 1.6, "mri_super_resolution": 1.4, "remote_sensing_super_resolution": 1.5}

HOW_IT_STARTS = ("averaged_with", "average_part", "given_back", "towards", "towards_parts")
BEFORE_DECODER = ("backbone.encoder", "backbone.stem", "backbone.downs", "domain_query", "task_query")
PROMPTS = ("task_pool", "domain_pool", "pool_fusion")
ALL_BUT_THE_QUERY = (
    "backbone",
    "domain_query",
    "domain_pool",
    "pool_fusion",
    "task_pool.values",
    "task_pool.aggregation",
)
UNDER_CLOUDS: dict[str, Any] = {
    **VARIED,
    "warm_up": 50,
    "varied_haze": 0.15,
    "bright_ground": 0.7,
    "dense_clouds": 0.5,
    "task_identity": {"cloud_removal": 0.15, "dehazing": 0.25, "natural_deraining": 0.12},
    "task_shares": shares(2.1, 0.9, 1.9, 1.9, 2.4, 2.3, 2.1, 2.4, 1.8),
}

FROZEN: dict[str, Any] = {
    **UNDER_CLOUDS,
    "frozen": BEFORE_DECODER,
    "warm_up": 20,
    "task_shares": UNDER_CLOUDS["task_shares"] | {"natural_deblurring": 2.3, "pet_synthesis": 2.6, "dehazing": 2.4},
}

FAINT: dict[str, Any] = {
    **FROZEN,
    "warm_up": 50,
    "faint_noise": {"ct_denoising": 0.5, "pet_synthesis": 0.5},
    "bright_ground": 0.5,
    "task_shares": FROZEN["task_shares"]
    | {"natural_deblurring": 2.4, "mri_super_resolution": 2.4, "ct_denoising": 2.2, "pet_synthesis": 2.6},
}

ELSEWHERE: dict[str, Any] = {
    **VARIED,
    "warm_up": 50,
    "learning_rate": 3e-4,
    "other_ground": 0.4,
    "thick_slices": 0.4,
    "tinted": 0.1,
    "grey": 0.08,
    "faint_noise": {"ct_denoising": 0.5},
    "identity": 0.07,
    "task_identity": {"cloud_removal": 0.15, "dehazing": 0.2, "natural_deraining": 0.12},
    "task_shares": shares(2.1, 1.8, 2.0, 1.6, 2.4, 1.6, 1.6, 3.0, 3.9),
}

FEWER_MEASURED: dict[str, Any] = {
    **ELSEWHERE,
    "bright_ground": 0.4,
    "dense_clouds": 0.2,
    "measured_weather": 0.3,
    "task_candidates": SHARPENING | {"cloud_removal": 3, "natural_deraining": 2},
    "task_shares": ELSEWHERE["task_shares"] | {"cloud_removal": 3.6, "dehazing": 4.2},
}

SEEN: dict[str, Any] = {
    **FEWER_MEASURED,
    "steps": 12500,
    "varied_haze": 0.2,
    "thick_slices": 0.3,
    "visible_clouds": 0.8,
    "white_ground": 0.2,
    "even_haze": 0.8,
    "phantoms": 0.3,
}

FEW_CLOUDS: dict[str, Any] = {
    **SEEN,
    "varied_haze": 0.05,
    "sparse_clouds": 0.4,
    "snow": 0.2,
    "wide_skies": 0.6,
    "task_shares": SEEN["task_shares"] | {"pet_synthesis": 1.8, "cloud_removal": 4.2},
}

DESERTS: dict[str, Any] = {
    **FEW_CLOUDS,
    "learning_rate": 2.5e-4,
    "bright_ground": 0.3,
    "measured_weather": 0.12,
    "sparse_clouds": 0.5,
    "deserts": 0.5,
    "clean_anchored": False,
    "task_identity": {"cloud_removal": 0.25, "dehazing": 0.33, "natural_deraining": 0.33},
}

# Of several crops the one that changed most was taken, and so hardly any with few clouds: that ends here.
FEW_CLOUDS_DRAWN: dict[str, Any] = {
    **DESERTS,
    "learning_rate": 3e-4,
    "task_candidates": SHARPENING | {"natural_deraining": 2},
    "sparse_clouds": 0.4,
    "tinted": 0.15,
    "other_seasons": 0.0,
}

MORE_COLOURS: dict[str, Any] = {
    **FEW_CLOUDS_DRAWN,
    "dense_clouds": 0.07,
    "deserts": 0.25,
    "grey": 0.13,
    "other_ground": 0.55,
    "task_identity": {"cloud_removal": 0.2, "dehazing": 0.2, "natural_deraining": 0.25},
}

SEEN_IN_PROMPTS: dict[str, Any] = {
    **MORE_COLOURS,
    "seed": 44,
    "learning_rate": 2.3e-4,
    "losses": {**BY_FACTOR["losses"], "anchor": 1.0},
    "sparse_clouds": 0.45,
    "snow": 0.35,
    "measured_weather": 0.08,
    "task_shares": shares(1.7, 2.2, 1.9, 1.5, 1.8, 1.7, 1.6, 8.5, 6.0),
}

PLAIN_GROUND: dict[str, Any] = {
    **SEEN_IN_PROMPTS,
    "left_out": ["rice2"],
    "plain_ground": 0.15,
    "dense_clouds": 0.05,
    "sparse_clouds": 0.6,
}

# Half of the haze over ground as it is, and less of it over photos.
UNTOUCHED_HAZE: dict[str, Any] = {
    **PLAIN_GROUND,
    "warm_up": 30,
    "learning_rate": 2.6e-4,
    "visible_clouds": 0.5,
    "white_ground": 0.3,
    "varied_haze": 0.15,
    "untouched_haze": 0.5,
    "even_haze": 0.6,
    "other_ground": 0.45,
}

# More water, and clouds over RICE2.
RICE2_GROUND: dict[str, Any] = {
    **UNTOUCHED_HAZE,
    "learning_rate": 2.3e-4,
    "snow": 0.55,
    "untouched_clouds": 0.35,
    "plain_ground": 0.22,
    "rice2_ground": 0.15,
}

DARK_DESERTS: dict[str, Any] = {
    **RICE2_GROUND,
    "losses": {**BY_FACTOR["losses"], "anchor": 1.0, "checkerboard": 0.01},
    "dark_deserts": 0.5,
    "thick_haze": 0.25,
    "wide_skies": 0.7,
    "untouched_haze": 0.45,
    "plain_ground": 0.27,
    "alternating_noise": 0.6,
    "task_shares": shares(1.9, 2.8, 2.5, 2.0, 2.4, 3.6, 1.8, 7.5, 9.0),
}

# Some images are told what is wrong with them, as users can say it; the others may be clean more often.
TOLD: dict[str, Any] = {
    **DARK_DESERTS,
    "task_told": dict(zip(TASKS, (0.1, 0.25, 0.2, 0.2, 0.0, 0.0, 0.1, 0.35, 0.35), strict=True)),
    "task_identity": {"cloud_removal": 0.27, "dehazing": 0.22, "natural_deraining": 0.25},
    "task_shares": DARK_DESERTS["task_shares"] | {"cloud_removal": 7.8},
}

# What was shipped after the forty-fourth stage: 0.7 of the way from the thirty-second to the thirty-eighth, from there
# 0.55 to the fortieth, half to the forty-second and 0.8 to the forty-fourth.
FROM_SHIPPED_44: dict[str, Any] = {"towards": (38, 32, 40, 42, 44), "towards_parts": (0.7, 0.45, 0.5, 0.2)}

# The last layer and those that enlarge learn alone: what is left of a pattern of the network's own is theirs.
LAST_LAYERS: dict[str, Any] = {
    **TOLD,
    "frozen": (*BEFORE_DECODER, "backbone.middle", "backbone.decoder", *PROMPTS),
    "steps": 400,
    "seed": 57,
    "warm_up": 20,
    "ema_decay": 0.98,
    "learning_rate": 1.5e-4,
    "losses": TOLD["losses"] | {"checkerboard": 0.02},
    "dark_deserts": 0.3,
    "plain_ground": 0.22,
    "task_shares": shares(1.9, 2.4, 3.0, 2.2, 2.5, 6.0, 1.8, 6.0, 6.0),
}

# More haze that was measured, so that being told costs no deserts, and larger crops, so that a colour can be seen
# elsewhere than where the haze is thick.
LARGER_CROPS: dict[str, Any] = {
    **TOLD,
    "steps": 6300,
    "seed": 58,
    "learning_rate": 2e-4,
    "precision": "float32",
    "crop_sizes": [64, 128, 256, 256],
    "measured_weather": 0.2,
    "dark_deserts": 0.4,
    "thick_haze": 0.3,
    "task_told": TOLD["task_told"] | {"dehazing": 0.3},
    "task_shares": shares(1.9, 2.8, 2.7, 2.6, 2.4, 3.2, 1.8, 7.8, 9.0),
}
