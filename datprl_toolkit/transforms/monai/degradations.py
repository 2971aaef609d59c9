"""The degradation simulators as randomizable MONAI transforms: training pairs made inside the data loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from monai.data import get_track_meta
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import TransformBackends, convert_to_tensor

from datprl_toolkit.transforms import simulators
from datprl_toolkit.transforms.monai.tensors import Image, image_geometry, image_metadata, image_values, like

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    import numpy as np
    from monai.config import KeysCollection

    from datprl_toolkit.transforms.simulators import Range, Simulator

SEEDS = 2**31 - 1


class RandDegradation(RandomizableTransform):
    """What all random degradations share; the physics is in :mod:`datprl_toolkit.degradations`.

    Parameters are drawn once for an image; every slice of a volume gets noise of its own.

    Parameters
    ----------
    ranges
        For each parameter a value, or two to draw between.
    prob
        Share of the images that are spoilt.
    slice_axis
        Spatial axis of a volume that slices are stacked along; None finds it from the affine.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 (as MONAI declares it)
    simulator: ClassVar[Simulator]

    def __init__(self, ranges: Mapping[str, Range], prob: float, slice_axis: int | None = None) -> None:
        RandomizableTransform.__init__(self, prob)
        for name, given in ranges.items():
            simulators.interval(given, name)
        self.ranges = dict(ranges)
        self.slice_axis = slice_axis
        self.parameters: dict[str, float] = {}
        self.seed = 0

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Seed what is drawn."""
        super().set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        """Draw whether and how the next image is spoilt."""
        super().randomize(None)
        if self._do_transform:
            self.parameters = self.simulator.draw(self.ranges, int(self.R.randint(SEEDS)))
            self.seed = int(self.R.randint(SEEDS))

    def __call__(self, img: Image, randomize: bool = True) -> Image:
        """Spoil a volume (C, X, Y, Z), or a picture (C, H, W) where the degradation is one of pictures.

        Returns
        -------
        What `img` is, in float32, with its affine and metadata.
        """
        if randomize:
            self.randomize()
        if not self._do_transform:
            unchanged: Image = convert_to_tensor(img, track_meta=get_track_meta())
            return unchanged
        spoilt = self.simulator.degrade(
            image_values(img),
            self.parameters,
            self.seed,
            affine=image_geometry(img),
            metadata=image_metadata(img),
            slice_axis=self.slice_axis,
        )
        return like(spoilt, img)


class RandDegradationd(RandomizableTransform, MapTransform):
    """What the dictionary versions share: all keys are spoilt alike, with the same noise.

    Parameters
    ----------
    keys
        Keys of the images.
    prob
        Share of the dictionaries whose images are spoilt.
    allow_missing_keys
        Whether a key may be absent.
    **arguments
        Of the array version.
    """

    backend = RandDegradation.backend
    array_version: ClassVar[type[RandDegradation]]

    def __init__(
        self, keys: KeysCollection, prob: float = 0.1, allow_missing_keys: bool = False, **arguments: Any
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.degrade = self.array_version(prob=1.0, **arguments)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """Seed both the choice and the noise."""
        super().set_random_state(seed, state)
        self.degrade.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Spoil the images of a dictionary."""
        result = dict(data)
        self.randomize(None)
        if self._do_transform:
            self.degrade.randomize()
        for key in self.key_iterator(result):
            if self._do_transform:
                result[key] = self.degrade(result[key], randomize=False)
            else:
                result[key] = convert_to_tensor(result[key], track_meta=get_track_meta())
        return result


class RandLowDoseCT(RandDegradation):
    """Noise of a CT scan at a share of its dose, in HU; see :func:`~datprl_toolkit.degradations.low_dose_ct`.

    Parameters
    ----------
    dose
        Share of the dose that remains, in (0, 1].
    views
        Number of views over 180 degrees.
    prob, slice_axis
        See :class:`RandDegradation`. The size of a pixel is that of the affine.
    """

    simulator = simulators.LOW_DOSE_CT

    def __init__(
        self, dose: Range = (0.1, 0.5), views: Range = 720, prob: float = 0.1, slice_axis: int | None = None
    ) -> None:
        super().__init__({"dose": dose, "views": views}, prob, slice_axis)


class RandLowCountPET(RandDegradation):
    """A PET scan from a share of its counts; see :func:`~datprl_toolkit.degradations.low_count_pet`.

    Parameters
    ----------
    fraction
        Share of the counts, in (0, 1].
    counts_per_suv
        Counts of the full scan in one ray, per SUV and cm, without attenuation. Values in another unit need
        "suv_factor" in their metadata, which :class:`SeriesReader` writes; without it they are taken for SUV.
    prob, slice_axis
        See :class:`RandDegradation`.
    """

    simulator = simulators.LOW_COUNT_PET

    def __init__(
        self,
        fraction: Range = (0.05, 0.25),
        counts_per_suv: Range = (50.0, 200.0),
        prob: float = 0.1,
        slice_axis: int | None = None,
    ) -> None:
        super().__init__({"fraction": fraction, "counts_per_suv": counts_per_suv}, prob, slice_axis)


class RandKSpaceTruncation(RandDegradation):
    """MR slices with the centre of k-space alone; see :func:`~datprl_toolkit.degradations.truncate_k_space`.

    Parameters
    ----------
    factor
        Whole factor by which each axis of k-space is cut.
    prob, slice_axis
        See :class:`RandDegradation`.
    """

    simulator = simulators.K_SPACE_TRUNCATION

    def __init__(self, factor: Range = 4, prob: float = 0.1, slice_axis: int | None = None) -> None:
        super().__init__({"factor": factor}, prob, slice_axis)


class RandBicubicLowResolution(RandDegradation):
    """Reduced and enlarged again, values in [0, 1]; see :func:`~datprl_toolkit.degradations.bicubic_low_resolution`.

    Parameters
    ----------
    factor
        Whole factor of the reduction.
    prob, slice_axis
        See :class:`RandDegradation`.
    """

    simulator = simulators.BICUBIC_LOW_RESOLUTION

    def __init__(self, factor: Range = 4, prob: float = 0.1, slice_axis: int | None = None) -> None:
        super().__init__({"factor": factor}, prob, slice_axis)


class RandCameraShake(RandDegradation):
    """A picture (C, H, W) in [0, 1] from a hand-held camera; see :func:`~datprl_toolkit.degradations.shake_kernel`.

    Parameters
    ----------
    extent
        Width of the path of the image on the sensor, in pixels, up to 29.
    noise
        Standard deviation of the sensor's noise.
    prob
        See :class:`RandDegradation`.
    """

    simulator = simulators.CAMERA_SHAKE

    def __init__(self, extent: Range = (3.0, 27.0), noise: Range = (0.0, 0.01), prob: float = 0.1) -> None:
        super().__init__({"extent": extent, "noise": noise}, prob)


class RandRain(RandDegradation):
    """Rain in front of a picture (C, H, W) in [0, 1]; see :func:`~datprl_toolkit.degradations.rain_layer`.

    Parameters
    ----------
    density
        Share of the pixels at which a streak begins.
    angle
        Direction of the fall against the vertical (H), in degrees.
    strength
        Brightness of the brightest streaks.
    prob
        See :class:`RandDegradation`.
    """

    simulator = simulators.RAIN

    def __init__(
        self,
        density: Range = (0.0004, 0.005),
        angle: Range = (-30.0, 30.0),
        strength: Range = (0.25, 0.9),
        prob: float = 0.1,
    ) -> None:
        super().__init__({"density": density, "angle": angle, "strength": strength}, prob)


class RandHaze(RandDegradation):
    """A picture (C, H, W) in [0, 1] in uneven haze; see :func:`~datprl_toolkit.degradations.transmission_field`.

    Parameters
    ----------
    transmission
        Share of the light that passes where the optical depth has its mean.
    variation
        Relative half range of the optical depth, 0 for an even haze.
    airlight
        Value of the haze itself.
    prob
        See :class:`RandDegradation`.
    """

    simulator = simulators.HAZE

    def __init__(
        self,
        transmission: Range = (0.25, 0.8),
        variation: Range = (0.0, 0.9),
        airlight: Range = (0.6, 1.0),
        prob: float = 0.1,
    ) -> None:
        super().__init__({"transmission": transmission, "variation": variation, "airlight": airlight}, prob)


class RandClouds(RandDegradation):
    """Clouds and their shadow on a scene (C, H, W) in [0, 1]; see :func:`~datprl_toolkit.degradations.cloud_opacity`.

    Parameters
    ----------
    cover
        Share of the pixels with any cloud.
    softness
        Width of a cloud's edge: 0.1 is dense cumulus, 0.8 thin cirrus.
    brightness
        Value of an opaque cloud.
    shadow
        Share of the light that an opaque cloud keeps from the ground.
    prob
        See :class:`RandDegradation`.
    """

    simulator = simulators.CLOUDS

    def __init__(
        self,
        cover: Range = (0.2, 0.85),
        softness: Range = (0.15, 0.9),
        brightness: Range = (0.75, 1.0),
        shadow: Range = (0.0, 0.5),
        prob: float = 0.1,
    ) -> None:
        super().__init__({"cover": cover, "softness": softness, "brightness": brightness, "shadow": shadow}, prob)


class RandLowDoseCTd(RandDegradationd):
    """Dictionary version of :class:`RandLowDoseCT`."""

    array_version = RandLowDoseCT


class RandLowCountPETd(RandDegradationd):
    """Dictionary version of :class:`RandLowCountPET`."""

    array_version = RandLowCountPET


class RandKSpaceTruncationd(RandDegradationd):
    """Dictionary version of :class:`RandKSpaceTruncation`."""

    array_version = RandKSpaceTruncation


class RandBicubicLowResolutiond(RandDegradationd):
    """Dictionary version of :class:`RandBicubicLowResolution`."""

    array_version = RandBicubicLowResolution


class RandCameraShaked(RandDegradationd):
    """Dictionary version of :class:`RandCameraShake`."""

    array_version = RandCameraShake


class RandRaind(RandDegradationd):
    """Dictionary version of :class:`RandRain`."""

    array_version = RandRain


class RandHazed(RandDegradationd):
    """Dictionary version of :class:`RandHaze`."""

    array_version = RandHaze


class RandCloudsd(RandDegradationd):
    """Dictionary version of :class:`RandClouds`."""

    array_version = RandClouds


RandLowDoseCTD = RandLowDoseCTDict = RandLowDoseCTd
RandLowCountPETD = RandLowCountPETDict = RandLowCountPETd
RandKSpaceTruncationD = RandKSpaceTruncationDict = RandKSpaceTruncationd
RandBicubicLowResolutionD = RandBicubicLowResolutionDict = RandBicubicLowResolutiond
RandCameraShakeD = RandCameraShakeDict = RandCameraShaked
RandRainD = RandRainDict = RandRaind
RandHazeD = RandHazeDict = RandHazed
RandCloudsD = RandCloudsDict = RandCloudsd
