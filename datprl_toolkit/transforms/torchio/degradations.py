"""The degradation simulators of volumes as random TorchIO transforms; what they drew is in the history.

Rain, haze, clouds and camera shake are for pictures, which TorchIO does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torchio.transforms.augmentation.random_transform import RandomTransform
from torchio.transforms.intensity_transform import IntensityTransform

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.transforms import simulators
from datprl_toolkit.transforms.simulators import SIMULATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torchio import Subject

    from datprl_toolkit.transforms.simulators import Range, Simulator


class Degradation(IntensityTransform):
    """One simulator with given parameters and seeds: what stands in the history for a random degradation.

    Parameters
    ----------
    simulator
        One of :data:`~datprl_toolkit.transforms.simulators.SIMULATORS`.
    parameters
        Its parameters, for each image by name.
    seed
        Seed of the noise, for each image by name.
    slice_axis
        Spatial axis that slices are stacked along; None finds it from the affine.
    **kwargs
        Of every TorchIO transform.
    """

    def __init__(
        self,
        simulator: str,
        parameters: Mapping[str, Mapping[str, float]],
        seed: Mapping[str, int],
        slice_axis: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if simulator not in SIMULATORS:
            raise OptionError(ErrorCode.OPTION, f"there is no simulator '{simulator}', only {', '.join(SIMULATORS)}")
        self.simulator = simulator
        self.parameters = parameters
        self.seed = seed
        self.slice_axis = slice_axis
        self.args_names = ["simulator", "parameters", "seed", "slice_axis"]

    def apply_transform(self, subject: Subject) -> Subject:
        """Spoil the images that have parameters; called by TorchIO."""
        for name, image in self.get_images_dict(subject).items():
            if name not in self.parameters:
                continue
            # TorchIO makes errors of numpy's warnings, which masked arithmetic gives where its result is not used.
            with np.errstate(all="warn", under="ignore"):
                spoilt = SIMULATORS[self.simulator].degrade(
                    image.data.numpy(),
                    self.parameters[name],
                    self.seed[name],
                    affine=image.affine,
                    metadata=image,
                    slice_axis=self.slice_axis,
                )
            image.set_data(torch.from_numpy(spoilt))
        return subject


class RandomDegradation(RandomTransform, IntensityTransform):
    """What all random degradations share: parameters and a seed drawn from PyTorch's generator, for each image.

    Parameters
    ----------
    ranges
        For each parameter a value, or two to draw between.
    slice_axis
        Spatial axis that slices are stacked along; None finds it from the affine.
    **kwargs
        Of every TorchIO transform: p, copy, include, exclude, keep.
    """

    simulator: ClassVar[Simulator]

    def __init__(self, ranges: Mapping[str, Range], slice_axis: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        for name, given in ranges.items():
            simulators.interval(given, name)
        self.ranges = dict(ranges)
        self.slice_axis = slice_axis

    def apply_transform(self, subject: Subject) -> Subject:
        """Draw and spoil; called by TorchIO."""
        names = list(self.get_images_dict(subject))
        if not names:
            return subject
        parameters = {name: self.simulator.draw(self.ranges, self._get_random_seed()) for name in names}
        seed = {name: self._get_random_seed() for name in names}
        base = self._get_base_args()
        return Degradation(self.simulator.name, parameters, seed, self.slice_axis, **base)(subject)


class RandomLowDoseCT(RandomDegradation):
    """Noise of a CT scan at a share of its dose, in HU; see :func:`~datprl_toolkit.degradations.low_dose_ct`.

    Parameters
    ----------
    dose
        Share of the dose that remains, in (0, 1].
    views
        Number of views over 180 degrees.
    slice_axis, **kwargs
        See :class:`RandomDegradation`.
    """

    simulator = simulators.LOW_DOSE_CT

    def __init__(
        self, dose: Range = (0.1, 0.5), views: Range = 720, slice_axis: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__({"dose": dose, "views": views}, slice_axis, **kwargs)


class RandomLowCountPET(RandomDegradation):
    """A PET scan from a share of its counts; see :func:`~datprl_toolkit.degradations.low_count_pet`.

    Parameters
    ----------
    fraction
        Share of the counts, in (0, 1].
    counts_per_suv
        Counts of the full scan in one ray, per SUV and cm, without attenuation. Values in another unit need
        ``image["suv_factor"]``, which :func:`load_series` writes; without it they are taken for SUV.
    slice_axis, **kwargs
        See :class:`RandomDegradation`.
    """

    simulator = simulators.LOW_COUNT_PET

    def __init__(
        self,
        fraction: Range = (0.05, 0.25),
        counts_per_suv: Range = (50.0, 200.0),
        slice_axis: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__({"fraction": fraction, "counts_per_suv": counts_per_suv}, slice_axis, **kwargs)


class RandomKSpaceTruncation(RandomDegradation):
    """MR slices with the centre of k-space alone; see :func:`~datprl_toolkit.degradations.truncate_k_space`.

    Parameters
    ----------
    factor
        Whole factor by which each axis of k-space is cut.
    slice_axis, **kwargs
        See :class:`RandomDegradation`.
    """

    simulator = simulators.K_SPACE_TRUNCATION

    def __init__(self, factor: Range = 4, slice_axis: int | None = None, **kwargs: Any) -> None:
        super().__init__({"factor": factor}, slice_axis, **kwargs)


class RandomBicubicLowResolution(RandomDegradation):
    """Reduced and enlarged again, values in [0, 1]; see :func:`~datprl_toolkit.degradations.bicubic_low_resolution`.

    Parameters
    ----------
    factor
        Whole factor of the reduction.
    slice_axis, **kwargs
        See :class:`RandomDegradation`.
    """

    simulator = simulators.BICUBIC_LOW_RESOLUTION

    def __init__(self, factor: Range = 4, slice_axis: int | None = None, **kwargs: Any) -> None:
        super().__init__({"factor": factor}, slice_axis, **kwargs)
