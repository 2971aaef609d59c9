"""Physics that spoils a clean image: pure functions with a generator, for training data and for tests.

Images are float arrays (H, W) or (H, W, C) in [0, 1], CT slices are in HU and PET slices in units of activity.
Nothing here knows data sets or files.
"""

from datprl_toolkit.degradations.arrays import fractal_field
from datprl_toolkit.degradations.low_dose import low_count_pet, low_dose_ct, low_dose_ct_noise
from datprl_toolkit.degradations.resampling import bicubic_low_resolution, resize_bicubic, truncate_k_space
from datprl_toolkit.degradations.shake import blur_linear_light, shake_kernel
from datprl_toolkit.degradations.tomography import ParallelBeam, ordered_subsets
from datprl_toolkit.degradations.weather import (
    add_clouds,
    add_haze,
    add_rain,
    cloud_opacity,
    cumulus_opacity,
    displaced,
    rain_layer,
    transmission_field,
)

__all__ = [
    "ParallelBeam",
    "add_clouds",
    "add_haze",
    "add_rain",
    "bicubic_low_resolution",
    "blur_linear_light",
    "cloud_opacity",
    "cumulus_opacity",
    "displaced",
    "fractal_field",
    "low_count_pet",
    "low_dose_ct",
    "low_dose_ct_noise",
    "ordered_subsets",
    "rain_layer",
    "resize_bicubic",
    "shake_kernel",
    "transmission_field",
    "truncate_k_space",
]
