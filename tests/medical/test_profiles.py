"""The factor to SUV of a volume: that of all its slices, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydicom.sequence import Sequence

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.grouping import Series, group_series
from datprl_toolkit.medical.profiles import choose_profile, volume_suv_factor, volume_suv_factors
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataset import FileDataset

EXPECTED = 75_000.0 / (370e6 * 2 ** (-3600 / 6586.2))


def series_with(folder: Path, change: Callable[[FileDataset, int], None]) -> Series:
    write_synthetic_series(folder, "PT", 4, change=change)
    (series,) = group_series(scan(folder).instances)
    return series


@pytest.mark.parametrize("odd", [0, 2])
@pytest.mark.parametrize(
    ("keyword", "value", "name"),
    [
        ("PatientWeight", "45", "Patient's Weight"),
        ("PatientWeight", "", "Patient's Weight"),
        ("DecayCorrection", "ADMIN", "Decay Correction"),
        ("SeriesTime", "101000", "Series Time"),
        ("CorrectedImage", ["DECY"], "Corrected Image"),
        ("RadionuclideTotalDose", "185000000", "Radionuclide Total Dose"),
        ("RadionuclideHalfLife", "1223", "Radionuclide Half Life"),
        ("RadiopharmaceuticalStartTime", "091400", "Radiopharmaceutical Start Time"),
    ],
)
def test_a_slice_that_contradicts_the_others_leaves_no_factor(
    keyword: str, value: object, name: str, odd: int, tmp_path: Path
) -> None:
    def contradict(dataset: FileDataset, index: int) -> None:
        if index == odd:
            injection = dataset.RadiopharmaceuticalInformationSequence[0]
            setattr(injection if keyword in injection else dataset, keyword, value)

    series = series_with(tmp_path, contradict)
    with pytest.raises(InputError) as caught:
        volume_suv_factor(series.volume, series.earliest)
    assert caught.value.code is ErrorCode.QUANTITY
    assert name in caught.value.what
    assert volume_suv_factors(series.volume, series.earliest) == {}
    profile, (warning,) = choose_profile(survey(series.volume), series.earliest)
    assert profile.name == "pet-percentile"
    assert warning.startswith("W_NO_SUV: ")
    assert name in warning


def test_an_injection_that_one_slice_lacks_leaves_no_factor(tmp_path: Path) -> None:
    def forget(dataset: FileDataset, index: int) -> None:
        if index == 1:
            dataset.RadiopharmaceuticalInformationSequence = Sequence()

    series = series_with(tmp_path, forget)
    with pytest.raises(InputError, match="in slice 2 another Radionuclide Total Dose"):
        volume_suv_factor(series.volume, series.earliest)


def test_what_the_factor_does_not_depend_on_may_differ_between_slices(tmp_path: Path) -> None:
    def vary(dataset: FileDataset, index: int) -> None:
        dataset.PatientSex, dataset.PatientSize = "M", f"1.7{index}"
        dataset.PatientWeight = "75" if index else "75.0"
        dataset.AcquisitionTime = f"10{15 + index}00"

    series = series_with(tmp_path, vary)
    assert volume_suv_factor(series.volume, series.earliest) == pytest.approx(EXPECTED, rel=1e-12)
    assert volume_suv_factors(series.volume, series.earliest).keys() == {"BW"}


@pytest.mark.parametrize("series_time", ["", "140000"])
@pytest.mark.parametrize("known", [True, False])
def test_the_earliest_of_all_acquisitions_stands_in_for_series_time(
    series_time: str, known: bool, tmp_path: Path
) -> None:
    def beds(dataset: FileDataset, index: int) -> None:
        dataset.SeriesTime, dataset.AcquisitionTime = series_time, f"10{18 - index}00"

    series = series_with(tmp_path, beds)
    assert volume_suv_factor(series.volume, series.earliest if known else None) == pytest.approx(EXPECTED, rel=1e-12)
