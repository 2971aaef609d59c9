"""Nodes that spoil a clean image by the physics of its domain, to make training pairs and to score restorations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from datprl_nodes.node import Job, Node
from datprl_nodes.ports import FlatImage

if TYPE_CHECKING:
    import numpy as np

    from datprl_toolkit.medical import Volume

SEED = Field(default=0, ge=0, description="Seed of the randomness; the same seed gives the same result.")
SCALING = Field(
    default=None,
    description="Stored values of a scene that are [0, 1]: uint8, reflectance:10000, minmax:a,b, percentile; "
    "left out: by type.",
)


class LowDoseCt(Node):
    """Add the noise of a CT scan at a lower dose, made in the projections (Poisson and electronic noise)."""

    title: ClassVar[str] = "Lower the dose of a CT"
    category: ClassVar[str] = "degrade"

    dose: float = Field(default=0.25, gt=0.0, le=1.0, description="Share of the dose that remains.")
    window: Literal["hann", "cosine", "shepp-logan", "ramp"] = Field(
        default="hann", description="Filter of the reconstruction, from soft to sharp."
    )
    views: int = Field(default=720, ge=60, le=2000, description="Number of views over 180 degrees.")
    seed: int = SEED

    def run(self, *, volume: Volume, job: Job) -> Volume:
        """Simulate the scan slice by slice."""
        from datprl_toolkit.jobs.degrade import lower_ct_dose

        target = job.folder / "series"
        chosen: dict[str, Any] = {"dose": self.dose, "window": self.window, "views": self.views, "seed": self.seed}
        return lower_ct_dose(volume, target, **chosen, progress=job.progress)


class LowCountPet(Node):
    """Reconstruct a PET from a share of its counts (Poisson sinogram, attenuation by water, OSEM)."""

    title: ClassVar[str] = "Lower the counts of a PET"
    category: ClassVar[str] = "degrade"

    fraction: float = Field(default=0.1, gt=0.0, le=1.0, description="Share of the counts that remains.")
    counts: float = Field(
        default=100.0, gt=0.0, description="Counts of the full scan in one ray.",
        json_schema_extra={"unit": "1 / (SUV cm)"},
    )  # fmt: skip
    iterations: int = Field(default=2, ge=1, le=20, description="Iterations of OSEM with 12 subsets.")
    seed: int = SEED

    def run(self, *, volume: Volume, job: Job) -> Volume:
        """Simulate the scan slice by slice."""
        from datprl_toolkit.jobs.degrade import lower_pet_counts

        target = job.folder / "series"
        chosen: dict[str, Any] = {"counts": self.counts, "iterations": self.iterations, "seed": self.seed}
        return lower_pet_counts(volume, target, fraction=self.fraction, **chosen, progress=job.progress)


class LowResolutionMr(Node):
    """Keep only the centre of k-space of an MR, as a faster scan would (Gibbs ringing included)."""

    title: ClassVar[str] = "Lower the resolution of an MR"
    category: ClassVar[str] = "degrade"

    factor: int = Field(default=4, ge=1, le=16, description="Reduction of each axis of k-space.")

    def run(self, *, volume: Volume, job: Job) -> Volume:
        """Truncate k-space slice by slice."""
        from datprl_toolkit.jobs.degrade import lower_mr_resolution

        return lower_mr_resolution(volume, job.folder / "series", factor=self.factor, progress=job.progress)


class FlatDegradation(Node):
    """What nodes share that spoil a scene or a picture in [0, 1]."""

    category: ClassVar[str] = "degrade"

    seed: int = SEED
    scaling: str | None = SCALING

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Return an image (H, W) or (H, W, C) in [0, 1], spoilt."""
        raise NotImplementedError

    def run(self, *, image: FlatImage, job: Job) -> FlatImage:
        """Spoil a scene or a picture."""
        from datprl_toolkit.images.picture import Picture
        from datprl_toolkit.jobs.degrade import degrade_picture, degrade_scene

        if isinstance(image, Picture):
            return degrade_picture(image, self.spoil, self.seed)
        settings = self.model_dump(exclude={"seed", "scaling"})
        method = f"{self.title.lower()}, {', '.join(f'{name} {value}' for name, value in settings.items())}"
        target = job.folder / "scene.tif"
        return degrade_scene(image, target, self.spoil, method=method, seed=self.seed, scaling=self.scaling)


class LowResolution(FlatDegradation):
    """Reduce an image and enlarge it again, both bicubic, as for super-resolution (the size stays)."""

    title: ClassVar[str] = "Lower the resolution"

    factor: int = Field(default=4, ge=2, le=16, description="Reduction of each axis.")

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Resize there and back."""
        from datprl_toolkit.degradations import bicubic_low_resolution

        return bicubic_low_resolution(image, self.factor)


class Clouds(FlatDegradation):
    """Put broken clouds and their shadows over a scene."""

    title: ClassVar[str] = "Add clouds"

    cover: float = Field(default=0.4, gt=0.0, le=1.0, description="Share of the pixels with any cloud.")
    softness: float = Field(
        default=0.4, gt=0.0, le=1.0, description="Width of a cloud's edge: 0.1 dense cumulus, 0.8 thin cirrus."
    )
    brightness: float = Field(default=0.95, ge=0.0, le=1.0, description="Value of an opaque cloud.")
    shadow: float = Field(
        default=0.4, ge=0.0, le=1.0, description="Share of the light that an opaque cloud takes away."
    )

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Draw the clouds and blend them in."""
        from datprl_toolkit.degradations import add_clouds, cloud_opacity

        opacity = cloud_opacity(_size(image), generator, cover=self.cover, softness=self.softness)
        return add_clouds(image, opacity, brightness=self.brightness, shadow=self.shadow)


class Haze(FlatDegradation):
    """Scatter light into an image, unevenly (Koschmieder's law)."""

    title: ClassVar[str] = "Add haze"

    transmission: float = Field(default=0.5, gt=0.0, le=1.0, description="Transmission at the mean optical depth.")
    variation: float = Field(default=0.5, ge=0.0, le=1.0, description="Relative half range of the optical depth.")
    airlight: float = Field(default=0.85, ge=0.0, le=1.0, description="Value of endless haze.")

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Draw the haze and blend it in."""
        from datprl_toolkit.degradations import add_haze, transmission_field

        field = transmission_field(_size(image), generator, mean=self.transmission, variation=self.variation)
        return add_haze(image, field, self.airlight)


class Rain(FlatDegradation):
    """Draw rain streaks at several distances over an image."""

    title: ClassVar[str] = "Add rain"

    density: float = Field(default=0.003, gt=0.0, le=0.05, description="Share of the pixels at which a streak begins.")
    angle: float = Field(
        default=10.0, ge=-90.0, le=90.0, description="Direction of the fall against the vertical.",
        json_schema_extra={"unit": "degrees"},
    )  # fmt: skip
    strength: float = Field(default=0.8, ge=0.0, le=1.0, description="Brightness of the brightest streaks.")

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Draw the streaks and blend them in."""
        from datprl_toolkit.degradations import add_rain, rain_layer

        layer = rain_layer(_size(image), generator, density=self.density, angle=self.angle, strength=self.strength)
        return add_rain(image, layer)


class CameraShake(FlatDegradation):
    """Blur an image by a hand-held exposure, in linear light, and add a little sensor noise."""

    title: ClassVar[str] = "Shake the camera"

    extent: float = Field(
        default=15.0, ge=0.0, le=29.0, description="Length of the path on the sensor.",
        json_schema_extra={"unit": "pixels"},
    )  # fmt: skip
    noise: float = Field(default=0.005, ge=0.0, le=0.2, description="Standard deviation of the noise in [0, 1].")

    def spoil(self, image: np.ndarray[Any, Any], generator: np.random.Generator) -> np.ndarray[Any, Any]:
        """Draw the path and blur along it."""
        from datprl_toolkit.degradations import blur_linear_light, shake_kernel

        kernel = shake_kernel(self.extent, generator)
        return blur_linear_light(image, kernel, noise=self.noise, generator=generator)


def _size(image: np.ndarray[Any, Any]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
