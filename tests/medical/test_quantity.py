from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.header import tolerant_pydicom
from datprl_toolkit.medical.quantity import (
    PHILIPS_CREATOR,
    Rescale,
    SuvType,
    moment,
    read_rescale,
    read_unit,
    stand_in_note,
    suv_factor,
    suv_ratio,
)
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
    dataset.TimezoneOffsetFromUTC = "+0100"
    dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = "20200102091500.000+0100"
    dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "010000"
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


def refusal(dataset: Dataset) -> InputError:
    with pytest.raises(InputError) as caught:
        suv_factor(dataset)
    assert caught.value.code is ErrorCode.QUANTITY
    return caught.value


def injected(dataset: Dataset, **attributes: str) -> Dataset:
    for keyword, value in attributes.items():
        setattr(dataset.RadiopharmaceuticalInformationSequence[0], keyword, value)
    return dataset


@pytest.mark.parametrize("clock", ["101507", "101900", "140000", "221459"])
def test_an_injection_after_the_scan_is_not_taken_for_one_on_the_day_before(clock: str) -> None:
    error = refusal(injected(pet(), RadiopharmaceuticalStartTime=clock))
    assert f"Radiopharmaceutical Start Time ({clock[:2]}:{clock[2:4]}:{clock[4:]})" in error.what
    assert "after Series Time (10:15:00)" in error.what
    assert "2020" not in error.what
    assert error.remedy


@pytest.mark.parametrize(("given", "plausible"), [("221500", True), ("221459", False)])
def test_twelve_hours_are_the_longest_uptake_of_fluorine_across_midnight(given: str, plausible: bool) -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartTime=given)
    if plausible:
        assert suv_factor(dataset) == pytest.approx(75_000.0 / (370e6 * 2 ** (-12 * 3600 / 6586.2)))
    else:
        refusal(dataset)


@pytest.mark.parametrize(
    ("half_life", "hours", "plausible"),
    [
        (6586.2, 12.0, True),  # F-18
        (6586.2, 12.1, False),
        (6586.2, -0.01, False),
        (1223.0, 1.0, True),  # C-11
        (1223.0, 3.5, False),
        (122.2, 0.1, True),  # O-15
        (122.2, 0.5, False),
        (45720.0, 48.0, True),  # Cu-64
        (45720.0, 72.0, False),
        (282276.0, 144.0, True),  # Zr-89
        (282276.0, 400.0, False),
        (360806.0, 168.0, True),  # I-124
    ],
)
def test_the_longest_uptake_follows_from_the_half_life(half_life: float, hours: float, plausible: bool) -> None:
    given = datetime(2020, 1, 2, 10, 15) - timedelta(hours=hours)
    dataset = injected(
        pet(), RadionuclideHalfLife=f"{half_life:g}", RadiopharmaceuticalStartDateTime=f"{given:%Y%m%d%H%M%S}"
    )
    if plausible:
        assert suv_factor(dataset) == pytest.approx(75e3 / (370e6 * 2 ** (-hours * 3600 / half_life)))
    else:
        assert "Radiopharmaceutical Start DateTime" in refusal(dataset).what


def test_a_time_of_day_does_not_tell_the_day_of_a_long_lived_nuclide() -> None:
    dataset = injected(pet(), RadionuclideHalfLife="282276")
    assert "has no date" in refusal(dataset).what
    assert suv_factor(injected(dataset, RadiopharmaceuticalStartDateTime="20200102091500")) < EXPECTED


@pytest.mark.parametrize("given", ["20200102081500+0000", "20200102091500+0100", "20200102031500-0500"])
def test_an_injection_with_an_offset_is_brought_to_the_zone_of_the_series(given: str) -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartDateTime=given)
    dataset.TimezoneOffsetFromUTC = "+0100"
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


def test_the_zone_of_the_series_changes_nothing_where_no_time_has_an_offset() -> None:
    dataset = pet()
    dataset.TimezoneOffsetFromUTC = "-0730"
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)
    injected(dataset, RadiopharmaceuticalStartDateTime="20200102091500")
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


@pytest.mark.parametrize("zone", [None, "", "Berlin", "+9900"])
def test_an_offset_without_the_zone_of_the_series_is_refused(zone: str | None) -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartDateTime="20200102081500+0000")
    if zone is not None:
        dataset.TimezoneOffsetFromUTC = zone
    assert "Timezone Offset From UTC" in refusal(dataset).what


def test_a_time_of_day_that_agrees_with_a_start_with_an_offset_tells_that_the_offset_is_that_of_the_series() -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartDateTime="20200102091500.00-0600")
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


@pytest.mark.parametrize(
    ("corrected_to", "given", "zone"),
    [
        ("20200102101500+0100", "20200102081500+0000", None),
        ("20200102091500+0000", "20200102091500", "+0100"),
        ("20200102101500", "20200102091500", None),
    ],
)
def test_a_decay_correction_time_with_an_offset_is_compared_as_an_instant(
    corrected_to: str, given: str, zone: str | None
) -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartDateTime=given, RadiopharmaceuticalStartTime="")
    dataset.DecayCorrected, dataset.DecayCorrectionDateTime = "YES", corrected_to
    if zone is not None:
        dataset.TimezoneOffsetFromUTC = zone
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)


def test_a_start_of_a_date_alone_is_not_midnight() -> None:
    dataset = injected(pet(), RadiopharmaceuticalStartDateTime="20200102")
    assert suv_factor(dataset) == pytest.approx(EXPECTED, rel=1e-12)
    assert "is absent" in refusal(injected(dataset, RadiopharmaceuticalStartTime="")).what


def test_what_stands_in_for_series_time_is_named() -> None:
    dataset = pet()
    assert stand_in_note(dataset) is None
    dataset.SeriesTime = "140000"
    note = "Series Time lies after the acquisition; the dose is decayed to the earliest Acquisition Time instead"
    assert stand_in_note(dataset) == note
    dataset.SeriesTime = ""
    assert str(stand_in_note(dataset)).startswith("Series Date or Series Time is absent; ")
    dataset.DecayCorrection = "ADMIN"
    assert stand_in_note(dataset) is None


def test_values_that_are_suv_already_have_the_factor_one() -> None:
    dataset = pet()
    dataset.Units = "GML"
    assert suv_factor(dataset) == 1.0
    assert read_unit(dataset, "PT", "", Path("a")) == "SUV"


@pytest.mark.parametrize(
    ("sex", "suv_type", "expected"),
    [
        ("M", "BW", 1.0),
        ("M", "LBMJANMA", 9270 / (6680 + 216 * 75 / 1.75**2)),
        ("F", "LBMJANMA", 9270 / (8780 + 244 * 75 / 1.75**2)),
        ("M", "LBMJAMES128", 1.10 - 128 * 75 / 175**2),
        ("F", "LBMJAMES128", 1.07 - 148 * 75 / 175**2),
        ("O", "BSA", 0.253752),  # 19031 cm2 of surface, 75000 g
    ],
)
def test_other_kinds_of_suv_follow_from_weight_size_and_sex(sex: str, suv_type: SuvType, expected: float) -> None:
    dataset = pet()
    dataset.PatientSex = sex
    assert suv_ratio(dataset, suv_type) == pytest.approx(expected, rel=1e-5)


def test_values_that_are_suv_of_another_kind_are_brought_to_body_weight() -> None:
    dataset = pet()
    dataset.PatientSex = "F"
    kinds: dict[tuple[str, str], SuvType] = {
        ("GML", "LBMJANMA"): "LBMJANMA", ("GML", "LBM"): "LBMJAMES128", ("CM2ML", "BSA"): "BSA"
    }  # fmt: skip
    for (units, written), suv_type in kinds.items():
        dataset.Units, dataset.SUVType = units, written
        assert suv_factor(dataset) * suv_ratio(dataset, suv_type) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("keyword", "value", "suv_type"),
    [
        ("PatientSex", "O", "LBMJANMA"),
        ("PatientSize", None, "BSA"),
        ("PatientSize", "175", "LBMJANMA"),  # centimetres
        ("PatientSize", "0.5", "LBMJAMES128"),  # lean body mass would be negative
        ("PatientWeight", "0", "BSA"),
    ],
)
def test_a_kind_of_suv_that_lacks_what_it_needs_is_refused(keyword: str, value: object, suv_type: SuvType) -> None:
    dataset = pet()
    dataset.PatientSex = "M"
    setattr(dataset, keyword, value)
    with pytest.raises(InputError) as caught:
        suv_ratio(dataset, suv_type)
    assert caught.value.code is ErrorCode.QUANTITY


def test_a_date_that_pydicom_makes_of_damage_is_none() -> None:
    dataset = pet()
    with tolerant_pydicom():
        dataset.SeriesDate = "\x01\x00\x01!"  # taken for the bytes of a pickled date, with the day 33
    assert moment(dataset, "SeriesDate", "SeriesTime") is None


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
