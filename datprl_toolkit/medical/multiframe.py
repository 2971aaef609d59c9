"""Frames of enhanced multi-frame images: each with its own place and scaling, from the functional groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.enhanced_pet import ENHANCED_PET, frame_rescale, frame_units
from datprl_toolkit.medical.geometry import UNIT_TOLERANCE, SliceGeometry, read_geometry
from datprl_toolkit.medical.quantity import Rescale, read_rescale
from datprl_toolkit.medical.traits import Traits, read_traits

if TYPE_CHECKING:
    from pathlib import Path

ENHANCED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    ENHANCED_PET: "PT",
    # Legacy Converted Enhanced CT, MR and PET: classic images that were put together (PS3.3 A.70 to A.72).
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
}
FRAME_TYPE_SEQUENCES = {
    "CT": "CTImageFrameTypeSequence",
    "MR": "MRImageFrameTypeSequence",
    "PT": "PETFrameTypeSequence",
}
MOST_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class Frame:
    """Geometry, scaling and traits of one frame.

    `quantity` says what the values are: Rescale Type (0028,1054), or in an enhanced PET Units and SUV Type.
    `acquired` is its Frame Acquisition DateTime (0018,9074); empty where a dose is not decayed to it.
    """

    geometry: SliceGeometry
    rescale: Rescale
    quantity: str
    traits: Traits
    acquired: str


def read_frames(dataset: Dataset, modality: str, where: Path) -> list[Frame]:
    """Read the functional groups of all frames (PS3.3 section C.7.6.16).

    Raises
    ------
    InputError
        ``E_CORRUPT`` if there are not as many items as frames; ``E_GEOMETRY`` and ``E_QUANTITY`` as for classic
        images; ``E_UNSUPPORTED`` if the frames differ in contrast, orientation or size of a pixel, since one
        intensity window and one context would then serve images of different kinds.
    """
    per_frame = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    count = header.integer(dataset, "NumberOfFrames")
    if count is None or not 0 < count <= MOST_FRAMES or len(per_frame) != count:
        raise InputError(
            ErrorCode.CORRUPT, "Number of Frames and the Per-Frame Functional Groups Sequence disagree", where=where
        )
    shared = next(iter(header.items(dataset, "SharedFunctionalGroupsSequence")), Dataset())
    frames = [_read_frame(dataset, groups, shared, modality, where) for groups in per_frame]
    _check_uniform(frames, where)
    return frames


def functional_group(keyword: str, groups: Dataset, shared: Dataset) -> Dataset:
    """Return the item of a functional group for one frame: its own, else the shared one, else an empty one."""
    for holder in (groups, shared):
        found = header.items(holder, keyword)
        if found:
            return found[0]
    return Dataset()


def _read_frame(dataset: Dataset, groups: Dataset, shared: Dataset, modality: str, where: Path) -> Frame:
    def group(keyword: str) -> Dataset:
        return functional_group(keyword, groups, shared)

    acquired = header.text(group("FrameContentSequence"), "FrameAcquisitionDateTime")
    if header.text(dataset, "SOPClassUID") == ENHANCED_PET:
        acquired = ""  # its dose is decayed to a time that the header names
        rescale, quantity = frame_rescale(groups, shared, where), "/".join(frame_units(groups, shared))
    else:
        transformation = group("PixelValueTransformationSequence")
        rescale = read_rescale(transformation, where, required=modality != "MR")
        quantity = header.text(transformation, "RescaleType")
    return Frame(
        geometry=read_geometry(
            group("PlanePositionSequence"),
            group("PlaneOrientationSequence"),
            group("PixelMeasuresSequence"),
            where,
        ),
        rescale=rescale,
        quantity=quantity,
        traits=_read_traits(dataset, groups, shared, modality),
        acquired=acquired,
    )


def _read_traits(dataset: Dataset, groups: Dataset, shared: Dataset, modality: str) -> Traits:
    frame_type = header.texts(functional_group(FRAME_TYPE_SEQUENCES[modality], groups, shared), "FrameType")
    firm = (
        "/".join(frame_type or header.texts(dataset, "ImageType")),
        str(header.number(functional_group("MREchoSequence", groups, shared), "EffectiveEchoTime")),
        str(header.number(functional_group("MRDiffusionSequence", groups, shared), "DiffusionBValue")),
    )
    # What the conversion of a classic image found no place for, such as its echo time.
    unassigned = header.items(groups, "UnassignedPerFrameConvertedAttributesSequence")
    return Traits(firm + (read_traits(unassigned[0], modality).firm if unassigned else ()))


def _check_uniform(frames: list[Frame], where: Path) -> None:
    first = frames[0]
    for frame in frames[1:]:
        turned = any(
            abs(mine - other) > UNIT_TOLERANCE
            for mine, other in zip(frame.geometry.orientation, first.geometry.orientation, strict=True)
        )
        if turned:
            raise _mixed("orientation", where)
        if frame.traits != first.traits or frame.quantity != first.quantity:
            raise _mixed("frame type, unit, echo time or diffusion weighting", where)
        if frame.geometry.spacing != first.geometry.spacing:
            raise _mixed("pixel spacing", where)


def _mixed(what: str, where: Path) -> InputError:
    return InputError(
        ErrorCode.UNSUPPORTED,
        f"the frames of this enhanced image differ in {what}",
        where=where,
        remedy="Split it into one image for each (for example with emf2sf of dcm4che), then restore these",
    )
