"""The degradation simulators with their parameters drawn at random: one description for MONAI and for TorchIO.

A simulator draws its parameters and a seed; applying it is then a pure function of an array, these and the seed, so
that it can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.degradations import (
    add_clouds,
    add_haze,
    add_rain,
    bicubic_low_resolution,
    blur_linear_light,
    cloud_opacity,
    low_count_pet,
    low_dose_ct,
    rain_layer,
    shake_kernel,
    transmission_field,
    truncate_k_space,
)
from datprl_toolkit.degradations.low_dose import AIR_HU
from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.transforms.arrangement import SAME_SPACING, UNKNOWN_AFFINE, arrange
from datprl_toolkit.transforms.volume import check_volume

if TYPE_CHECKING:
    import numpy.typing as npt

Parameters = Mapping[str, float]
SliceDegradation = Callable[
    ["npt.NDArray[np.float32]", Parameters, np.random.Generator, float], "npt.NDArray[np.float32]"
]
"""Spoils one slice (rows, columns) or picture (rows, columns, C), given parameters, randomness and mm per pixel."""

Range = float | Sequence[float]
"""A value, or the two ends of an interval to draw from."""

SHAKE_SIZE = 31


@dataclass(frozen=True, slots=True)
class Simulator:
    """One degradation.

    Parameters
    ----------
    name
        For messages.
    apply
        Spoils a slice.
    whole
        Parameters that are whole numbers.
    picture
        Whether it is for pictures (C, H, W) alone; else for volumes too, slice by slice.
    square
        What a slice is filled up with where its projections need a square; None where they do not.
    limits
        Smallest and largest value for which the degradation has a meaning.
    """

    name: str
    apply: SliceDegradation
    whole: frozenset[str] = frozenset()
    picture: bool = False
    square: float | None = None
    limits: tuple[float, float] = (-np.inf, np.inf)

    def draw(self, ranges: Mapping[str, Range], seed: int) -> dict[str, float]:
        """Draw each parameter evenly from its interval, in the order of their names."""
        generator = np.random.default_rng(seed)
        drawn: dict[str, float] = {}
        for name in sorted(ranges):
            low, high = interval(ranges[name], name)
            whole = name in self.whole
            drawn[name] = float(generator.integers(int(low), int(high) + 1) if whole else generator.uniform(low, high))
        return drawn

    def degrade(
        self,
        values: npt.NDArray[np.generic],
        parameters: Parameters,
        seed: int,
        *,
        affine: npt.ArrayLike | None = None,
        metadata: Mapping[str, Any] | None = None,
        slice_axis: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """Spoil an image.

        Parameters
        ----------
        values
            A volume (C, X, Y, Z), every slice of every channel with its own noise; or a picture (C, H, W).
        parameters
            As :meth:`draw` gives them; the same for all slices.
        seed
            Of the generator of the noise.
        affine, slice_axis
            Of a volume; see :func:`~datprl_toolkit.transforms.arrangement.arrange`.
        metadata
            "suv_factor" of a PET volume in another unit than SUV, "image_orientation_patient".

        Returns
        -------
        float32 array of the same shape.

        Raises
        ------
        InputError
            ``E_UNSUPPORTED`` for an array of another shape, or with values for which the degradation has no meaning;
            ``E_GEOMETRY`` for pixels that are not square where projections need them to be.
        """
        known = metadata or {}
        parameters = {**parameters, "suv_factor": float(known.get("suv_factor", 1.0))}
        self._check_values(values)
        generator = np.random.default_rng(seed)
        if values.ndim == 3 and self.square is None:
            return self._degrade_picture(values.astype(np.float32), parameters, generator)
        if self.picture:
            raise InputError(ErrorCode.UNSUPPORTED, f"{self.name} is for pictures (C, H, W), not for {values.shape}")
        check_volume(values)
        place = UNKNOWN_AFFINE if affine is None else affine
        arrangement = arrange(place, slice_axis=slice_axis, orientation=known.get("image_orientation_patient"))
        pixel = arrangement.spacing[1]
        if self.square is not None and abs(arrangement.spacing[2] - pixel) > SAME_SPACING * pixel:
            raise InputError(
                ErrorCode.GEOMETRY,
                f"projections need square pixels, not {pixel:g} x {arrangement.spacing[2]:g} mm",
                remedy="Resample the slices first, or name the slice axis",
            )
        result = np.empty(values.shape, dtype=np.float32)
        for channel, volume in enumerate(values):
            stack = arrangement.to_stack(volume.astype(np.float32))
            spoilt = np.stack([self._degrade_slice(image, parameters, generator, pixel) for image in stack])
            result[channel] = arrangement.from_stack(spoilt)
        return result

    def _check_values(self, values: npt.NDArray[np.generic]) -> None:
        low, high = self.limits
        if values.size and not (low <= float(values.min()) and float(values.max()) <= high):
            needed = "of 0 and above" if high == np.inf else f"from {low:g} to {high:g}"
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"{self.name} is for values {needed}, not {float(values.min()):g} to {float(values.max()):g}",
                remedy="Scale the image first",
            )

    def _degrade_picture(
        self, values: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        spoilt = self.apply(np.ascontiguousarray(np.moveaxis(values, 0, -1)), parameters, generator, 1.0)
        return np.ascontiguousarray(np.moveaxis(spoilt, -1, 0))

    def _degrade_slice(
        self, image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
    ) -> npt.NDArray[np.float32]:
        """Spoil one slice; where projections need a square, one is made of it for the while."""
        rows, columns = image.shape
        if self.square is None or rows == columns:
            return self.apply(np.ascontiguousarray(image), parameters, generator, pixel)
        side = max(rows, columns)
        top, left = (side - rows) // 2, (side - columns) // 2
        square = np.full((side, side), self.square, dtype=np.float32)
        square[top : top + rows, left : left + columns] = image
        return self.apply(square, parameters, generator, pixel)[top : top + rows, left : left + columns]


def interval(given: Range, name: str) -> tuple[float, float]:
    """Return the two ends of what a parameter is drawn from.

    Raises
    ------
    OptionError
        ``E_OPTION`` if it is neither a number nor two in rising order.
    """
    ends = tuple(float(end) for end in given) if isinstance(given, Sequence) else (float(given), float(given))
    if len(ends) != 2 or not ends[0] <= ends[1] or not np.isfinite(ends).all():
        raise OptionError(ErrorCode.OPTION, f"a value or two in rising order are needed, not {given}", where=name)
    return ends


def _low_dose_ct(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    return low_dose_ct(image, parameters["dose"], generator, pixel_mm=pixel, views=int(parameters["views"]))


def _low_count_pet(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    # In SUV whatever the unit: the reconstruction begins with an image of ones.
    factor = np.float32(parameters["suv_factor"])
    counts, fraction = parameters["counts_per_suv"], parameters["fraction"]
    return low_count_pet(image * factor, fraction, generator, pixel_mm=pixel, counts_per_activity=counts) / factor


def _k_space_truncation(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    factor = int(parameters["factor"])
    if image.ndim == 2:
        return truncate_k_space(image, factor)
    return np.stack([truncate_k_space(image[..., channel], factor) for channel in range(image.shape[-1])], axis=-1)


def _bicubic(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    return bicubic_low_resolution(image, int(parameters["factor"]))


def _camera_shake(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    kernel = shake_kernel(parameters["extent"], generator, SHAKE_SIZE)
    return blur_linear_light(image, kernel, noise=parameters["noise"], generator=generator)


def _rain(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    shape = (image.shape[0], image.shape[1])
    density, angle, strength = (parameters[name] for name in ("density", "angle", "strength"))
    return add_rain(image, rain_layer(shape, generator, density=density, angle=angle, strength=strength))


def _haze(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    shape = (image.shape[0], image.shape[1])
    field = transmission_field(shape, generator, mean=parameters["transmission"], variation=parameters["variation"])
    return add_haze(image, field, parameters["airlight"])


def _clouds(
    image: npt.NDArray[np.float32], parameters: Parameters, generator: np.random.Generator, pixel: float
) -> npt.NDArray[np.float32]:
    shape = (image.shape[0], image.shape[1])
    opacity = cloud_opacity(shape, generator, cover=parameters["cover"], softness=parameters["softness"])
    return add_clouds(image, opacity, brightness=parameters["brightness"], shadow=parameters["shadow"])


LOW_DOSE_CT = Simulator("low-dose CT", _low_dose_ct, whole=frozenset({"views"}), square=AIR_HU)
LOW_COUNT_PET = Simulator("low-count PET", _low_count_pet, square=0.0)
K_SPACE_TRUNCATION = Simulator(
    "k-space truncation", _k_space_truncation, whole=frozenset({"factor"}), limits=(0.0, np.inf)
)
BICUBIC_LOW_RESOLUTION = Simulator("bicubic reduction", _bicubic, whole=frozenset({"factor"}), limits=(0.0, 1.0))
CAMERA_SHAKE = Simulator("camera shake", _camera_shake, picture=True, limits=(0.0, 1.0))
RAIN = Simulator("rain", _rain, picture=True, limits=(0.0, 1.0))
HAZE = Simulator("haze", _haze, picture=True, limits=(0.0, 1.0))
CLOUDS = Simulator("clouds", _clouds, picture=True, limits=(0.0, 1.0))

SIMULATORS: Mapping[str, Simulator] = {
    simulator.name: simulator
    for simulator in (
        LOW_DOSE_CT,
        LOW_COUNT_PET,
        K_SPACE_TRUNCATION,
        BICUBIC_LOW_RESOLUTION,
        CAMERA_SHAKE,
        RAIN,
        HAZE,
        CLOUDS,
    )
}
"""All simulators by their names."""
