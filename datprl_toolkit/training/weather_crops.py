"""Training pairs in haze or under clouds that are simulated over clean scenes and photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.degradations import add_clouds, add_haze, cumulus_opacity, displaced, resize_bicubic
from datprl_toolkit.training.crops import Pair, brightened, choose_window, cut, piece_of_one
from datprl_toolkit.training.ground import AS_IT_IS, GroundChanges, as_desert

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.training.prepared import Source


DESERT_AIRLIGHT = 0.75
"""Lightest haze over ground like a bright desert: in a lighter one it would look like snow, which is to stay white."""


@dataclass(frozen=True, slots=True)
class SimulatedClouds:
    """Scenes under fractal clouds with their shadow.

    A share `visible` of the crops has clouds over a good part of it: of most crops, drawn anywhere, the clouds would
    cover next to nothing. A share `sparse` has few clouds, and a share `wide` more of the sky.
    """

    source: Source
    sky: Source
    changes: GroundChanges = AS_IT_IS
    visible: float = 0.0
    sparse: float = 0.0
    wide: float = 0.0

    def __len__(self) -> int:
        return len(self.source) if len(self.sky) else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put clouds and their shadow over a scene."""
        clean, _ = self.changes.draw(self.source, index, size, self.sky, generator)
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
    than it, for otherwise all that is bright would be taken for haze, or all that glitters for clouds. Over a bright
    desert it may be darker still. A share `wide` has haze that varies as over a whole scene, a share `thick` more of
    it.
    """

    source: Source
    sky: Source
    changes: GroundChanges = AS_IT_IS
    brightened: float = 0.0
    wide: float = 0.0
    thick: float = 0.0

    def __len__(self) -> int:
        return len(self.source) if len(self.sky) else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put haze over a scene."""
        clean, is_bright_desert = self.changes.draw(self.source, index, size, self.sky, generator)
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
