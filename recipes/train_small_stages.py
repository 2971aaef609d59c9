"""What each stage of `recipes/train_small.py` changes in the preset `small`."""

from __future__ import annotations

from typing import Any

from recipes.train_small_settings import (
    ALL_BUT_THE_QUERY,
    BEFORE_DECODER,
    BY_FACTOR,
    DARK_DESERTS,
    DEEPER,
    DESERTS,
    ELSEWHERE,
    FAINT,
    FEW_CLOUDS,
    FEW_CLOUDS_DRAWN,
    FEWER_MEASURED,
    FROM_SHIPPED_44,
    FROZEN,
    LARGER_CROPS,
    LAST_LAYERS,
    LATER_SHARES,
    MORE_COLOURS,
    PLAIN_GROUND,
    PROMPTS,
    RICE2_GROUND,
    SEEN,
    SEEN_IN_PROMPTS,
    SHALLOW,
    SHARES,
    SHARPENED,
    TOLD,
    UNDER_CLOUDS,
    UNTOUCHED_HAZE,
    VARIED,
    shares,
)

STAGES: tuple[dict[str, Any], ...] = (
    # The preset's loss, which is flat near zero, lets the tasks come apart; with few blocks that takes an hour.
    {"network": SHALLOW},
    # L1 and Fourier loss sharpen what was found.
    {
        "network": SHALLOW,
        "steps": 5000,
        "learning_rate": 5e-4,
        "final_learning_rate": 1e-6,
        "losses": {**SHARPENED, "anchor": 0.5},
        "task_shares": {
            "natural_super_resolution": 1.2,
            "natural_deblurring": 1.2,
            "remote_sensing_super_resolution": 1.4,
        },
    },
    {
        "network": SHALLOW,
        "steps": 6000,
        "learning_rate": 6e-4,
        "final_learning_rate": 1e-6,
        "losses": {**SHARPENED, "anchor": 1.0},
        "task_shares": {
            "natural_super_resolution": 1.2,
            "natural_deraining": 1.2,
            "natural_deblurring": 1.2,
            "pet_synthesis": 1.2,
            "remote_sensing_super_resolution": 1.4,
            "dehazing": 1.3,
        },
    },
    # A quarter of the images is clean, so that the network learns to leave them alone.
    {
        "network": SHALLOW,
        "steps": 3000,
        "learning_rate": 5e-4,
        "identity": 0.25,
        "losses": {"pixel": 1.0, "fourier": 0.1, "anchor": 1.0, "balance": 0.0},
        "task_shares": {
            "natural_super_resolution": 1.2,
            "natural_deraining": 1.2,
            "natural_deblurring": 1.2,
            "pet_synthesis": 1.2,
            "remote_sensing_super_resolution": 1.4,
            "dehazing": 1.3,
            "cloud_removal": 1.2,
        },
    },
    # More blocks where arithmetic is cheap; at the first step they do nothing.
    {
        "network": DEEPER,
        "steps": 8000,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-6,
        "warm_up": 200,
        "identity": 0.15,
        "losses": {"pixel": 1.0, "fourier": 0.1, "pixel_epsilon": 0.01, "anchor": 0.5, "balance": 0.0},
        "task_weights": {
            "natural_super_resolution": 2.0,
            "natural_deblurring": 2.0,
            "mri_super_resolution": 2.0,
            "ct_denoising": 2.0,
            "pet_synthesis": 3.0,
            "remote_sensing_super_resolution": 2.0,
            "dehazing": 0.6,
        },
        "task_shares": {
            "natural_super_resolution": 1.4,
            "natural_deraining": 1.5,
            "natural_deblurring": 1.2,
            "pet_synthesis": 1.2,
            "remote_sensing_super_resolution": 1.4,
            "cloud_removal": 1.1,
            "dehazing": 1.2,
        },
    },
    # Of every error its factor counts, so that tasks with small ones are heard; the learning rate stays high.
    {
        **BY_FACTOR,
        "network": DEEPER,
        "steps": 6500,
        "learning_rate": 1e-3,
        "final_learning_rate": 2.7e-4,
        "warm_up": 200,
        "identity": 0.07,
        "task_shares": {
            "natural_super_resolution": 2.0,
            "natural_deblurring": 1.5,
            "mri_super_resolution": 1.6,
            "ct_denoising": 1.5,
            "pet_synthesis": 1.5,
            "remote_sensing_super_resolution": 2.0,
            "cloud_removal": 0.8,
        },
    },
    # Clean scenes are what the network had begun to change, so that there are more of them.
    {
        **BY_FACTOR,
        "network": DEEPER,
        "steps": 4500,
        "learning_rate": 4e-4,
        "final_learning_rate": 1e-6,
        "identity": 0.05,
        "task_identity": {"cloud_removal": 0.3, "dehazing": 0.15},
        "task_shares": shares(1.8, 1.1, 1.5, 1.6, 1.6, 2.0, 1.8, 1.1, 1.1),
    },
    # The learning rate goes up again, with more of the clouds and the PET that the network had little of.
    {
        **BY_FACTOR,
        "network": DEEPER,
        "steps": 5500,
        "learning_rate": 7e-4,
        "final_learning_rate": 1.5e-4,
        "identity": 0.05,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.15},
        "task_shares": shares(1.6, 0.9, 1.5, 1.6, 1.8, 2.2, 1.6, 1.8, 1.0),
    },
    # Larger crops, whose global statistics are more like those of the whole images that will be restored.
    {
        **BY_FACTOR,
        "network": DEEPER,
        "crop": 128,
        "batch_size": 5,
        "steps": 3600,
        "learning_rate": 3e-4,
        "final_learning_rate": 1e-6,
        "warm_up": 50,
        "identity": 0.05,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.15},
        "task_shares": shares(1.6, 1.1, 1.5, 1.6, 2.2, 2.4, 1.4, 1.4, 1.0),
    },
    # The preset's network has more blocks again. Images vary in more ways: their scale, contrast and light.
    {
        **VARIED,
        "steps": 3069,
        "learning_rate": 8e-4,
        "final_learning_rate": 5.4e-4,
        "warm_up": 200,
        "tinted": 0.3,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.15},
        "task_shares": shares(1.6, 1.0, 1.5, 1.6, 1.8, 2.0, 1.5, 1.5, 1.2),
    },
    {
        **VARIED,
        "steps": 6500,
        "learning_rate": 5e-4,
        "tinted": 0.2,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.15},
        "task_shares": shares(1.9, 1.0, 1.7, 1.6, 1.7, 1.9, 1.6, 1.4, 1.4),
    },
    # Light does not vary any more: what is bright had come to be taken for haze.
    {
        **VARIED,
        "steps": 900,
        "learning_rate": 2e-4,
        "warm_up": 40,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.35},
        "task_shares": SHARES | {"natural_deraining": 0.8, "cloud_removal": 1.2, "dehazing": 3.0},
    },
    {
        **VARIED,
        "steps": 700,
        "learning_rate": 2e-4,
        "warm_up": 40,
        "varied_haze": 0.35,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.2},
        "task_shares": SHARES | {"natural_deraining": 0.8, "cloud_removal": 1.2, "dehazing": 3.5},
    },
    # Rain, of which there was too little, and haze over ground of all kinds.
    {
        **VARIED,
        "steps": 8000,
        "learning_rate": 5e-4,
        "warm_up": 50,
        "varied_haze": 0.4,
        "task_identity": {"natural_deraining": 0.12, "cloud_removal": 0.25, "dehazing": 0.2},
        "task_shares": LATER_SHARES | {"natural_deraining": 1.3, "cloud_removal": 1.5, "dehazing": 2.5},
    },
    # The measured haze lies over dark ground; bright ground is put under it.
    {
        **VARIED,
        "steps": 2400,
        "learning_rate": 3e-4,
        "warm_up": 50,
        "varied_haze": 0.3,
        "bright_ground": 0.5,
        "task_identity": {"natural_deraining": 0.12, "cloud_removal": 0.25, "dehazing": 0.15},
        "task_shares": LATER_SHARES | {"natural_deraining": 1.1, "cloud_removal": 1.9, "dehazing": 2.8},
    },
    # Half of the way back to the ninth stage, which left bright deserts alone, and a fifth of a stage from there.
    {
        **VARIED,
        "averaged_with": 9,
        "part": 0.2,
        "steps": 1150,
        "learning_rate": 1.5e-4,
        "warm_up": 20,
        "varied_haze": 0.15,
        "bright_ground": 0.7,
        "task_identity": {"natural_deraining": 0.12, "cloud_removal": 0.25, "dehazing": 0.3},
        "task_shares": LATER_SHARES
        | {
            "natural_deraining": 1.2,
            "pet_synthesis": 2.4,
            "remote_sensing_super_resolution": 1.8,
            "cloud_removal": 1.3,
            "dehazing": 1.3,
        },
    },
    # Dense clouds are to be left as they are. A run of 12,000 steps that was stopped, and one from there.
    {**UNDER_CLOUDS, "steps": 1844, "learning_rate": 4e-4, "final_learning_rate": 3.8e-4},
    {**UNDER_CLOUDS, "steps": 5500, "learning_rate": 3.8e-4},
    # What comes before the decoder is that of the sixteenth stage, which tells deserts from haze; the rest learns on.
    {
        **FROZEN,
        "averaged_with": 16,
        "average_part": 0.8,
        "given_back": BEFORE_DECODER,
        "steps": 1900,
        "learning_rate": 2.5e-4,
        "varied_haze": 0.3,
        "task_identity": {"cloud_removal": 0.15, "dehazing": 0.3, "natural_deraining": 0.12},
    },
    # Thin haze again. A quarter of the way there, from a mean of the stages before.
    {
        **FROZEN,
        "towards": (19, 16),
        "towards_parts": (0.8,),
        "part": 0.25,
        "steps": 750,
        "learning_rate": 2e-4,
        "varied_haze": 0.1,
        "bright_ground": 0.5,
        "task_identity": {"cloud_removal": 0.15, "dehazing": 0.12, "natural_deraining": 0.12},
        "task_shares": FROZEN["task_shares"] | {"dehazing": 6.0},
    },
    # Less noise than a slice has itself. A run of 8,000 steps that was stopped, and one with more haze.
    {
        **FAINT,
        "steps": 2817,
        "learning_rate": 3e-4,
        "final_learning_rate": 2.17e-4,
        "varied_haze": 0.3,
        "task_identity": {"cloud_removal": 0.15, "dehazing": 0.2, "natural_deraining": 0.12},
        "task_shares": FAINT["task_shares"] | {"mri_super_resolution": 2.6, "pet_synthesis": 2.0, "dehazing": 3.0},
    },
    {
        **FAINT,
        "steps": 5000,
        "learning_rate": 2.3e-4,
        "varied_haze": 0.4,
        "bright_ground": 0.3,
        "task_identity": {"cloud_removal": 0.15, "dehazing": 0.15, "natural_deraining": 0.12},
        "task_shares": FAINT["task_shares"] | {"dehazing": 5.0},
    },
    # Hardly any bright ground under simulated haze. Seven tenths of the way there, but for the prompts.
    {
        **FAINT,
        "towards": (20,),
        "part": 0.7,
        "given_back_at_end": PROMPTS,
        "steps": 2400,
        "learning_rate": 2e-4,
        "varied_haze": 0.05,
        "faint_noise": {"ct_denoising": 0.5},
        "task_identity": {"cloud_removal": 0.15, "dehazing": 0.2, "natural_deraining": 0.12},
        "task_shares": FAINT["task_shares"] | {"dehazing": 3.5},
    },
    # Images unlike those at hand: other grounds, colours and scanners. A run of 11,000 steps that was stopped, and one
    # with fewer measured pairs, which were learnt by heart; six tenths of the way there.
    {
        **ELSEWHERE,
        "steps": 6442,
        "final_learning_rate": 1.1e-4,
        "varied_haze": 0.1,
        "bright_ground": 0.3,
        "dense_clouds": 0.35,
    },
    {**FEWER_MEASURED, "towards": (23,), "part": 0.6, "steps": 8400, "varied_haze": 0.3},
    # Clouds that can be seen, ground that is white, deserts under grey haze, and PET of other bodies.
    SEEN,
    # Hardly any bright ground under simulated haze again, so that thin haze over it goes; 0.35 of the way there from
    # half of the way between the two stages before.
    {
        **SEEN,
        "towards": (25, 26),
        "towards_parts": (0.5,),
        "part": 0.35,
        "steps": 1400,
        "learning_rate": 1.5e-4,
        "varied_haze": 0.03,
        "task_shares": SEEN["task_shares"] | {"cloud_removal": 3.0, "dehazing": 6.0},
    },
    # Few clouds, snow, and haze as over a whole scene; a run of 10,500 steps that was stopped.
    {**FEW_CLOUDS, "steps": 3200, "final_learning_rate": 2.4e-4},
    # Clean images ask for no task, and measured pairs are few; a run of 13,500 steps that was stopped.
    {
        **DESERTS,
        "steps": 5200,
        "learning_rate": 3e-4,
        "final_learning_rate": 2e-4,
        "bright_ground": 0.4,
        "deserts": 0.0,
    },
    # Ground in the colours of a desert. The first of the two was stopped after 800 of 7,600 steps; in it haze over
    # deserts was not yet darker, and half of the other crops of even haze had brightened ground.
    {**DESERTS, "steps": 800, "final_learning_rate": 2.4e-4, "deserts": 0.35},
    {**DESERTS, "steps": 6300},
    # Mostly for shaken photos, which it did not help; 0.65 of the way there from the stage before few clouds.
    {
        **DESERTS,
        "towards": (27,),
        "part": 0.65,
        "steps": 600,
        "learning_rate": 1e-4,
        "task_shares": DESERTS["task_shares"] | {"natural_deblurring": 6.0},
    },
    # Few clouds are drawn, and none of another season; a run of 4,600 steps that was stopped.
    {
        **FEW_CLOUDS_DRAWN,
        "steps": 1632,
        "final_learning_rate": 2.16e-4,
        "dense_clouds": 0.1,
        "deserts": 0.3,
        "snow": 0.3,
        "measured_weather": 0.1,
        "task_shares": shares(1.5, 2.0, 1.8, 1.2, 1.8, 1.7, 1.2, 9.0, 5.0),
    },
    # Fewer clean images and more colours; a run of 2,700 steps that was stopped.
    {
        **MORE_COLOURS,
        "steps": 1040,
        "seed": 43,
        "warm_up": 30,
        "final_learning_rate": 2.03e-4,
        "snow": 0.25,
        "measured_weather": 0.1,
        "task_shares": shares(1.6, 2.2, 1.8, 1.4, 1.8, 1.7, 1.5, 8.5, 6.0),
    },
    # What few clouds are is to be seen in the prompt too, and snow is to stay.
    {**SEEN_IN_PROMPTS, "steps": 800, "warm_up": 20, "final_learning_rate": 1.15e-4},
    {**SEEN_IN_PROMPTS, "steps": 800, "warm_up": 0, "learning_rate": 1.15e-4},
    # White beside what is dark is snow as often as cloud: without the clouds over the sea that were measured.
    {
        **SEEN_IN_PROMPTS,
        "averaged_with": 35,
        "towards": (32,),
        "part": 0.7,
        "steps": 420,
        "seed": 45,
        "warm_up": 20,
        "learning_rate": 1.5e-4,
        "ema_decay": 0.99,
        "left_out": ["rice2"],
        "snow": 0.4,
        "task_shares": SEEN_IN_PROMPTS["task_shares"]
        | {
            "natural_deraining": 3.2,
            "natural_deblurring": 2.0,
            "pet_synthesis": 1.9,
            "cloud_removal": 7.0,
            "dehazing": 5.0,
        },
    },
    # What is wrong with an image is to be seen: of the mean with the stage that left snow white, the query alone.
    {
        **SEEN_IN_PROMPTS,
        "averaged_with": 35,
        "steps": 300,
        "seed": 46,
        "warm_up": 20,
        "learning_rate": 3e-4,
        "ema_decay": 0.98,
        "frozen": ALL_BUT_THE_QUERY,
        "left_out": ["rice2"],
        "identity": 0.1,
        "snow": 0.4,
        "task_identity": {"cloud_removal": 0.25, "dehazing": 0.25, "natural_deraining": 0.25},
        "task_shares": shares(1.0, 4.0, 1.0, 0.7, 0.8, 0.8, 1.2, 5.0, 4.0),
    },
    # Few clouds again, with four crops of them in ten, over ground of one colour too; of a run of 5,400 steps.
    {
        **PLAIN_GROUND,
        "averaged_with": 35,
        "steps": 3000,
        "seed": 47,
        "warm_up": 100,
        "learning_rate": 4e-4,
        "final_learning_rate": 1.69e-4,
        "deserts": 0.15,
        "snow": 0.3,
        "task_shares": SEEN_IN_PROMPTS["task_shares"]
        | {"natural_deblurring": 1.7, "ct_denoising": 1.9}
        | {"cloud_removal": 11.0, "dehazing": 5.0},
    },
    # Snow in half of the crops.
    {
        **PLAIN_GROUND,
        "steps": 2400,
        "seed": 48,
        "warm_up": 30,
        "learning_rate": 1.8e-4,
        "losses": {**BY_FACTOR["losses"], "anchor": 1.0, "checkerboard": 0.005},
        "deserts": 0.2,
        "snow": 0.5,
        "visible_clouds": 0.5,
        "white_ground": 0.3,
        "task_shares": shares(2.0, 2.7, 1.9, 1.8, 2.0, 2.0, 1.8, 9.0, 6.0),
    },
    # Haze over ordinary ground again, of which there had been little; of a run of 4,500 steps.
    {
        **UNTOUCHED_HAZE,
        "steps": 1200,
        "seed": 50,
        "warm_up": 50,
        "learning_rate": 3e-4,
        "final_learning_rate": 2.5e-4,
        "snow": 0.45,
        "alternating_noise": 0.5,
        "task_shares": shares(1.9, 2.6, 2.3, 1.8, 2.1, 2.2, 1.7, 8.5, 8.5),
    },
    # A little more of clouds and less of haze.
    {
        **UNTOUCHED_HAZE,
        "steps": 3100,
        "seed": 51,
        "snow": 0.5,
        "alternating_noise": 0.6,
        "task_shares": shares(1.8, 2.9, 2.3, 1.8, 2.1, 2.5, 1.7, 9.0, 7.5),
    },
    # Clouds too over ordinary ground; of a run of 5,000 steps.
    {
        **UNTOUCHED_HAZE,
        "steps": 2500,
        "seed": 52,
        "final_learning_rate": 1.3e-4,
        "snow": 0.6,
        "untouched_clouds": 0.4,
        "alternating_noise": 0.9,
        "task_shares": shares(1.8, 2.9, 2.4, 1.8, 2.1, 3.0, 1.7, 9.0, 8.0),
    },
    {
        **RICE2_GROUND,
        "steps": 5200,
        "seed": 53,
        "alternating_noise": 0.9,
        "task_shares": shares(1.9, 3.0, 2.5, 1.8, 2.1, 3.0, 1.8, 8.5, 8.0),
    },
    # Dark ground in light haze; of a run of 4,300 steps.
    {**DARK_DESERTS, "steps": 2700, "seed": 55, "final_learning_rate": 7.1e-5},
    # Some images are told their task; 0.6 of the way there from what was shipped before.
    {**TOLD, **FROM_SHIPPED_44, "part": 0.6, "steps": 3100, "seed": 56, "learning_rate": 1.2e-4},
    # Half of the way there, from the same as the stage before.
    {**LAST_LAYERS, **FROM_SHIPPED_44, "part": 0.5},
    # 0.8 of the way there.
    {**LARGER_CROPS, "part": 0.8},
)
"""What each stage changes in the preset `small`; all but the first choose their prompts freely."""
