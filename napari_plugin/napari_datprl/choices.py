"""What a person chose in the restore form, and the request that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.messages import Network, RestoreArray, RestoreTiles, RestoreVolume
from napari_datprl.restoration import Restoration, SliceRestoration
from napari_datprl.sources import KEY, ArraySource, SceneSource, VolumeSource, array_source, source_of

if TYPE_CHECKING:
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring.tiling import Window

DEFAULT_NETWORK = Network()
TAPER_SHARE = 0.05
"""Share of the shown window over which the change fades at its ends, as 20 HU are of the window of a CT."""


AUTOMATIC_TASK = "Seen by the network"
ASKED_TASKS = (
    "dehazing",
    "cloud_removal",
    "remote_sensing_super_resolution",
    "natural_deraining",
    "natural_deblurring",
    "natural_super_resolution",
)
"""Tasks that a person can ask for; a series is restored as its modality asks for."""


class Profile(StrEnum):
    """Which window of values the network sees."""

    AUTOMATIC = "Automatic"
    TYPE = "Range of the data type"
    SHOWN = "Window that is shown"
    SOFT_TISSUE = "CT soft tissue (values in HU)"
    REFLECTANCE = "Reflectance, 10000 as 1"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose.

    Parameters
    ----------
    network
        Weights and device.
    profile
        Window that the network sees.
    strength
        Share of the change that is shown at first.
    """

    network: Network = DEFAULT_NETWORK
    profile: Profile = Profile.AUTOMATIC
    strength: float = 1.0


def profiles_for(layer: Any) -> tuple[Profile, ...]:
    """Return the windows that make sense for a layer, the best first."""
    if isinstance(source_of(layer), VolumeSource):
        return Profile.AUTOMATIC, Profile.SHOWN
    if isinstance(source_of(layer), SceneSource):
        return Profile.AUTOMATIC, Profile.REFLECTANCE, Profile.SHOWN
    if layer.rgb or np.dtype(layer.dtype) in (np.uint8, np.uint16):
        return Profile.TYPE, Profile.SHOWN, Profile.SOFT_TISSUE
    return Profile.SHOWN, Profile.TYPE, Profile.SOFT_TISSUE


def prepare(
    layer: Any, choices: Choices, shown: int | Window
) -> tuple[Restoration, RestoreVolume | RestoreArray | RestoreTiles]:
    """Return an empty restoration of a layer and the request that fills it, what is looked at first.

    Parameters
    ----------
    layer
        A series, a scene or any other image.
    choices
        What a person chose.
    shown
        Index of the slice, or of a scene the part, that is looked at.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a window that is empty.
    """
    found = layer.metadata.get(KEY)
    # What was restored is restored from its original again, and never twice.
    source = found.source if isinstance(found, Restoration) else source_of(layer)
    if isinstance(source, SceneSource):
        return _prepare_scene(source, choices, shown)
    assert isinstance(shown, int)
    restoration: SliceRestoration
    if isinstance(source, VolumeSource):
        restoration = SliceRestoration(source, choices.network, choices.strength)
        order = nearest_first(len(source.volume.slices), shown)
        profile = None if choices.profile is Profile.AUTOMATIC else profile_of(layer, choices.profile)
        return restoration, RestoreVolume(choices.network, source.volume, source.earliest, order, profile)
    planes = source if isinstance(source, ArraySource) else array_source(layer)
    restoration = SliceRestoration(planes, choices.network, choices.strength)
    order = nearest_first(len(planes.values), shown)
    return restoration, RestoreArray(choices.network, planes.values, order, profile_of(layer, choices.profile))


def _prepare_scene(source: SceneSource, choices: Choices, shown: int | Window) -> tuple[Restoration, RestoreTiles]:
    from datprl_toolkit.remote_sensing import SceneOptions
    from datprl_toolkit.remote_sensing.windows import whole
    from napari_datprl.scene_restoration import TILE, SceneRestoration, tiles_of

    grid = source.scene.grid
    scaling = scaling_of(source, choices.profile)
    tiles = tiles_of(grid.shape, whole(grid.shape) if isinstance(shown, int) else shown)
    restoration = SceneRestoration(source, choices.network, choices.strength, tiles, scaling)
    options = SceneOptions(bands=source.bands, scaling=scaling, tile=TILE)
    return restoration, RestoreTiles(choices.network, source.scene, options, tiles)


def scaling_of(source: SceneSource, chosen: Profile) -> str | None:
    """Return how the stored values of a scene are mapped to [0, 1], as the command line is told."""
    if chosen is Profile.REFLECTANCE:
        return "reflectance:10000"
    return f"minmax:{source.window[0]!r},{source.window[1]!r}" if chosen is Profile.SHOWN else None


def nearest_first(total: int, shown: int) -> tuple[int, ...]:
    """Return all indices, the shown one first and the others by their distance from it."""
    start = min(max(shown, 0), total - 1)
    return tuple(sorted(range(total), key=lambda index: (abs(index - start), index)))


def profile_of(layer: Any, chosen: Profile) -> IntensityProfile:
    """Return the window of a layer that is no DICOM series, or that a person wants otherwise."""
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, given_task

    unit, source = layer.metadata.get("unit", "1"), source_of(layer)
    if isinstance(source, SceneSource):
        return IntensityProfile("shown-window", *source.window, unit)
    if chosen is Profile.SOFT_TISSUE:
        return CT_SOFT_TISSUE
    if chosen is Profile.SHOWN and not layer.rgb:
        low, high = (float(value) for value in layer.contrast_limits)
        taper = TAPER_SHARE * (high - low)
        task = given_task(source.volume.modality) if isinstance(source, VolumeSource) else None
        return IntensityProfile("shown-window", low, high, unit, taper_low=taper, taper_high=taper, task=task)
    dtype = np.dtype(layer.dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return IntensityProfile(dtype.name, float(limits.min), float(limits.max), unit)
    return IntensityProfile("unit", 0.0, 1.0, unit)


def likely_profile(layer: Any) -> IntensityProfile:
    """Return the window in which a layer would be restored, without looking at all of its slices."""
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, PET_HIGHEST_SUV

    source = source_of(layer)
    if not isinstance(source, VolumeSource):
        return profile_of(layer, profiles_for(layer)[0])
    if source.volume.modality == "CT":
        return CT_SOFT_TISSUE
    if source.suv_factor:
        return IntensityProfile("pet-suv", 0.0, PET_HIGHEST_SUV / source.suv_factor, source.volume.unit)
    return profile_of(layer, Profile.SHOWN)
