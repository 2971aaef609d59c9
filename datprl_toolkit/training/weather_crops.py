"""Training pairs in haze or under clouds that are simulated over clean scenes and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from datprl_toolkit.degradations import add_clouds, add_haze, cumulus_opacity, displaced, resize_bicubic
from datprl_toolkit.training.crops import Pair, brightened, choose_window, cut, piece_of_one

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.training.prepared import Source


DESERT_AIRLIGHT = 0.75
"""Lightest haze over ground like a bright desert: in a lighter one it would look like snow, which is to stay white."""


@dataclass(frozen=True, slots=True)
class SimulatedClouds:
    """Scenes under fractal clouds with their shadow.

    A share `recoloured` of the crops has other colours, a share `whitened` ground that is white in part, a share
    `snowy` snow on its bright parts, a share `desert` that of a desert, of which a share `dark_desert` is dark, a share
    `plain` ground of one colour, and a share `visible` clouds over a good part of it: of most crops, drawn anywhere,
    the clouds would cover next to nothing. A share `sparse` has few clouds, a share `wide` more of the sky, and in a
    share `untouched` the ground is left as it is.
    """

    source: Source
    sky: Source
    recoloured: float = 0.0
    visible: float = 0.0
    whitened: float = 0.0
    snowy: float = 0.0
    desert: float = 0.0
    dark_desert: float = 0.0
    plain: float = 0.0
    sparse: float = 0.0
    wide: float = 0.0
    untouched: float = 0.0

    def __len__(self) -> int:
        return len(self.source) if len(self.sky) else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put clouds and their shadow over a scene."""
        clean, _ = _ground(self, index, size, generator)
        offset = (int(generator.integers(-24, 25)), int(generator.integers(-24, 25)))
        cloudy = add_clouds(
            clean,
            self._opacity(size, generator),
            brightness=generator.uniform(0.75, 1.0),
            shadow=generator.uniform(0.0, 0.5),
            offset=offset,
        )
        return Pair(cloudy, clean, f"{self.source.name}/{index:04d}")

    def _opacity(self, size: int, generator: np.random.Generator, tries: int = 12) -> npt.NDArray[np.float32]:
        """Draw a piece of sky, again until its clouds cover what is wanted; the cloudiest of those, if none does."""
        if self.sparse and generator.random() < self.sparse:
            return self._few_clouds(size, generator, tries)
        wanted = 0.0
        if self.visible and generator.random() < self.visible:
            wanted = generator.uniform(0.1, 0.5)
        cover, opacity = -1.0, np.empty(0, np.float32)
        for _ in range(tries):
            piece = self._piece(size, generator)
            if piece.mean() > cover:
                cover, opacity = float(piece.mean()), piece
            if cover >= wanted:
                break
        return opacity

    def _few_clouds(self, size: int, generator: np.random.Generator, tries: int) -> npt.NDArray[np.float32]:
        """Draw pieces of sky, and return the one whose mean opacity is nearest to what is wanted, 0.01 to 0.1."""
        wanted = 0.01 * 10.0 ** generator.random()
        pieces = (self._piece(size, generator) for _ in range(tries))
        return min(pieces, key=lambda piece: abs(np.log((float(piece.mean()) + 1e-4) / wanted)))

    def _piece(self, size: int, generator: np.random.Generator) -> npt.NDArray[np.float32]:
        piece = piece_of_sky(self.sky["opacity"], size, generator, self.wide)
        return piece * np.float32(generator.uniform(0.4, 1.0))


@dataclass(frozen=True, slots=True)
class DenseClouds:
    """Scenes under a field of cumulus that stays, in haze that does not.

    Under dense clouds there is no ground to be found: they are to be left as they are, and not to be turned into
    something else that is bright in one band and dark in another.
    """

    source: Source
    sky: Source

    def __len__(self) -> int:
        return len(self.source) if len(self.sky) else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put thin haze over a scene, and clouds over both versions of it."""
        image = self.source["clean"][index]
        clean = cut(image, choose_window(image, size, generator), size) * np.float32(generator.uniform(0.4, 1.0))
        depth = piece_of_one(self.sky["depth"], size, generator)
        airlight = generator.uniform(0.3, 0.9) * np.array([0.8, 0.9, 1.0]) + generator.uniform(-0.05, 0.05, 3)
        hazy = add_haze(clean, np.exp(-generator.uniform(0.0, 0.7) * depth), airlight.clip(0, 1))
        opacity = cumulus_opacity(
            (size, size),
            generator,
            cover=generator.uniform(0.4, 1.0),
            spacing=generator.uniform(6.0, 40.0),
            shift=generator.uniform(0.0, 1.5),
        ) * np.float32(generator.uniform(0.6, 1.0))
        offset = (int(generator.integers(-8, 9)), int(generator.integers(-8, 9)))
        shadow = generator.uniform(0.0, 0.5)
        light = np.float32(1.0) - np.float32(shadow) * displaced(opacity[..., 1], offset)[..., None]
        clouds = np.float32(generator.uniform(0.8, 1.6)) * opacity
        cloudy, kept = ((ground * light * (1 - opacity) + clouds).clip(0, 1) for ground in (hazy, clean))
        return Pair(cloudy, kept, f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class SimulatedHaze:
    """Scenes in haze of varying depth and colour.

    A share `brightened` of the crops has bright ground, such as sunlit crowns of trees, and haze that may be darker
    than it, for otherwise all that is bright would be taken for haze, or all that glitters for clouds. A share
    `recoloured` has other colours, a share `whitened` ground that is white in part, a share `snowy` snow on its
    bright parts, a share `desert` that of a desert, whose haze may be darker still, unless it is one of a share
    `dark_desert` that are dark, a share `plain` ground of one colour, a share `wide` haze that varies as over a whole
    scene, and a share `thick` more of it. In a share `untouched` the ground is left as it is: where most of what is
    bright may be snow or sand, the network takes away no more than is safe over these.
    """

    source: Source
    sky: Source
    brightened: float = 0.0
    recoloured: float = 0.0
    whitened: float = 0.0
    snowy: float = 0.0
    desert: float = 0.0
    dark_desert: float = 0.0
    plain: float = 0.0
    wide: float = 0.0
    thick: float = 0.0
    untouched: float = 0.0

    def __len__(self) -> int:
        return len(self.source) if len(self.sky) else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put haze over a scene."""
        clean, is_bright_desert = _ground(self, index, size, generator)
        depth = piece_of_sky(self.sky["depth"], size, generator, self.wide)
        thickness, variation = generator.uniform(0.2, 1.4), generator.uniform(0.0, 0.9)
        if self.thick and generator.random() < self.thick:
            thickness = generator.uniform(1.0, 2.0)
        transmission = np.exp(-thickness * (1.0 + variation * (2.0 * depth - 1.0)))
        darkest, lightest = (0.4, DESERT_AIRLIGHT) if is_bright_desert else (0.6, 1.0)
        if self.brightened and generator.random() < self.brightened:
            clean, darkest = brightened(clean, generator), 0.5
        airlight = generator.uniform(darkest, lightest) + generator.uniform(-0.06, 0.06, 3)
        hazy = add_haze(clean, transmission, airlight.clip(0, 1).astype(np.float32))
        return Pair(hazy, clean, f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class EvenHaze:
    """Scenes in even, grey haze like that which was measured over RICE1, of which nothing is a desert.

    There it keeps 0.35 to 0.75 of the contrast, and its colour, 0.4 to 0.62 in all bands, is darker than bright ground.
    A share `desert` of the crops has the ground of a desert. Of the others half have bright ground, or a fifth where
    deserts stand for it: brightened ground without much colour looks like a hazy desert.
    """

    source: Source
    desert: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put haze over a scene."""
        image = self.source["clean"][index]
        ground = cut(image, choose_window(image, size, generator), size)
        clean = as_desert(ground, self.desert, generator)
        if clean is ground and generator.random() < (0.2 if self.desert else 0.5):
            clean = brightened(clean, generator)
        airlight = generator.uniform(0.4, 0.62) + generator.uniform(-0.01, 0.01, 3)
        transmission = np.full((size, size), generator.uniform(0.35, 0.75), np.float32)
        return Pair(
            add_haze(clean, transmission, airlight.astype(np.float32)), clean, f"{self.source.name}/{index:04d}"
        )


def _ground(
    maker: SimulatedClouds | SimulatedHaze, index: int, size: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.float32], bool]:
    """Cut a crop out of a scene: in other or in one colour, white, under snow or a desert as often as its maker wants.

    Returns the crop, and whether it is a bright desert.
    """
    image = maker.source["clean"][index]
    crop = cut(image, choose_window(image, size, generator), size)
    if maker.untouched and generator.random() < maker.untouched:
        return crop, False
    ground = as_desert(crop, maker.desert, generator)
    is_bright_desert = ground is not crop
    if is_bright_desert and maker.dark_desert and generator.random() < maker.dark_desert:
        ground, is_bright_desert = ground * np.float32(generator.uniform(0.3, 0.7)), False
    if ground is crop:
        ground = of_one_colour(crop, maker.plain, generator)
    if ground is crop:
        ground = recoloured(crop, maker.recoloured, generator)
    return under_snow(whitened(ground, maker.sky, maker.whitened, generator), maker.snowy, generator), is_bright_desert


def piece_of_sky(
    fields: Sequence[npt.NDArray[np.uint8]], size: int, generator: np.random.Generator, wide: float
) -> npt.NDArray[np.float32]:
    """Cut a crop out of one of several fields, in a share `wide` of cases out of a larger part, reduced to `size`.

    A crop is smaller than the scenes that are to be restored: over it haze is all but even, and a cloud is everywhere
    or nowhere.
    """
    if not wide or generator.random() >= wide:
        return piece_of_one(fields, size, generator)
    edge = min(fields[0].shape)
    part = round(size * max(1.0, edge / size) ** generator.random())
    piece: npt.NDArray[np.float32] = resize_bicubic(piece_of_one(fields, part, generator), (size, size)).clip(0, 1)
    return piece


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
