"""Which intensity profile a volume in memory gets: the same that its series would get as DICOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError, WeightsError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.profiles import (
    CT_SOFT_TISSUE,
    CT_WIDE,
    TAPER_SHARE,
    given_task,
    mr_profile,
    pet_percentile_profile,
    pet_profile,
)
from datprl_toolkit.medical.provenance import MODALITY_TASKS, matching_tasks
from datprl_toolkit.medical.survey import ValueCount

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.weights import WeightsCard

ProfileChoice = str | IntensityProfile | Sequence[float]
"""A name of :data:`PROFILES`, a profile, or the two ends of a window."""

PROFILES = {"ct-soft-tissue": "CT", "ct-wide": "CT", "pet-suv": "PT", "pet-percentile": "PT", "mr-percentile": "MR"}
"""Names of profiles, and the modality that each is for; besides them "auto", which goes by the metadata."""

AUTOMATIC = {"CT": "ct-soft-tissue", "PT": "pet-suv", "MR": "mr-percentile"}


def check_profile(choice: ProfileChoice) -> None:
    """Raise ``E_OPTION`` unless `choice` is a profile, before any data are there."""
    if isinstance(choice, str):
        if choice != "auto" and choice not in PROFILES:
            raise OptionError(
                ErrorCode.OPTION,
                f"there is no intensity profile '{choice}', only auto, {', '.join(PROFILES)}",
                where="profile",
                remedy="Or give the two ends of a window",
            )
    elif not isinstance(choice, IntensityProfile):
        _window(choice)


def choose_volume_profile(
    choice: ProfileChoice,
    values: npt.NDArray[np.floating],
    metadata: Mapping[str, Any],
    padding: npt.NDArray[np.bool_] | None = None,
) -> IntensityProfile:
    """Return the intensity profile for a volume.

    Parameters
    ----------
    choice
        "auto" goes by the modality in the metadata: CT soft tissue, PET by SUV, MR by percentile. A name, a profile
        or a window (low, high) decides itself. A window tapers over a twentieth of its width at either end.
    values
        Physical values, (slices, rows, columns).
    metadata
        What a reader said of them: "modality", "unit" and, for PET, "suv_factor" that turns them into SUV. Without
        a factor PET values are taken for SUV only if `choice` says so by name, or the unit does.
    padding
        Where there is no image.

    Raises
    ------
    OptionError
        ``E_OPTION`` if "auto" has nothing to go by.
    InputError
        ``E_QUANTITY`` if all values of the volume are equal.
    """
    check_profile(choice)
    if isinstance(choice, IntensityProfile):
        return choice
    if not isinstance(choice, str):
        low, high = _window(choice)
        taper = TAPER_SHARE * (high - low)
        task = given_task(_text(metadata, "modality"))
        return IntensityProfile("window", low, high, _text(metadata, "unit") or "1", taper, taper, task=task)
    unit = _text(metadata, "unit")
    name = _automatic(metadata, unit) if choice == "auto" else choice
    if name == "ct-soft-tissue":
        return CT_SOFT_TISSUE
    if name == "ct-wide":
        return CT_WIDE
    if name == "pet-suv":
        return pet_profile(float(metadata.get("suv_factor", 1.0)), unit or "SUV")
    make = mr_profile if name == "mr-percentile" else pet_percentile_profile
    return make(_count(values, padding), unit or "1", "volume")


def check_volume_task(choice: ProfileChoice, metadata: Mapping[str, Any], card: WeightsCard) -> None:
    """Raise ``E_WEIGHTS_TASK`` if the weights were not trained for the modality that profile or metadata name."""
    named = PROFILES.get(choice) if isinstance(choice, str) else None
    modality = named or _text(metadata, "modality")
    if modality not in MODALITY_TASKS or matching_tasks(card, modality):
        return
    known = ", ".join(task.name for task in card.tasks)
    raise WeightsError(
        ErrorCode.WEIGHTS_TASK,
        f"the weights '{card.name}' were not trained for {modality} images, only for {known or 'no named task'}",
        remedy=f"Choose weights with a task that begins with '{MODALITY_TASKS[modality]}_'",
    )


def _automatic(metadata: Mapping[str, Any], unit: str) -> str:
    modality = _text(metadata, "modality")
    if modality not in AUTOMATIC:
        raise OptionError(
            ErrorCode.OPTION,
            "the metadata do not say whether this is CT, MR or PET, so the intensity profile cannot be chosen",
            where="profile",
            remedy=f"Name one of {', '.join(PROFILES)}, or give the two ends of a window",
        )
    if modality == "PT" and "suv_factor" not in metadata and unit != "SUV":
        return "pet-percentile"
    return AUTOMATIC[modality]


def _text(metadata: Mapping[str, Any], key: str) -> str:
    """Return an entry of the metadata as text; a collated batch holds lists of one."""
    entry = metadata.get(key, "")
    return str(entry[0] if isinstance(entry, list | tuple) and entry else entry)


def _window(ends: Sequence[float]) -> tuple[float, float]:
    if len(ends) != 2:
        raise OptionError(ErrorCode.OPTION, f"a window has two ends, not {len(ends)}", where="profile")
    profile = IntensityProfile("window", float(ends[0]), float(ends[1]), "1")
    return profile.low, profile.high


def _count(values: npt.NDArray[np.floating], padding: npt.NDArray[np.bool_] | None) -> ValueCount:
    counted = ValueCount()
    for index, image in enumerate(values):
        kept = np.isfinite(image) if padding is None else np.isfinite(image) & ~padding[index]
        counted.add(image[kept])
    return counted
