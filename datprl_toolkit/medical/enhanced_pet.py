"""PET in multi-frame images: what it is said in, and a scaling of each frame that stays true when values change."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from datprl_toolkit.medical import header
from datprl_toolkit.medical.quantity import Rescale, read_rescale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ENHANCED_PET = "1.2.840.10008.5.1.4.1.1.130"
TRANSFORMATION = "PixelValueTransformationSequence"
REAL_WORLD = "RealWorldValueMappingSequence"

# Measurement Units Code Sequence (0040,08EA), of the Unified Code for Units of Measure (PS3.16 CID 84 and 85), in the
# words of a classic image: Units (0054,1001) and SUV Type (0054,1006). The first that a frame has is taken.
CLASSIC_UNITS = {
    "Bq/ml": ("BQML", ""),
    "g/ml{SUVbw}": ("GML", "BW"),
    "g/ml{SUVlbm}": ("GML", "LBM"),
    "g/ml{SUVlbm(James128)}": ("GML", "LBMJAMES128"),
    "g/ml{SUVlbm(Janma)}": ("GML", "LBMJANMA"),
    "cm2/ml{SUVbsa}": ("CM2ML", "BSA"),
}


def classic_header(dataset: Dataset) -> Dataset:
    """Return the header of an image in the words of a classic one, so that one code reads quantities of both.

    Parameters
    ----------
    dataset
        Header of any image. A classic one is returned as it is; so is an enhanced CT or MR.

    Returns
    -------
    For a legacy converted image, its attributes together with those that the conversion found no place for (PS3.3
    C.7.6.16.2.25). For an enhanced PET (PS3.3 A.56), Units, SUV Type and Corrected Image beside its own attributes;
    the time that the dose is decayed to is its Decay Correction DateTime (0018,9701).
    """
    shared = next(iter(header.items(dataset, "SharedFunctionalGroupsSequence")), None)
    unassigned = () if shared is None else header.items(shared, "UnassignedSharedConvertedAttributesSequence")
    enhanced = header.text(dataset, "SOPClassUID") == ENHANCED_PET
    if not unassigned and not enhanced:
        return dataset
    words = Dataset()
    for part in (*unassigned, dataset):
        words.update({tag: part.get_item(tag) for tag in list(part.keys())})
    if enhanced:
        frame = next(iter(header.items(dataset, "PerFrameFunctionalGroupsSequence")), Dataset())
        units, suv_type = frame_units(frame, shared or Dataset())
        if units:
            words.Units, words.SUVType = units, suv_type
        words.CorrectedImage = [
            word
            for keyword, word in (("AttenuationCorrected", "ATTN"), ("DecayCorrected", "DECY"))
            if header.text(dataset, keyword) == "YES"
        ]
        words.DecayCorrection = "START" if header.text(dataset, "DecayCorrected") == "YES" else "NONE"
    return words


def frame_units(groups: Dataset, shared: Dataset) -> tuple[str, str]:
    """Return Units and SUV Type, in the words of a classic image, of a frame of an enhanced PET; empty if unknown."""
    mapping = _mapping(groups, shared)
    return ("", "") if mapping is None else CLASSIC_UNITS[_unit(mapping)]


def frame_rescale(groups: Dataset, shared: Dataset, where: Path) -> Rescale:
    """Return the way from the stored values of a frame of an enhanced PET to those in its unit.

    Rescale of an enhanced PET says nothing of a unit (its Rescale Type is US), so that the Real World Value Mapping
    is what counts (PS3.3 C.7.6.16.2.11); without one the values are rescaled and have no unit.

    Raises
    ------
    InputError
        ``E_QUANTITY`` if there is neither.
    """
    mapping = _mapping(groups, shared)
    if mapping is None:
        item = next((items[0] for holder in (groups, shared) if (items := header.items(holder, TRANSFORMATION))), None)
        return read_rescale(item or Dataset(), where, required=True)
    words = Dataset()
    words.RescaleSlope = DSfloat(float(mapping.RealWorldValueSlope), auto_format=True)
    words.RescaleIntercept = DSfloat(float(mapping.RealWorldValueIntercept), auto_format=True)
    read_rescale(words, where, required=True)
    return Rescale(float(mapping.RealWorldValueSlope), float(mapping.RealWorldValueIntercept))


def _mapping(groups: Dataset, shared: Dataset) -> Dataset | None:
    """Return the linear Real World Value Mapping of a frame whose unit is known, activity before SUV."""
    found = header.items(groups, REAL_WORLD) or header.items(shared, REAL_WORLD)
    linear = [item for item in found if _is_linear(item)]
    for unit in CLASSIC_UNITS:
        for item in linear:
            if _unit(item) == unit:
                return item
    return None


def _is_linear(mapping: Dataset) -> bool:
    slope, intercept = (header.number(mapping, f"RealWorldValue{end}") for end in ("Slope", "Intercept"))
    return slope is not None and intercept is not None


def _unit(mapping: Dataset) -> str:
    coded = next(iter(header.items(mapping, "MeasurementUnitsCodeSequence")), Dataset())
    return header.text(coded, "CodeValue").replace("/mL", "/ml")


def rescale_frames(dataset: Dataset, before: Sequence[Rescale], after: Sequence[Rescale]) -> None:
    """Write the scaling of frames whose stored values were made anew, in place.

    Every linear map from stored values, be it rescale or real-world values in another unit, is changed so that it
    gives what it gave for the same activity.

    Parameters
    ----------
    dataset
        The image; maps that all frames share move to each frame.
    before, after
        From stored values to activity, for each frame in the order of the file.
    """
    shared = next(iter(header.items(dataset, "SharedFunctionalGroupsSequence")), Dataset())
    changes: tuple[tuple[str, Callable[[Dataset, Rescale, Rescale], None]], ...] = (
        (TRANSFORMATION, _change_rescale),
        (REAL_WORLD, _change_mapping),
    )
    for keyword, change in changes:
        common = header.items(shared, keyword)
        for groups, old, new in zip(dataset.PerFrameFunctionalGroupsSequence, before, after, strict=True):
            own = [*(header.items(groups, keyword) or copy.deepcopy(common))]
            own = [item for item in own if keyword == TRANSFORMATION or _is_linear(item)]
            for item in own:
                change(item, old, new)
            if own:
                setattr(groups, keyword, own)
            elif keyword in groups:
                delattr(groups, keyword)
        if keyword in shared:
            delattr(shared, keyword)


def _change_rescale(item: Dataset, before: Rescale, after: Rescale) -> None:
    own = Rescale(header.number(item, "RescaleSlope") or 1.0, header.number(item, "RescaleIntercept") or 0.0)
    changed = _composed(own, before, after)
    item.RescaleSlope = DSfloat(changed.slope, auto_format=True)
    item.RescaleIntercept = DSfloat(changed.intercept, auto_format=True)


def _change_mapping(item: Dataset, before: Rescale, after: Rescale) -> None:
    own = Rescale(float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept))
    changed = _composed(own, before, after)
    item.RealWorldValueSlope, item.RealWorldValueIntercept = changed.slope, changed.intercept
    for keyword, end in (("RealWorldValueFirstValueMapped", -32767), ("RealWorldValueLastValueMapped", 32767)):
        item.add_new(keyword, "SS", end)


def _composed(own: Rescale, before: Rescale, after: Rescale) -> Rescale:
    """Return `own` for new stored values: back to activity by `after`, to old stored values, and on by `own`."""
    if own == before:
        return after
    share = own.slope / before.slope
    return Rescale(share * after.slope, own.intercept + share * (after.intercept - before.intercept))
