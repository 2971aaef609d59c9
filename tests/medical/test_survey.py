from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, choose_profile
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import Survey, ValueCount, survey
from datprl_toolkit.medical.testing import Modality, write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

floats = st.floats(-1e5, 1e5, width=32)


def survey_of(folder: Path) -> Survey:
    (series,) = group_series(scan(folder).instances)
    return survey(series.volume)


@given(slices=st.lists(st.lists(floats, min_size=1, max_size=30), min_size=1, max_size=6), percent=st.floats(0, 100))
def test_percentiles_over_slices_are_those_of_all_values_together(slices: list[list[float]], percent: float) -> None:
    count = ValueCount()
    for values in slices:
        count.add(np.array(values, dtype=np.float32))
    together = np.concatenate([np.array(values, dtype=np.float32) for values in slices])
    rank = int(max(np.ceil(percent / 100 * len(together)), 1))
    assert count.percentile(percent) == np.sort(together)[rank - 1]


@given(st.lists(st.lists(st.floats(1, 1e5, width=32), min_size=1, max_size=20), min_size=2, max_size=5))
def test_rounding_beyond_the_memory_limit_is_small_and_blind_to_order(slices: list[list[float]]) -> None:
    arrays = [np.array(values, dtype=np.float32) for values in slices]
    exact, forward, backward = ValueCount(), ValueCount(limit=3), ValueCount(limit=3)
    for values in arrays:
        exact.add(values)
        forward.add(values)
    for values in reversed(arrays):
        backward.add(values)
    assert forward.percentile(99.9) == backward.percentile(99.9)
    assert forward.percentile(99.9) == pytest.approx(exact.percentile(99.9), rel=2**-15)


def test_the_ct_window_is_soft_tissue(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, "CT")
    profile, warnings = choose_profile(survey_of(tmp_path))
    assert profile == CT_SOFT_TISSUE
    assert (profile.low, profile.high, profile.taper_low, profile.taper_high) == (-160, 240, 20, 20)
    assert warnings == ()


def test_the_pet_window_is_twenty_suv_in_becquerel(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, "PT")
    profile, warnings = choose_profile(survey_of(tmp_path))
    factor = 75_000.0 / (370e6 * 2 ** (-3600 / 6586.2))
    assert profile.high == pytest.approx(20 / factor)
    assert (profile.low, profile.minimum, profile.taper_low, profile.unit) == (0.0, 0.0, 0.0, "Bq/ml")
    assert warnings == ()


def test_without_an_suv_factor_the_pet_window_follows_the_volume_and_says_so(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, "PT", change=lambda d, _: delattr(d, "PatientWeight"))
    found = survey_of(tmp_path)
    profile, warnings = choose_profile(found)
    assert profile.high == found.values.percentile(99.9)
    assert len(warnings) == 1
    assert warnings[0].startswith("W_NO_SUV: Patient's Weight")


def test_the_mr_window_is_one_for_the_whole_volume(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, "MR")
    found = survey_of(tmp_path)
    values = np.concatenate([image.read().ravel() for image in found.volume.slices])
    profile, _ = choose_profile(found)
    assert profile.low == values.min()
    assert profile.high == np.sort(values)[int(np.ceil(0.999 * values.size)) - 1]
    assert profile.taper_low == 0
    assert profile.taper_high > 0


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_a_series_without_contrast_is_refused(modality: Modality, tmp_path: Path) -> None:
    def flatten(dataset: object, index: int) -> None:
        dataset.PixelData = bytes(len(dataset.PixelData))  # type: ignore[attr-defined]
        if modality == "PT":
            del dataset.PatientWeight  # type: ignore[attr-defined]

    write_synthetic_series(tmp_path, modality, 3, change=flatten)
    with pytest.raises(DatprlError) as caught:
        choose_profile(survey_of(tmp_path))
    assert caught.value.code is ErrorCode.QUANTITY
