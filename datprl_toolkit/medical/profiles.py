"""Which window of physical values the network sees, for each modality."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from pydicom.datadict import dictionary_description, dictionary_VR
from pydicom.dataset import Dataset

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.intensity.profile import overlapping_windows
from datprl_toolkit.medical import header
from datprl_toolkit.medical.enhanced_pet import classic_header
from datprl_toolkit.medical.quantity import (
    GE_GROUP,
    PHILIPS_GROUP,
    SuvType,
    moment,
    suv_factor,
    suv_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from datprl_toolkit.medical.survey import Survey, ValueCount
    from datprl_toolkit.medical.volume import Volume

CT_SOFT_TISSUE = IntensityProfile("ct-soft-tissue", -160.0, 240.0, "HU", taper_low=20.0, taper_high=20.0)
# As wide as the window that the weights were trained on, so that noise and edges look to the network as they did there;
# the fifth of them is the soft-tissue window itself. They overlap by more than the noise is wide: a mean where one
# window ends and the next begins moves otherwise, since noise carries pixels from the one into the other.
CT_WIDE = overlapping_windows("ct-wide", -1360.0, 400.0, 100.0, 9, "HU")
CtWindow = Literal["soft-tissue", "wide"]
"""Which Hounsfield units are restored."""

CT_PROFILES: dict[CtWindow, IntensityProfile] = {"soft-tissue": CT_SOFT_TISSUE, "wide": CT_WIDE}
PET_HIGHEST_SUV = 20.0
PET_SUV = "pet-suv"
UPPER_PERCENTILE = 99.9
TAPER_SHARE = 0.05  # of the window, as 20 HU are of the CT window
SUV_PRIVATE = (GE_GROUP, PHILIPS_GROUP)
SAME_FACTOR = 1e-6  # relative; headers round alike in all slices, so that rounding never reaches it
FACTS = (
    "Units", "SUVType", "CorrectedImage", "PatientWeight", "PatientSize", "PatientSex", "DecayCorrection",
    "DecayCorrected", "DecayCorrectionDateTime", "SeriesDate", "SeriesTime", "TimezoneOffsetFromUTC",
)  # fmt: skip
"""What the factors depend on, besides private attributes and the times of acquisition, which differ by nature."""

INJECTION_FACTS = (
    "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)  # fmt: skip


def choose_profile(
    found: Survey, earliest: datetime | None = None, ct_window: CtWindow = "soft-tissue"
) -> tuple[IntensityProfile, tuple[str, ...]]:
    """Return the intensity profile for a volume, and warnings.

    CT: soft tissue, -160 to 240 HU, or nine windows of that width from -1360 to 1440 HU. PET: SUV by body weight from
    0 to 20, expressed in the unit of the volume; where the SUV factor cannot be computed, 0 to the 99.9th percentile
    of the whole volume. MR: minimum to 99.9th percentile of the whole volume, never of a slice, so that slices stay
    comparable.

    Parameters
    ----------
    found
        The volume and its values.
    earliest
        Earliest acquisition time of the series, for the SUV factor.
    ct_window
        For CT.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if all values of the volume are equal.
    """
    volume = found.volume
    if volume.modality == "CT":
        return CT_PROFILES[ct_window], ()
    if volume.modality == "PT":
        return _pet_profile(found, earliest)
    return mr_profile(found.values, volume.unit, volume.slices[0].path.parent), ()


def check_ct_window(ct_window: CtWindow, is_ct: bool) -> None:
    """Raise ``E_OPTION`` for a window of CT where there is none: it would be ignored without a word."""
    if ct_window != "soft-tissue" and not is_ct:
        raise OptionError(ErrorCode.OPTION, "--ct-window has no meaning without CT", remedy="Leave it out")


def _pet_profile(found: Survey, earliest: datetime | None) -> tuple[IntensityProfile, tuple[str, ...]]:
    try:
        factor = volume_suv_factor(found.volume, earliest)
    except DatprlError as error:
        warning = (
            f"W_NO_SUV: {error.what}; the intensity window ends at the 99.9th percentile of the volume instead of "
            f"SUV {PET_HIGHEST_SUV:g}{f'. {error.remedy}' if error.remedy else ''}"
        )
        where = found.volume.slices[0].path.parent
        return pet_percentile_profile(found.values, found.volume.unit, where), (warning,)
    return pet_profile(factor, found.volume.unit), ()


def pet_profile(suv_factor: float, unit: str) -> IntensityProfile:
    """Return SUV 0 to 20, expressed in the unit of the values that `suv_factor` turns into SUV."""
    high = PET_HIGHEST_SUV / suv_factor
    return IntensityProfile(PET_SUV, 0.0, high, unit, taper_high=TAPER_SHARE * high, minimum=0.0)


def pet_percentile_profile(values: ValueCount, unit: str, where: object) -> IntensityProfile:
    """Return 0 to the 99.9th percentile of a PET volume whose SUV factor is not known."""
    return _percentile_profile("pet-percentile", values, unit, 0.0, 0.0, where)


def given_task(modality: str) -> str | None:
    """Return the task whose prompt the network is given for images of a modality; None if it is left to choose.

    Left to choose, it takes some MR of other scanners for photos. CT and PET it knows, and PET it serves better with a
    mixture of its own.
    """
    return "mri_super_resolution" if modality == "MR" else None


def mr_profile(values: ValueCount, unit: str, where: object) -> IntensityProfile:
    """Return the minimum to the 99.9th percentile of an MR volume.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if all values are equal; `where` says which.
    """
    percentiles = _percentile_profile("mr-percentile", values, unit, values.percentile(0.0), None, where)
    return replace(percentiles, task=given_task("MR"))


def volume_suv_factor(volume: Volume, earliest: datetime | None = None) -> float:
    """Return the factor from the physical values of a PET volume to SUV by body weight.

    Raises
    ------
    InputError
        ``E_QUANTITY`` as :func:`datprl_toolkit.medical.quantity.suv_factor`, and if the slices have different factors.
    """
    datasets = _suv_headers(volume)
    return _common_factor(datasets, partial(suv_factor, earliest=earliest or _earliest(datasets)))


def volume_suv_factors(volume: Volume, earliest: datetime | None = None) -> dict[SuvType, float]:
    """Return the factors from the physical values of a volume to every kind of SUV for which the headers have enough.

    A kind for which the slices have different factors is left out.
    """
    datasets = _suv_headers(volume)
    known = earliest or _earliest(datasets)
    factors: dict[SuvType, float] = {}
    for suv_type in get_args(SuvType):
        try:
            factors[suv_type] = _common_factor(datasets, partial(_factor_to, suv_type, known))
        except DatprlError:
            continue
    return factors


def _factor_to(suv_type: SuvType, earliest: datetime | None, dataset: Dataset) -> float:
    return suv_factor(dataset, earliest) * suv_ratio(dataset, suv_type)


def _common_factor(datasets: Sequence[Dataset], factor: Callable[[Dataset], float]) -> float:
    """Return the factor that all slices have in common; what it does not depend on may differ between them.

    Raises
    ------
    InputError
        ``E_QUANTITY`` that names what differs between the slices; that of `factor` for the first.
    """
    first = factor(datasets[0])
    for number, dataset in enumerate(datasets[1:], start=2):
        named = _differing(datasets[0], dataset)
        try:
            same = abs(factor(dataset) / first - 1.0) <= SAME_FACTOR
        except InputError:
            if not named:
                raise
            same = False
        if not same:
            raise InputError(
                ErrorCode.QUANTITY,
                f"the SUV factor is not the same for all slices: in slice {number} another "
                f"{named or 'private attribute'} stands than in slice 1",
                where="SUV factor",
                remedy="Correct the header of the slices that are wrong",
            )
    return first


def _differing(one: Dataset, other: Dataset) -> str:
    """Return the names of the attributes, of those that factors depend on, that differ between two headers."""
    pairs = zip(_facts(one), _facts(other), strict=True)
    return " and ".join(name for (name, mine), (_, its) in pairs if mine != its)


def _facts(dataset: Dataset) -> Iterator[tuple[str, object]]:
    """Give the name of each attribute that factors depend on, and its value, a number as a number."""
    injection = next(iter(header.items(dataset, "RadiopharmaceuticalInformationSequence")), Dataset())
    for item, keywords in ((dataset, FACTS), (injection, INJECTION_FACTS)):
        for keyword in keywords:
            words = header.texts(item, keyword)
            numbers = header.numbers(item, keyword) if dictionary_VR(keyword) == "DS" else ()
            yield dictionary_description(keyword), numbers or words


def _suv_headers(volume: Volume) -> list[Dataset]:
    """Return the header of every file of a volume, in the words of a classic image, without needless attributes."""
    datasets = []
    for path in dict.fromkeys(image.path for image in volume.slices):
        dataset = classic_header(header.read_dataset(path, pixels=False))
        # All of them are held at once, and scanners write private blocks of a hundred kilobytes.
        kept = [tag for tag in list(dataset.keys()) if not tag.is_private or tag.group in SUV_PRIVATE]
        part = Dataset()
        part.update({tag: dataset.get_item(tag) for tag in kept})
        datasets.append(part)
    return datasets


def _earliest(datasets: list[Dataset]) -> datetime | None:
    found = [moment(dataset, "AcquisitionDate", "AcquisitionTime") for dataset in datasets]
    return min((each for each in found if each is not None), default=None)


def _percentile_profile(
    name: str, values: ValueCount, unit: str, low: float, minimum: float | None, where: object
) -> IntensityProfile:
    high = values.percentile(UPPER_PERCENTILE)
    if not low < high:
        # A volume of few bright points, or nearly empty: its brightest value still gives a window.
        high = values.percentile(100.0)
    if not low < high:
        raise InputError(
            ErrorCode.QUANTITY,
            f"all values of the series are equal to or below {low:g}, so there is no contrast to restore",
            where=where,
        )
    return IntensityProfile(name, low, high, unit, taper_high=TAPER_SHARE * (high - low), minimum=minimum)
