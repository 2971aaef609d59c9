"""What the ground under simulated haze and clouds is changed into: other colours, snow, a desert, water."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from datprl_toolkit.training.crops import choose_window, cut, piece_of_one

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.training.prepared import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundChanges:
    """How often the ground of a crop is changed, and into what.

    Parameters
    ----------
    untouched
        Share of the crops that stay as they are: where most of what is bright may be snow or sand, the network takes
        away no more than is safe over these.
    desert
        Share of the others that become a desert.
    dark_desert
        Share of these that are dark.
    plain
        Share of what is no desert that gets one colour.
    recoloured
        Share of what is neither that gets other colours.
    whitened
        Share of all that are not untouched that become white in part.
    snowy
        Share of all that are not untouched that have snow on their bright parts.
    """

    untouched: float = 0.0
    desert: float = 0.0
    dark_desert: float = 0.0
    plain: float = 0.0
    recoloured: float = 0.0
    whitened: float = 0.0
    snowy: float = 0.0

    def draw(
        self, source: Source, index: int, size: int, sky: Source, generator: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], bool]:
        """Cut a crop of `size` out of a clean scene and change it; return it, and whether it is a bright desert."""
        image = source["clean"][index]
        crop = cut(image, choose_window(image, size, generator), size)
        if self.untouched and generator.random() < self.untouched:
            return crop, False
        ground = as_desert(crop, self.desert, generator)
        is_bright_desert = ground is not crop
        if is_bright_desert and self.dark_desert and generator.random() < self.dark_desert:
            ground, is_bright_desert = ground * np.float32(generator.uniform(0.3, 0.7)), False
        if ground is crop:
            ground = of_one_colour(crop, self.plain, generator)
        if ground is crop:
            ground = recoloured(crop, self.recoloured, generator)
        return under_snow(whitened(ground, sky, self.whitened, generator), self.snowy, generator), is_bright_desert


AS_IT_IS = GroundChanges()


def recoloured(image: npt.NDArray[np.float32], share: float, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1], in a `share` of cases with other colours, as of another sensor, season or composite.

    The bands change places, and each gets a power and a gain of its own around common ones.
    """
    if not share or generator.random() >= share:
        return image
    powers = np.exp(generator.uniform(-0.5, 0.5) + generator.uniform(-0.15, 0.15, 3)).astype(np.float32)
    gains = (generator.uniform(0.6, 1.4) * generator.uniform(0.85, 1.15, 3)).astype(np.float32)
    return (gains * image[..., generator.permutation(3)] ** powers).clip(0, 1)


def whitened(
    image: npt.NDArray[np.float32], sky: Source, share: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1], in a `share` of cases with a part made white, as snow, sand, salt and roofs are.

    Its edge is sharp and its texture faint, which tells it from a cloud.
    """
    if not share or generator.random() >= share:
        return image
    size = image.shape[0]
    if generator.random() < 0.5:
        field = piece_of_one(sky["depth"], size, generator)
    else:
        angle = generator.uniform(0, 2 * np.pi)
        rows, columns = np.mgrid[:size, :size]
        field = rows * np.cos(angle) + columns * np.sin(angle)
    white = np.float32(generator.uniform(0.85, 1.0)) + generator.uniform(-0.03, 0.03, 3).astype(np.float32)
    texture = np.float32(generator.uniform(0.0, 0.1)) * (image - image.mean())
    inside = field > np.quantile(field, generator.uniform(0.4, 0.95))
    return np.where(inside[..., None], (white + texture).clip(0, 1), image).astype(np.float32)


def as_desert(image: npt.NDArray[np.float32], share: float, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1], in a `share` of cases with its shapes in the colours of a desert.

    What is dark becomes brown or ochre and what is bright the colour of sand or salt, with little contrast; some have
    dark rock or water. Grey haze over it has less colour than such ground, which tells the two apart.
    """
    if not share or generator.random() >= share:
        return image
    brightness = image.mean(axis=2)
    low, high = np.quantile(brightness, (0.02, 0.98))
    height = ((brightness - low) / (high - low + 0.05)).clip(0, 1)
    red = generator.uniform(0.55, 0.9) + generator.uniform(0.1, 0.5) * (height - 0.5)
    ochre = np.array([1.0, generator.uniform(0.74, 0.92), generator.uniform(0.45, 0.8)])
    sand = np.array([1.0, generator.uniform(0.8, 0.97), generator.uniform(0.55, 0.92)])
    colours = ochre + height[..., None] * (sand - ochre)
    ground = red[..., None] * colours + generator.uniform(0.0, 0.3) * (image - brightness[..., None])
    if high - low > 0.1 and generator.random() < 0.4:
        edge = generator.uniform(0.02, 0.2)
        rock = ((edge - height) / 0.05 + 0.5).clip(0, 1)[..., None]
        ground *= 1 - rock * (1 - generator.uniform(0.15, 0.7) * generator.uniform(0.9, 1.1, 3))
    desert: npt.NDArray[np.float32] = ground.clip(0, 1).astype(np.float32)
    return desert


def of_one_colour(
    image: npt.NDArray[np.float32], share: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1], in a `share` of cases with its shapes in one colour, as water, crops or red soil.

    Such ground has little contrast, as ground in haze has, but a colour, which haze takes away.
    """
    if not share or generator.random() >= share:
        return image
    brightness = image.mean(axis=2)
    coarse = gaussian_filter(brightness, generator.uniform(4.0, 20.0))
    relief = np.zeros_like(brightness)
    for part, largest in ((coarse, 0.25), (brightness - coarse, 0.15)):
        unit = (part - part.mean()) / (part.std() + 1e-3)
        relief += np.float32(largest * generator.random() ** 2) * unit.clip(-3, 3)
    saturation = generator.uniform(0.2, 0.8)
    colour = generator.permutation([1.0, 1.0 - saturation * generator.random(), 1.0 - saturation])
    ground = generator.uniform(0.1, 0.7) * colour * (1.0 + relief)[..., None]
    plain: npt.NDArray[np.float32] = ground.clip(0, 1).astype(np.float32)
    return plain


def under_snow(image: npt.NDArray[np.float32], share: float, generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1], in a `share` of cases with snow on its bright parts, such as fields beside a forest.

    Unlike a cloud it ends where the ground changes, and what is not under it is seldom bright.
    """
    if not share or generator.random() >= share:
        return image
    brightness = gaussian_filter(image.mean(axis=2), generator.uniform(0.0, 4.0))
    edge, softness = np.quantile(brightness, generator.uniform(0.3, 0.95)), generator.uniform(0.005, 0.08)
    snow = ((brightness - edge) / softness).clip(0, 1)[..., None]
    white = generator.uniform(0.8, 1.0) + generator.uniform(-0.04, 0.04, 3)
    texture = generator.uniform(0.0, 0.3) * (image - image.mean())
    bare = image * generator.uniform(0.5, 1.0)
    snowy: npt.NDArray[np.float32] = (bare * (1 - snow) + (white + texture).clip(0, 1) * snow).astype(np.float32)
    return snowy
