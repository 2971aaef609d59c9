"""From stored values to physical ones: rescale, unit, and the factor from activity to standardised uptake (SUV)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydicom.valuerep import DA, DT, TM

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import header

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from datprl_toolkit.medical.pixels import StoredArray

HOUNSFIELD_TYPES = ("", "HU", "HU_MOD")
LARGEST_RESCALE = 1e12  # slopes beyond this have been seen only in damaged headers
SMALLEST_DOSE = 1e4  # Bq; smaller doses are MBq written where Bq belong
LARGEST_DOSE = 1e12  # Bq
LARGEST_WEIGHT = 1000.0  # kg
LARGEST_HEIGHT = 2.75  # m
SMALLEST_HEIGHT = 0.2  # m; smaller numbers are not in metres
DAY = 86400.0  # s
ORDINARY_UPTAKE = 12 * 3600.0  # s; longer ones are planned with long-lived nuclides alone
SLOW_UPTAKE = 4.0  # half-lives; Zr-89 and I-124 are seen after a week, which is two, Cu-64 after two days, almost four
LONGEST_UPTAKE = 10.0  # half-lives; a thousandth is left after that
SuvType = Literal["BW", "LBMJANMA", "LBMJAMES128", "BSA"]
"""SUV Type (0054,1006): what the dose is thought to be spread over."""

SUV_UNITS: dict[SuvType, str] = {"BW": "g/ml", "LBMJANMA": "g/ml", "LBMJAMES128": "g/ml", "BSA": "cm2/ml"}
PHILIPS_GROUP = 0x7053
PHILIPS_CREATOR = "Philips PET Private Group"
GE_GROUP = 0x0009
GE_CREATOR = "GEMS_PETD_01"
LARGEST_OFFSET = timedelta(hours=14)
WRITTEN_OFFSET = re.compile(r"([+-])(\d{2})([0-5]\d)")
TO_THE_MINUTE = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Rescale:
    """Linear way from stored to physical values: ``physical = slope * stored + intercept`` (PS3.3 C.11.1)."""

    slope: float = 1.0
    intercept: float = 0.0

    def to_physical(self, stored: StoredArray) -> npt.NDArray[np.float64]:
        """Return physical values, any shape."""
        return stored.astype(np.float64) * self.slope + self.intercept


def read_rescale(dataset: Dataset, where: Path, *, required: bool) -> Rescale:
    """Read Rescale Slope (0028,1053) and Intercept (0028,1052).

    Parameters
    ----------
    required
        Whether the values have no meaning without them, as in CT and PET.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if they are required and absent, or absurd; ``E_UNSUPPORTED`` for a Modality LUT Sequence.
    """
    if header.items(dataset, "ModalityLUTSequence"):
        raise InputError(
            ErrorCode.UNSUPPORTED, "the values are rescaled by a table (Modality LUT Sequence)", where=where
        )
    present = [keyword for keyword in ("RescaleSlope", "RescaleIntercept") if keyword in dataset]
    if not present and not required:
        return Rescale()
    slope, intercept = header.number(dataset, "RescaleSlope"), header.number(dataset, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0 or max(abs(slope), abs(intercept)) > LARGEST_RESCALE:
        raise InputError(
            ErrorCode.QUANTITY,
            "Rescale Slope or Rescale Intercept is absent or absurd, so that the values have no physical meaning",
            where=where,
            remedy="Export the series again from its source",
        )
    return Rescale(slope, intercept)


def read_unit(dataset: Dataset, modality: str, rescale_type: str, where: Path) -> str:
    """Return the unit of the physical values: "HU", "Bq/ml", "SUV" or, without one, "1".

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` for a CT whose values are not Hounsfield units, such as a perfusion map.
    """
    if modality == "CT":
        if rescale_type not in HOUNSFIELD_TYPES:
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"the values of this CT are not Hounsfield units but '{rescale_type}' (Rescale Type)",
                where=where,
            )
        return "HU"
    if modality == "PT":
        units = header.text(dataset, "Units")
        if units == "BQML":
            return "Bq/ml"
        if units == "GML" and header.text(dataset, "SUVType") in ("", "BW"):
            return "SUV"
    return "1"


def suv_factor(dataset: Dataset, earliest: datetime | None = None) -> float:
    """Return the factor from the physical values of a PET to standardised uptake by body weight, in g/ml.

    ``SUVbw = value * weight / decayed dose``, with the dose decayed to the time to which the scanner decay-corrected
    the image: the start of the series, never the processing time (PS3.3 C.8.9.1; QIBA FDG-PET/CT profile). Values
    that the scanner gives as SUV by lean body mass or body surface area are brought to body weight by
    :func:`suv_ratio`.

    Parameters
    ----------
    dataset
        Header of one slice, in the words of a classic image
        (:func:`~datprl_toolkit.medical.enhanced_pet.classic_header`).
    earliest
        Earliest acquisition of the series, which stands in for a Series Time that lies after it because the series
        was stored anew.

    Raises
    ------
    InputError
        ``E_QUANTITY`` that names the attribute that is absent or absurd.
    """
    units = header.text(dataset, "Units")
    if units in ("GML", "CM2ML"):
        return 1.0 / suv_ratio(dataset, _stored_suv_type(dataset, units))
    if units == "CNTS":
        return _philips_factor(dataset)
    if units != "BQML":
        raise _unusable(f"Units '{units}' are none of BQML, GML, CM2ML and CNTS")
    corrections = header.texts(dataset, "CorrectedImage")
    if "ATTN" not in corrections or "DECY" not in corrections:
        raise _unusable("Corrected Image does not name attenuation (ATTN) and decay (DECY)")
    return _weight(dataset) * 1000.0 / _decayed_dose(dataset, earliest)


def suv_ratio(dataset: Dataset, suv_type: SuvType) -> float:
    """Return the factor from SUV by body weight, in g/ml, to another kind of SUV, in the unit of :data:`SUV_UNITS`.

    Parameters
    ----------
    dataset
        Header with Patient's Weight (0010,1030), Size (0010,1020) and Sex (0010,0040).
    suv_type
        "LBMJANMA": lean body mass after Janmahasatian et al., Clin. Pharmacokinet. 44 (2005) 1051, as the EANM
        guidelines 2.0 ask for; "LBMJAMES128": after James, with 128 for men; "BSA": body surface area after Du Bois
        and Du Bois (1916); "BW": 1.

    Raises
    ------
    InputError
        ``E_QUANTITY`` that names the attribute that is absent or absurd.
    """
    if suv_type == "BW":
        return 1.0
    weight, height = _weight(dataset), header.number(dataset, "PatientSize")
    if height is None or not SMALLEST_HEIGHT < height < LARGEST_HEIGHT:
        raise _unusable("Patient's Size is absent or absurd")
    if suv_type == "BSA":
        square_metres = 0.007184 * weight**0.425 * (100.0 * height) ** 0.725
        return float(square_metres * 1e4 / (weight * 1000.0))
    sex = header.text(dataset, "PatientSex")
    if sex not in ("M", "F"):
        raise _unusable("Patient's Sex is neither M nor F, and lean body mass depends on it")
    lean = _janmahasatian if suv_type == "LBMJANMA" else _james
    share = lean(weight, height, male=sex == "M") / weight
    if not 0 < share <= 1:
        raise _unusable("Patient's Weight and Size give no possible lean body mass")
    return share


def _janmahasatian(weight: float, height: float, *, male: bool) -> float:
    """Return lean body mass in kg from kg and m."""
    index = weight / height**2
    return 9270.0 * weight / ((6680.0 + 216.0 * index) if male else (8780.0 + 244.0 * index))


def _james(weight: float, height: float, *, male: bool) -> float:
    """Return lean body mass in kg from kg and m; the formula turns down for the very heavy."""
    slenderness = (weight / (100.0 * height)) ** 2
    return 1.10 * weight - 128.0 * slenderness if male else 1.07 * weight - 148.0 * slenderness


def _stored_suv_type(dataset: Dataset, units: str) -> SuvType:
    """Return which SUV the values are; without SUV Type they are those by body weight (PS3.3 C.8.9.1)."""
    if units == "CM2ML":
        return "BSA"
    written = header.text(dataset, "SUVType")
    known: dict[str, SuvType] = {
        "": "BW", "BW": "BW", "LBM": "LBMJAMES128", "LBMJAMES128": "LBMJAMES128", "LBMJANMA": "LBMJANMA"
    }  # fmt: skip
    if written not in known:
        raise _unusable(f"SUV Type '{written}' is none of BW, LBM, LBMJAMES128 and LBMJANMA")
    return known[written]


def _weight(dataset: Dataset) -> float:
    """Return the patient's weight in kg."""
    weight = header.number(dataset, "PatientWeight")
    if weight is None or not 0 < weight < LARGEST_WEIGHT:
        raise _unusable("Patient's Weight is absent or absurd")
    return weight


def _unusable(what: str, remedy: str = "") -> InputError:
    return InputError(ErrorCode.QUANTITY, what, where="SUV factor", remedy=remedy)


def _philips_factor(dataset: Dataset) -> float:
    """Return Philips' own factor from its counts to SUV, private (7053,xx00)."""
    try:
        factor = float(header.private_value(dataset, PHILIPS_GROUP, PHILIPS_CREATOR, 0x00))
    except (TypeError, ValueError, OverflowError):
        factor = 0.0
    if not np.isfinite(factor) or factor <= 0:
        raise _unusable("Units are counts and Philips' private SUV factor (7053,xx00) is absent")
    return factor


def _decayed_dose(dataset: Dataset, earliest: datetime | None) -> float:
    """Return the injected dose at the time to which the image was decay-corrected, in Bq."""
    injections = header.items(dataset, "RadiopharmaceuticalInformationSequence")
    if not injections:
        raise _unusable("Radiopharmaceutical Information Sequence is absent")
    injection = injections[0]
    dose = header.number(injection, "RadionuclideTotalDose")
    if dose is None or not SMALLEST_DOSE < dose < LARGEST_DOSE:
        raise _unusable("Radionuclide Total Dose is absent or not in becquerel")
    correction = header.text(dataset, "DecayCorrection")
    if correction == "ADMIN":
        return dose
    if correction != "START":
        raise _unusable(f"Decay Correction is '{correction}', neither START nor ADMIN")
    half_life = header.number(injection, "RadionuclideHalfLife")
    if half_life is None or half_life <= 0:
        raise _unusable("Radionuclide Half Life is absent or absurd")
    elapsed = _uptake(dataset, injection, half_life, earliest)
    return float(dose * 2.0 ** (-elapsed / half_life))


@dataclass(frozen=True, slots=True)
class _Named:
    """A moment and the attribute that names it; with a zone where that is known, else in the zone of the series.

    `instead` says why it stands in for Series Time, if it does; `dated` tells whether its date was in the header.
    """

    when: datetime
    name: str
    instead: str = ""
    dated: bool = True

    def __str__(self) -> str:
        """Name and time of day; a date could tell who the patient is."""
        return f"{self.name} ({self.when:%H:%M:%S%z})"


def longest_uptake(half_life: float) -> float:
    """Return the longest time from injection to scan that is believed, in seconds.

    Twelve hours, or four half-lives where that is longer (51 h for Cu-64, 13 days for Zr-89), since scans with
    long-lived nuclides are made days after the injection; never more than ten half-lives (3.4 h for C-11). For F-18
    these are twelve hours. Anything longer is a wrong date or a wrong clock.
    """
    return min(LONGEST_UPTAKE * half_life, max(ORDINARY_UPTAKE, SLOW_UPTAKE * half_life))


def _uptake(dataset: Dataset, injection: Dataset, half_life: float, earliest: datetime | None) -> float:
    """Return the time from the injection to the moment to which the image was decay-corrected, in seconds.

    Radiopharmaceutical Start DateTime is taken as it is. A time of day alone is that of the day of the scan, or of the
    day before if that gives a plausible uptake: a scan after midnight. An injection a little after the scan, of a
    dynamic scan or by another clock, is refused: a day earlier, nothing of F-18 would be left.
    """
    zone, longest = series_zone(dataset), longest_uptake(half_life)
    reference = _reference_time(dataset, earliest, zone)
    given = _injection_time(injection, reference, zone, longest)
    _check_zones(given, reference)
    elapsed = (reference.when - given.when).total_seconds()
    if not given.dated and elapsed < 0 and elapsed + DAY <= longest:
        elapsed += DAY
    if not 0 <= elapsed <= longest:
        side = "before" if elapsed > 0 else "after"
        raise _unusable(
            f"{given} lies {_span(abs(elapsed))} {side} {reference}, which is no plausible uptake",
            "Correct the one of the two times that is wrong in the header",
        )
    return elapsed


def _injection_time(injection: Dataset, reference: _Named, zone: timezone | None, longest: float) -> _Named:
    """Return when the radiopharmaceutical was given; for a time of day alone, on the day of the scan.

    Where scans days after the injection are plausible, a time of day does not tell the day, and is refused.
    """
    complete = _instant(header.value(injection, "RadiopharmaceuticalStartDateTime"), zone)
    clock = _time_of_day(header.text(injection, "RadiopharmaceuticalStartTime"))
    if complete is not None:
        if complete.time() == clock and reference.when.tzinfo is None:
            # The time of day is in the zone of the series (PS3.3 C.12.1.1), and so the offset is that of the series.
            complete = complete.replace(tzinfo=None)
        return _Named(complete, "Radiopharmaceutical Start DateTime")
    if clock is None:
        raise _unusable("Radiopharmaceutical Start Time is absent")
    if longest >= DAY:
        raise _unusable(
            "Radiopharmaceutical Start Time has no date, and with this half-life the scan may be days after it",
            "Write Radiopharmaceutical Start DateTime (0018,1078) into the header",
        )
    given = datetime.combine(reference.when.date(), clock, zone)
    return _Named(given, "Radiopharmaceutical Start Time", dated=False)


def _span(seconds: float) -> str:
    """Return a length of time in words."""
    if seconds < 6000:
        return f"{seconds:.3g} s" if seconds < 100 else f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.1f} h"


def _check_zones(given: _Named, reference: _Named) -> None:
    """Raise ``E_QUANTITY`` unless two moments have both a zone, or both that of the series."""
    if (given.when.tzinfo is None) != (reference.when.tzinfo is None):
        named, other = (reference, given) if given.when.tzinfo is None else (given, reference)
        raise _unusable(
            f"{named} has an offset from UTC and {other} has none, and Timezone Offset From UTC is absent",
            "Write Timezone Offset From UTC (0008,0201) of the scanner's clock into the header",
        )


def _reference_time(dataset: Dataset, earliest: datetime | None, zone: timezone | None) -> _Named:
    """Return the time to which the scanner decay-corrected the image."""
    if "DecayCorrected" in dataset:  # Enhanced PET Corrections module (PS3.3 C.8.22.7), which names the time itself
        named = _instant(header.value(dataset, "DecayCorrectionDateTime"), zone)
        if named is None:
            raise _unusable("Decay Correction DateTime is absent")
        return _Named(named, "Decay Correction DateTime")
    series = moment(dataset, "SeriesDate", "SeriesTime")
    acquisition = earliest or moment(dataset, "AcquisitionDate", "AcquisitionTime")
    if series is not None and (acquisition is None or series <= acquisition):
        return _Named(series.replace(tzinfo=zone), "Series Time")
    instead = "Series Date or Series Time is absent" if series is None else "Series Time lies after the acquisition"
    vendor = _ge_scan_start(dataset, zone)
    if vendor is not None:
        return _Named(vendor, "the scanner's own start of the scan", instead)
    if acquisition is None:
        raise _unusable("Series Time and Acquisition Time are absent")
    return _Named(acquisition.replace(tzinfo=zone), "the earliest Acquisition Time", instead)


def stand_in_note(dataset: Dataset, earliest: datetime | None = None) -> str | None:
    """Return what the dose is decayed to instead of Series Time and why, or None if it is not.

    Parameters
    ----------
    dataset, earliest
        As for :func:`suv_factor`.
    """
    if header.text(dataset, "Units") != "BQML" or header.text(dataset, "DecayCorrection") != "START":
        return None
    try:
        reference = _reference_time(dataset, earliest, series_zone(dataset))
    except InputError:
        return None
    return f"{reference.instead}; the dose is decayed to {reference.name} instead" if reference.instead else None


def _ge_scan_start(dataset: Dataset, zone: timezone | None) -> datetime | None:
    """Return GE's own start of the scan, private (0009,xx0D), which no later step changes."""
    return _instant(header.private_value(dataset, GE_GROUP, GE_CREATOR, 0x0D), zone)


def moment(dataset: Dataset, date_keyword: str, time_keyword: str) -> datetime | None:
    """Return the moment that a date and a time attribute name together, without time zone, or None."""
    clock = _time_of_day(header.text(dataset, time_keyword))
    try:
        day: date | None = DA(header.text(dataset, date_keyword))
        # Inside the try: pydicom makes dates of some damaged values that are none, which shows only here.
        return None if day is None or clock is None else datetime.combine(day, clock)
    except (TypeError, ValueError, OverflowError):
        return None


def _time_of_day(written: str) -> time | None:
    """Read a TM value, or return None if it is absent or broken."""
    try:
        found: time | None = TM(written)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if found is None else found.replace(tzinfo=None)


def local_time(found: object) -> datetime | None:
    """Read a DT value as local time without zone, for an order among the times of one series."""
    parsed = _date_time(found)
    return None if parsed is None else parsed.replace(tzinfo=None)


def series_zone(dataset: Dataset) -> timezone | None:
    """Return the zone of all times of a header that name none, Timezone Offset From UTC (0008,0201), or None."""
    written = WRITTEN_OFFSET.fullmatch(header.text(dataset, "TimezoneOffsetFromUTC"))
    if written is None:
        return None
    sign, hours, minutes = written.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset) if offset <= LARGEST_OFFSET else None


def _instant(found: object, zone: timezone | None) -> datetime | None:
    """Read a DT value in the zone of the series, or return None if it is absent, broken or not to the minute.

    A value without an offset is in the zone of the series (PS3.5 section 6.2). One with an offset is converted; where
    the zone of the series is not known it keeps its own, and can be compared with its like alone.
    """
    parsed = _date_time(found)
    # pydicom makes midnight of a date alone.
    if parsed is None or TO_THE_MINUTE.match(str(found).strip()) is None:
        return None
    try:
        plain = datetime.combine(parsed.date(), parsed.time(), parsed.tzinfo)
        return plain if zone is None else plain.replace(tzinfo=zone) if plain.tzinfo is None else plain.astimezone(zone)
    except (ValueError, OverflowError):
        return None


def _date_time(found: object) -> datetime | None:
    """Read a DT value with the zone that it names, or return None if it is absent or broken."""
    if found is None or found == "":
        return None
    try:
        parsed: datetime | None = DT(str(found))
    except (TypeError, ValueError, OverflowError):
        return None
    return parsed
