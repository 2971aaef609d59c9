"""What a restored image says about how it was made, and the identifiers that follow from it."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

import datprl_toolkit
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.enlarging import scale_of
from datprl_toolkit.restoring.self_ensemble import SAID

if TYPE_CHECKING:
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.weights import WeightsCard

MODALITY_TASKS = {"CT": "ct", "PT": "pet", "MR": "mri"}
IDENTIFIER_NAMESPACE = uuid.UUID("6d0c5f0a-5a0e-5e0b-9f5b-2f3f1f6c7d11")
NO_WINDOW = IntensityProfile("none", 0.0, 1.0, "1")
"""Profile of what was not restored."""

PRODUCT = "datprl-toolkit"
USUAL = "float32"
WARNING = "Not for diagnostic use."

# CID 7203 "Image Derivation" has no code for learned restoration; these describe the effect.
SMOOTHING = ("113087", "DCM", "Smoothing")
RESAMPLING = ("113085", "DCM", "Spatial resampling")
EDGE_ENHANCEMENT = ("113086", "DCM", "Edge enhancement")
# CID 7202 "Source Image Purpose of Reference".
PROCESSING_SOURCE = ("121322", "DCM", "Source image for image processing operation")
# CID 7005 "Contributing Equipment Purpose of Reference".
PROCESSING_EQUIPMENT = ("109102", "DCM", "Processing Equipment")


@dataclass(frozen=True, slots=True)
class Provenance:
    """How one restored series was made.

    Parameters
    ----------
    weights, weights_sha256, task
        Name and checksum of the weights, and the task they were trained for.
    profile, strength
        Intensity window and share of the change.
    sources
        Checksum over all source instances: the context is taken from the whole volume, so that a slice restored
        among others is another image.
    modality
        "CT", "MR" or "PT".
    created
        When the job ran.
    scale
        By what the grid was enlarged before.
    self_ensemble
        Whether each slice is the mean over its mirror images.
    arithmetic
        In which the network ran, as :attr:`datprl_toolkit.restoring.Restorer.arithmetic` says: it changes values.
    """

    weights: str
    weights_sha256: str
    task: str
    profile: IntensityProfile
    strength: float
    sources: str
    modality: str
    created: datetime
    scale: int = 1
    self_ensemble: bool = False
    arithmetic: str = USUAL

    @classmethod
    def of(
        cls,
        volume: Volume,
        card: WeightsCard,
        profile: IntensityProfile,
        strength: float,
        created: datetime,
        *,
        self_ensemble: bool = False,
        arithmetic: str = USUAL,
    ) -> Provenance:
        """Collect the provenance of `volume` restored with the weights of `card`."""
        return cls(
            # A card made from a file could carry a path, which has no place in a medical image.
            weights=PurePath(card.name.replace("\\", "/")).name,
            weights_sha256=card.sha256,
            task=", ".join(matching_tasks(card, volume.modality)),
            profile=profile,
            strength=strength,
            sources=source_checksum(volume),
            modality=volume.modality,
            created=created,
            scale=scale_of(volume),
            self_ensemble=self_ensemble,
            arithmetic=arithmetic,
        )

    def identifier(self, *parts: str) -> str:
        """Return a unique identifier that is the same for the same sources and parameters.

        Of the form "2.25." and a name-based UUID (PS3.5 B.2), so that no registered root is needed.
        """
        profile = self.profile
        made_by = (
            datprl_toolkit.__version__,
            self.weights_sha256,
            f"{profile.low!r} {profile.high!r} {profile.taper_low!r} {profile.taper_high!r}",
            repr(self.strength),
            self.sources,
            *(() if profile.task is None else (profile.task,)),
            *(() if self.scale == 1 else (f"scale {self.scale}",)),
            *(("self-ensemble",) if self.self_ensemble else ()),
            *(() if self.arithmetic == USUAL else (self.arithmetic,)),
        )
        return f"2.25.{uuid.uuid5(IDENTIFIER_NAMESPACE, '|'.join((*made_by, *parts))).int}"

    def description(self) -> str:
        """Return Derivation Description (0008,2111): what was done, for a person; at most 1024 characters."""
        profile = self.profile
        mean = f", {SAID}" if self.self_ensemble else ""
        arithmetic = "" if self.arithmetic == USUAL else f", arithmetic {self.arithmetic}"
        enlarged = "" if self.scale == 1 else f"Grid enlarged {self.scale} times by filling k-space with zeros. "
        return (
            f"{enlarged}Restored by {PRODUCT} {datprl_toolkit.__version__} (DATPRL-IR network); "
            f"weights {self.weights[:64]}, sha256 {self.weights_sha256}; task {self.task}; "
            f"intensity profile {profile.name}, "
            f"{profile.low:.6g} to {profile.high:.6g} {profile.unit}; strength {self.strength:g}{mean}{arithmetic}. "
            f"{WARNING}"
        )

    def derivation_codes(self) -> list[Dataset]:
        """Return the codes of what was done."""
        effect = code_item(EDGE_ENHANCEMENT if self.modality == "MR" else SMOOTHING)
        return [effect] if self.scale == 1 else [code_item(RESAMPLING), effect]

    def equipment(self) -> Dataset:
        """Return the item of Contributing Equipment Sequence (0018,A001) for this software (PS3.3 C.12.1)."""
        item = Dataset()
        item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_EQUIPMENT)]
        item.Manufacturer = PRODUCT
        item.ManufacturerModelName = f"DATPRL-IR {self.weights}"[:64]
        item.SoftwareVersions = datprl_toolkit.__version__
        item.ContributionDescription = f"Image restoration by a neural network. {WARNING}"
        item.ContributionDateTime = self.created.strftime("%Y%m%d%H%M%S")
        return item


def source_checksum(volume: Volume) -> str:
    """Return a checksum over the identifiers of all images of a volume, whatever their order."""
    names = sorted(f"{image.sop_instance_uid}/{image.frame}" for image in volume.slices)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def time_of_making() -> datetime:
    """Return now, or the moment that SOURCE_DATE_EPOCH names: under one value of it equal runs write equal bytes.

    The variable holds seconds since 1970 in UTC (reproducible-builds.org).

    Raises
    ------
    OptionError
        ``E_OPTION`` if it holds something else.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now()
    try:
        return datetime.fromtimestamp(int(epoch), tz=UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:
        raise OptionError(
            ErrorCode.OPTION, f"SOURCE_DATE_EPOCH is no number of seconds since 1970 but '{epoch}'"
        ) from error


def matching_tasks(card: WeightsCard, modality: str) -> tuple[str, ...]:
    """Return the tasks of the weights that are for images of a modality."""
    prefix = MODALITY_TASKS[modality]
    return tuple(task.name for task in card.tasks if task.name.split("_")[0] == prefix)


def source_item(sop_class_uid: str, sop_instance_uid: str, *, same_places: bool = True) -> Dataset:
    """Return the item of Source Image Sequence (0008,2112) for one image, at the same places or others."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    item.SpatialLocationsPreserved = "YES" if same_places else "NO"
    item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_SOURCE)]
    return item


def code_item(code: tuple[str, str, str]) -> Dataset:
    """Return a code sequence item: value, scheme, meaning."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item
