from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.quantity import PHILIPS_CREATOR, Rescale, read_rescale, read_unit, suv_factor
from datprl_toolkit.medical.testing import synthetic_slice

# One hour from injection (09:15) to series (10:15): 75 kg, 370 MBq of F-18.
EXPECTED = 75_000.0 / (370e6 * 2 ** (-3600 / 6586.2))


def pet() -> Dataset:
    return synthetic_slice("PT", 1)


def test_the_suv_factor_decays_the_dose_to_the_start_of_the_series() -> None:
    assert suv_factor(pet()) == pytest.approx(EXPECTED, rel=1e-12)


def test_a_dose_corrected_to_administration_does_not_decay() -> None:
    dataset = pet()
    dataset.DecayCorrection = "ADMIN"
    assert suv_factor(dataset) == pytest.approx(75_000.0 / 370e6)


def test_a_series_time_after_the_acquisition_gives_way_to_the_earliest_acquisition() -> None:
    dataset = pet()
    dataset.SeriesTime = "140000"  # the time at which a workstation stored the series anew
    assert suv_factor(dataset, datetime(2020, 1, 2, 10, 15)) == pytest.approx(EXPECTED, rel=1e-12)


def test_an_injection_before_midnight_belongs_to_the_day_before() -> None:
    dataset = pet()
    dataset.SeriesTime = dataset.AcquisitionTime = "003000"
    dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "233000"
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


def test_a_complete_start_time_wins_over_a_time_of_day() -> None:
    dataset = pet()
    dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20200102091500.000+0100"
    dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "010000"
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


def test_values_that_are_suv_already_have_the_factor_one() -> None:
    dataset = pet()
    dataset.Units = "GML"
    assert suv_factor(dataset) == 1.0
    assert read_unit(dataset, "PT", "", Path("a")) == "SUV"


def test_philips_counts_use_the_private_factor() -> None:
    dataset = pet()
    dataset.Units = "CNTS"
    dataset.private_block(0x7053, PHILIPS_CREATOR, create=True).add_new(0x00, "DS", "0.00042")
    assert suv_factor(dataset) == pytest.approx(0.00042)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientWeight", None),
        ("PatientWeight", "0"),
        ("Units", "CNTS"),
        ("Units", "PROPCPS"),
        ("DecayCorrection", "NONE"),
        ("CorrectedImage", ["DECY"]),
        ("RadiopharmaceuticalInformationSequence", []),
    ],
)
def test_without_what_the_factor_needs_it_is_refused_rather_than_guessed(keyword: str, value: object) -> None:
    dataset = pet()
    setattr(dataset, keyword, value)
    with pytest.raises(InputError) as caught:
        suv_factor(dataset)
    assert caught.value.code is ErrorCode.QUANTITY


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RadionuclideTotalDose", "370"),  # megabecquerel
        ("RadionuclideHalfLife", "0"),
        ("RadiopharmaceuticalStartTime", ""),
        ("RadiopharmaceuticalStartDateTime", "20250102091500"),  # after the scan
        ("RadiopharmaceuticalStartDateTime", "20100102091500"),  # ten years before it
    ],
)
def test_an_absurd_injection_is_refused(keyword: str, value: str) -> None:
    dataset = pet()
    setattr(dataset.RadiopharmaceuticalInformationSequence[0], keyword, value)
    with pytest.raises(InputError) as caught:
        suv_factor(dataset)
    assert caught.value.code is ErrorCode.QUANTITY


def test_rescale_is_linear_and_exact_for_integers() -> None:
    stored = np.array([-2000, 0, 32767], dtype=np.int16)
    np.testing.assert_array_equal(Rescale(2.0, -1024.0).to_physical(stored), [-5024.0, -1024.0, 64510.0])


@pytest.mark.parametrize("slope", [None, "0", "1e300"])
def test_a_ct_without_a_usable_slope_has_no_hounsfield_units(slope: str | None) -> None:
    dataset = synthetic_slice("CT", 0)
    dataset.RescaleSlope = slope
    with pytest.raises(InputError) as caught:
        read_rescale(dataset, Path("a"), required=True)
    assert caught.value.code is ErrorCode.QUANTITY


def test_an_mr_without_rescale_keeps_its_stored_values() -> None:
    assert read_rescale(synthetic_slice("MR", 0), Path("a"), required=False) == Rescale(1.0, 0.0)


def test_a_ct_that_is_a_perfusion_map_is_not_taken_for_hounsfield_units() -> None:
    with pytest.raises(InputError) as caught:
        read_unit(Dataset(), "CT", "US", Path("a"))
    assert caught.value.code is ErrorCode.UNSUPPORTED
