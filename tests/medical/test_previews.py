"""The grey scale of a preview: the window at which such images are read, and no wider than the slice needs."""

from __future__ import annotations

import numpy as np
import pytest

from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.previews import compare_slice
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, CT_WIDE, pet_profile


def slice_up_to(highest: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.linspace(0.0, highest, 64).reshape(8, 8)


@pytest.mark.parametrize(
    ("profile", "brightest", "expected"),
    [
        # 2,000 Bq/ml are SUV 1: a hot lesion must not make the body black.
        (pet_profile(0.0005, "Bq/ml"), 90_000.0, (0.0, 10_000.0)),
        (pet_profile(0.0005, "Bq/ml"), 6_000.0, (0.0, 6_000.0)),
        (pet_profile(1.0, "SUVbw"), 17.0, (0.0, 5.0)),
        (CT_SOFT_TISSUE, 1500.0, (-160.0, 240.0)),
        (CT_WIDE, 1500.0, (-160.0, 240.0)),
        (IntensityProfile("mr", 0.0, 800.0, "1"), 600.0, (0.0, 600.0)),
    ],
)
def test_the_grey_scale_ends_where_such_images_are_read_or_at_the_brightest_value(
    profile: IntensityProfile, brightest: float, expected: tuple[float, float]
) -> None:
    values = slice_up_to(brightest)
    shown = compare_slice(values, values, profile, "slice 1 of 1")
    assert (shown.low, shown.high) == pytest.approx(expected)
