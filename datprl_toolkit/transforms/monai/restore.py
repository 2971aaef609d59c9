"""Restore a volume inside a MONAI pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends

from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.transforms.loading import LazyRestorer
from datprl_toolkit.transforms.monai.tensors import (
    Image,
    image_geometry,
    image_metadata,
    image_values,
    like,
)
from datprl_toolkit.transforms.monai.writer import RESTORED_BY, describe_restoring
from datprl_toolkit.transforms.volume import restore_volume
from datprl_toolkit.transforms.windows import check_profile

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from monai.config import KeysCollection

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.transforms.windows import ProfileChoice


class RestoreVolume(Transform):
    """Restore a volume slice by slice under one context, in its physical values.

    The same as ``datprl restore`` does to the series: same window, same context, same residual. The weights are
    loaded on the first call, in whatever process makes it, so that a pipeline can be pickled and sent to workers.

    Parameters
    ----------
    weights
        Name or path of weights, or a :class:`~datprl_toolkit.restoring.Restorer`.
    profile
        "auto" (by "modality" in the metadata, which :class:`SeriesReader` writes), "ct-soft-tissue", "ct-wide",
        "pet-suv", "pet-percentile", "mr-percentile", an :class:`~datprl_toolkit.intensity.IntensityProfile`, or a
        window [low, high].
    strength
        Share of the change that is applied, 0 to 1; 0 returns the values as they are.
    slice_axis
        Spatial axis 0, 1 or 2 that slices are stacked along; None finds it from the affine.
    device, precision, batch_size
        As for :class:`~datprl_toolkit.restoring.Restorer`.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (as MONAI declares it)

    def __init__(
        self,
        weights: str | Path | Restorer = "small",
        profile: ProfileChoice = "auto",
        strength: float = 1.0,
        slice_axis: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        check_profile(profile)
        check_strength(strength)
        self.restorer = LazyRestorer(weights, device=device, precision=precision, batch_size=batch_size)
        self.profile = profile
        self.strength = strength
        self.slice_axis = slice_axis

    def __call__(self, img: Image) -> Image:
        """Restore an image (C, X, Y, Z).

        Returns
        -------
        What `img` is (MetaTensor, tensor or array) in float32, with its affine and metadata.

        Raises
        ------
        DatprlError
            As :func:`~datprl_toolkit.transforms.volume.restore_volume`; MONAI's ``Compose`` wraps it in a
            ``RuntimeError`` whose cause it is.
        """
        restorer = self.restorer.get()
        profiles: list[IntensityProfile] = []
        restored = restore_volume(
            image_values(img),
            restorer,
            affine=image_geometry(img),
            metadata=image_metadata(img),
            profile=self.profile,
            strength=self.strength,
            slice_axis=self.slice_axis,
            told=profiles.append,
        )
        result = like(restored, img)
        if isinstance(result, MetaTensor) and len(profiles) == 1:
            result.meta[RESTORED_BY] = describe_restoring(restorer, profiles[0], self.strength)
        return result


class RestoreVolumed(MapTransform):
    """Dictionary version of :class:`RestoreVolume`; every key is a volume of its own.

    Parameters
    ----------
    keys
        Keys of the volumes.
    allow_missing_keys
        Whether a key may be absent.
    **arguments
        Of :class:`RestoreVolume`.
    """

    backend = RestoreVolume.backend

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False, **arguments: Any) -> None:
        super().__init__(keys, allow_missing_keys)
        self.restore = RestoreVolume(**arguments)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Restore the volumes of a dictionary."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self.restore(result[key])
        return result


RestoreVolumeD = RestoreVolumeDict = RestoreVolumed
