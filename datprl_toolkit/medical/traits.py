"""What tells interleaved images of one series apart: contrast, echo, time point, diffusion weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VR

from datprl_toolkit.medical import header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SIEMENS_GROUP, SIEMENS_CREATOR, SIEMENS_B_VALUE = 0x0019, "SIEMENS MR HEADER", 0x0C

NUMERIC_VR = ("DS", "FD", "FL", "IS")

# Always a different volume.
FIRM_KEYWORDS = ("EchoTime", "TemporalPositionIdentifier", "DiffusionBValue")
# A different volume only if one position would hold several images otherwise: these also change within one stack.
LOOSE_KEYWORDS = (
    "TriggerTime",
    "EchoNumbers",
    "ImageType",
    "ConvolutionKernel",
    "DiffusionGradientOrientation",
    "AcquisitionNumber",
    "InversionTime",
    "FlipAngle",
    "RepetitionTime",
    "KVP",
    "FrameReferenceTime",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What an image's header says that may set it apart from the others of its series.

    Parameters
    ----------
    firm
        Values that always separate volumes.
    loose
        Values, in the order of :data:`LOOSE_KEYWORDS`, that separate volumes only where positions collide.
    """

    firm: tuple[str, ...]
    loose: tuple[str, ...] = ()


def read_traits(dataset: Dataset, modality: str) -> Traits:
    """Read the traits of a classic image.

    The whole Image Type separates MR images (magnitude and phase, water and fat); in CT and PET values after the
    third are notes of the vendor that may change within one stack (GE writes "ADD" on some slices).
    """
    image_type = header.texts(dataset, "ImageType")
    kept = image_type if modality == "MR" else image_type[:3]
    b_value = "" if header.value(dataset, "DiffusionBValue") is not None else _siemens_b_value(dataset)
    firm = ("/".join(kept), b_value, *(_written(dataset, keyword) for keyword in FIRM_KEYWORDS))
    return Traits(firm, tuple(_written(dataset, keyword) for keyword in LOOSE_KEYWORDS))


def _written(dataset: Dataset, keyword: str) -> str:
    """Return a value as text that is the same for equal numbers, however they are written."""
    words = "/".join(header.texts(dataset, keyword))
    if dictionary_VR(keyword) not in NUMERIC_VR:
        return words
    return "/".join(f"{item:.6g}" for item in header.numbers(dataset, keyword)) or words


def _siemens_b_value(dataset: Dataset) -> str:
    """Return Siemens' private diffusion b-value (0019,xx0C), which predates the standard one."""
    found = header.private_value(dataset, SIEMENS_GROUP, SIEMENS_CREATOR, SIEMENS_B_VALUE)
    return "" if found is None else str(found)
