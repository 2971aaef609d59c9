"""Physical values to the network's [0, 1] and back as a residual, as an invertible MONAI transform."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from monai.data import MetaTensor, get_track_meta
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils import TraceKeys, TransformBackends, convert_to_tensor

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.transforms.monai.tensors import Image, image_metadata, image_values, like
from datprl_toolkit.transforms.volume import check_volume, padding_mask
from datprl_toolkit.transforms.windows import check_profile, choose_volume_profile

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from monai.config import KeysCollection

    from datprl_toolkit.transforms.windows import ProfileChoice


class ScaleIntensityProfile(InvertibleTransform):
    """Map physical values to [0, 1] by an intensity profile; the inverse puts a change back as a residual.

    MONAI's ``ScaleIntensityRange`` has no inverse, and a linear one would lose whatever lies outside the window. Here
    the original values travel with the trace of the transform, and the inverse of what the network answered, f(z), is
    ``x + strength * w(x) * (high - low) * (f(z) - z)``: values outside the window and values that the network left
    alone come back bit by bit.

    Parameters
    ----------
    profile
        As for :class:`~datprl_toolkit.transforms.monai.RestoreVolume`.
    strength
        Share of the change that the inverse applies.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (as MONAI declares it)

    def __init__(self, profile: ProfileChoice = "auto", strength: float = 1.0) -> None:
        check_profile(profile)
        check_strength(strength)
        if profile == "ct-wide" or (isinstance(profile, IntensityProfile) and profile.windows):
            raise OptionError(
                ErrorCode.OPTION,
                "a profile of several windows is not one mapping to [0, 1]",
                where="profile",
                remedy="Use RestoreVolume, which restores each window by itself",
            )
        self.profile = profile
        self.strength = strength

    def __call__(self, img: Image) -> Image:
        """Map an image (C, X, Y, Z), one profile for each channel, to [0, 1] in float32."""
        values = image_values(img)
        check_volume(values)
        known = image_metadata(img)
        profiles = []
        unit = np.empty(values.shape, dtype=np.float32)
        for channel, volume in enumerate(values):
            padding = padding_mask(volume, known)
            profiles.append(choose_volume_profile(self.profile, volume, known, padding))
            unit[channel] = profiles[-1].to_unit(volume)
        inverted = bool(known.get("inverted", False))
        result = convert_to_tensor(like(1 - unit if inverted else unit, img), track_meta=get_track_meta())
        if isinstance(result, MetaTensor):
            extra_info = {
                "original": torch.from_numpy(values.copy()),
                "profiles": [_one_window(profile) for profile in profiles],
                "inverted": inverted,
            }
            self.push_transform(result, extra_info=extra_info)  # type: ignore[no-untyped-call]
        return cast("torch.Tensor", result)

    def inverse(self, data: torch.Tensor) -> torch.Tensor:
        """Put the change of an image in [0, 1] back onto the values it was made from.

        Raises
        ------
        InputError
            ``E_UNSUPPORTED`` if the image has another shape than they have: a transform between the two was not
            inverted.
        """
        trace = self.pop_transform(data)[TraceKeys.EXTRA_INFO]
        original, after = trace["original"].numpy(), image_values(data)
        if original.shape != after.shape:
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"an image of shape {original.shape} cannot take back a change of shape {after.shape}",
                remedy="Invert what changed the shape first",
            )
        if trace["inverted"]:
            after = 1 - after
        restored = np.empty(original.shape, dtype=np.float32)
        for channel, (volume, fields) in enumerate(zip(original, trace["profiles"], strict=True)):
            profile = IntensityProfile(**fields)
            changed = profile.apply(volume, profile.to_unit(volume), after[channel], strength=self.strength)
            padding = padding_mask(volume, image_metadata(data))
            restored[channel] = changed if padding is None else np.where(padding, volume, changed)
        return cast("torch.Tensor", like(restored, data))

    def _transforms_match(self, transform: Mapping[Hashable, Any]) -> bool:
        """Know its own trace by name too: a worker that was spawned holds a copy with another identity."""
        if transform.get(TraceKeys.CLASS_NAME) == type(self).__name__:
            return True
        return bool(super()._transforms_match(transform))


def _one_window(profile: IntensityProfile) -> dict[str, Any]:
    """Return the fields of a profile that is one window, as a loader can put them into batches."""
    fields = asdict(profile)
    del fields["windows"]
    return fields


class ScaleIntensityProfiled(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`ScaleIntensityProfile`, for ``Invertd``.

    Parameters
    ----------
    keys
        Keys of the volumes.
    profile, strength
        As for :class:`ScaleIntensityProfile`.
    allow_missing_keys
        Whether a key may be absent.
    """

    backend = ScaleIntensityProfile.backend

    def __init__(
        self,
        keys: KeysCollection,
        profile: ProfileChoice = "auto",
        strength: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = ScaleIntensityProfile(profile, strength)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Map the volumes of a dictionary to [0, 1]."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.scale(result[key])
        return result

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Put the changes back onto the volumes of a dictionary."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.scale.inverse(result[key])
        return result


ScaleIntensityProfileD = ScaleIntensityProfileDict = ScaleIntensityProfiled
