"""Restore the images of a TorchIO subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torchio.transforms.intensity_transform import IntensityTransform

from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.transforms.loading import LazyRestorer
from datprl_toolkit.transforms.volume import restore_volume
from datprl_toolkit.transforms.windows import check_profile

if TYPE_CHECKING:
    from pathlib import Path

    from torchio import Subject

    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.transforms.windows import ProfileChoice


class Restore(IntensityTransform):
    """Restore every intensity image of a subject slice by slice under one context, in its physical values.

    The same as ``datprl restore`` does to the series. The history of the subject holds the name of the weights and
    all options, so that it can be replayed; it has no inverse, for what was removed is not kept.

    Parameters
    ----------
    weights
        Name or path of weights, or a :class:`~datprl_toolkit.restoring.Restorer`, which the history then carries whole.
    profile
        "auto" (by ``image["modality"]``, which :func:`load_series` writes), "ct-soft-tissue", "pet-suv",
        "pet-percentile", "mr-percentile", an :class:`~datprl_toolkit.intensity.IntensityProfile`, or a window
        (low, high).
    strength
        Share of the change that is applied, 0 to 1.
    slice_axis
        Spatial axis 0, 1 or 2 that slices are stacked along; None finds it from the affine.
    device, precision, batch_size
        As for :class:`~datprl_toolkit.restoring.Restorer`.
    **kwargs
        Of every TorchIO transform: p, copy, include, exclude, keep.
    """

    def __init__(
        self,
        weights: str | Path | Restorer = "small",
        profile: ProfileChoice = "auto",
        strength: float = 1.0,
        slice_axis: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_profile(profile)
        check_strength(strength)
        self.weights = weights
        self.profile = profile
        self.strength = strength
        self.slice_axis = slice_axis
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.restorer = LazyRestorer(weights, device=device, precision=precision, batch_size=batch_size)
        # What TorchIO writes into the history and makes the transform from again.
        self.args_names = ["weights", "profile", "strength", "slice_axis", "device", "precision", "batch_size"]

    def apply_transform(self, subject: Subject) -> Subject:
        """Restore the images of a subject; called by TorchIO."""
        for image in self.get_images(subject):
            # TorchIO makes errors of numpy's warnings, which masked arithmetic gives where its result is not used.
            with np.errstate(all="warn", under="ignore"):
                restored = restore_volume(
                    image.data.numpy(),
                    self.restorer.get(),
                    affine=image.affine,
                    metadata=image,
                    profile=self.profile,
                    strength=self.strength,
                    slice_axis=self.slice_axis,
                )
            image.set_data(torch.from_numpy(restored))
        return subject
