"""Training pairs: a crop of a clean image and its degraded version, for each kind of degradation.

Grey images stay (size, size) here; the batch gives them their three channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.ndimage import gaussian_filter

from datprl_toolkit.degradations import add_rain, blur_linear_light
from datprl_toolkit.training.preparation import CT_HIGH, CT_LOW, SUV_HIGH, from_integers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.training.prepared import Source


@dataclass(frozen=True, slots=True)
class Pair:
    """A degraded and a clean crop, float32 (size, size) or (size, size, 3) in [0, 1], and the image's key."""

    degraded: npt.NDArray[np.float32]
    clean: npt.NDArray[np.float32]
    key: str


class PairMaker(Protocol):
    """Makes pairs of one kind."""

    @property
    def source(self) -> Source:
        """The images that are degraded, or are there in pairs."""

    def __len__(self) -> int:
        """Return the number of images, each of which one epoch uses once."""

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Make a pair from the image at `index`, of `size` x `size` pixels."""


@dataclass(frozen=True, slots=True)
class StoredPairs:
    """Pairs whose degraded version was measured or computed before.

    With `floor`, crops with mostly smaller values (air) are avoided. A share `thinned` of the crops has less of the
    degradation, which must be one that is laid over the image: of haze or cloud with transmission t, the part a is
    haze or cloud with transmission 1 - a (1 - t). Of a share `brightened` the ground is made bright under haze that
    stays as it is, for most of what was measured lies over dark ground.
    """

    source: Source
    floor: float | None = None
    thinned: float = 0.0
    brightened: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Cut both images at the same place."""
        clean, degraded = self.source["clean"][index], self.source["degraded"][index]
        inside = None if self.floor is None else (self.floor, np.inf)
        window = choose_window(clean, size, generator, inside=inside)
        bad, good = cut(degraded, window, size), cut(clean, window, size)
        if self.brightened and generator.random() < self.brightened:
            bright = brightened(good, generator)
            bad, good = (bad + transmission_of(bad, good) * (bright - good)).clip(0, 1), bright
        return Pair(lessened(bad, good, self.thinned, generator), good, f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class TiledPairs:
    """Pairs from tiles that may be smaller than the crop: as many tiles side by side as fill it.

    Mirroring one tile would fill the crop with what the network has already seen.
    """

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put the tile at `index` first and others, drawn at random, beside and below it."""
        edge = min(self.source["clean"][index].shape[:2])
        places = [(row, column) for row in range(0, size, edge) for column in range(0, size, edge)]
        others = generator.integers(len(self.source), size=len(places) - 1)
        degraded, clean = (np.empty((size, size, 3), np.float32) for _ in range(2))
        for (row, column), one in zip(places, (index, *others), strict=True):
            pair = StoredPairs(self.source).make(int(one), edge, generator)
            inside = np.s_[row : row + edge, column : column + edge]
            for whole, part in ((degraded, pair.degraded), (clean, pair.clean)):
                room = whole[inside]
                room[...] = part[: room.shape[0], : room.shape[1]]
        return Pair(degraded, clean, f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class CtNoise:
    """CT slices with stored noise, mixed anew each time.

    Two realisations of the same dose, turned into each other by a random angle, are a new one of the same
    variance. Its strength varies by about a factor of two, for other scanners and patients. A share of the crops
    has another window of the same width, so that wide windows can be restored in pieces, and a share `faint` only a
    part of the noise, which is then less than what the slice itself has.
    """

    source: Source
    other_windows: float = 0.4
    faint: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Mix noise for a slice and cut both in one window of HU."""
        clean, noise = self.source["clean"][index], self.source["noise"][index]
        window = choose_window(clean, size, generator, inside=(CT_LOW, CT_HIGH))
        hu = cut(clean, window, size)
        realisations = noise[int(generator.integers(noise.shape[0]))]
        angle = generator.uniform(0, 2 * np.pi)
        first, second = (
            realisations[i][window].astype(np.float32) for i in generator.permutation(len(realisations))[:2]
        )
        mixed = (np.cos(angle) * first + np.sin(angle) * second) * 2.0 ** generator.uniform(-0.6, 0.6)
        noisy = lessened(hu + fit(mixed, size), hu, self.faint, generator)
        low = CT_LOW
        if generator.random() < self.other_windows:
            low = generator.uniform(-1024.0, 600.0)
        unit = [((hu_values - low) / (CT_HIGH - CT_LOW)).clip(0, 1).astype(np.float32) for hu_values in (noisy, hu)]
        return Pair(unit[0], unit[1], f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class PetCounts:
    """PET slices with stored low-count versions.

    A share of the crops has a smaller upper end than SUV 20, a share `faint` only a part of what the few counts
    changed, and a share `alternating` noise that changes its sign from pixel to pixel as well: there is so little of
    it in a scan that a network would not learn to take it away, and it would stay as a checkerboard.
    """

    source: Source
    other_windows: float = 0.5
    faint: float = 0.0
    alternating: float = 0.0

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Cut one of the low-count versions and the slice."""
        clean, versions = self.source["clean"][index], self.source["degraded"][index]
        window = choose_window(clean, size, generator, inside=(0.1, np.inf))
        degraded = versions[int(generator.integers(versions.shape[0])), int(generator.integers(versions.shape[1]))]
        bad, good = (cut(suv, window, size) for suv in (degraded, clean))
        bad = lessened(bad, good, self.faint, generator)
        bad = with_alternating_noise(bad, good, self.alternating, generator)
        high = SUV_HIGH
        if generator.random() < self.other_windows:
            high = SUV_HIGH * 0.2 ** generator.random()
        unit = [(suv / high).clip(0, 1).astype(np.float32) for suv in (bad, good)]
        return Pair(unit[0], unit[1], f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class SimulatedRain:
    """Photos under streaks, simulated ones or those of real training pairs."""

    source: Source
    layers: Sequence[npt.NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.source) if self.layers else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Put streaks over a photo, as a screen blend or added."""
        image = self.source["clean"][index]
        clean = cut(image, choose_window(image, size, generator), size)
        streaks = piece_of_one(self.layers, size, generator)
        streaks = streaks * np.float32(generator.uniform(0.7, 1.2))
        if generator.random() < 0.5:
            return Pair(add_rain(clean, streaks.clip(0, 1)), clean, f"{self.source.name}/{index:04d}")
        # Rain100 adds its streaks and clips.
        rainy = (clean + streaks[..., None]).clip(0, 1).astype(np.float32)
        return Pair(rainy, clean, f"{self.source.name}/{index:04d}")


@dataclass(frozen=True, slots=True)
class SimulatedShake:
    """Photos blurred by camera shake; most as grey images, some as linear light, a little sensor noise."""

    source: Source
    kernels: Sequence[npt.NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.source) if self.kernels else 0

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Blur a photo with a drawn path."""
        image = self.source["clean"][index]
        kernel = self.kernels[int(generator.integers(len(self.kernels)))]
        kernel = np.rot90(kernel, int(generator.integers(4)))
        margin = kernel.shape[0] // 2
        crop = cut(image, choose_window(image, size + 2 * margin, generator), size + 2 * margin)
        if generator.random() < 0.5:
            crop = crop.mean(axis=2)
        transfer = "srgb" if generator.random() < 0.6 else "linear"
        noise = generator.uniform(0.0, 0.01)
        blurred = blur_linear_light(crop, kernel, transfer=transfer, noise=noise, generator=generator)
        inner = np.s_[margin : margin + size, margin : margin + size]
        return Pair(blurred[inner], crop[inner], f"{self.source.name}/{index:04d}")


def lessened(
    bad: npt.NDArray[np.float32], good: npt.NDArray[np.float32], share: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a degraded crop, in a `share` of cases with a part alone of what tells it from the clean one."""
    if share and generator.random() < share:
        return good + np.float32(generator.uniform(0.2, 1.0)) * (bad - good)
    return bad


def with_alternating_noise(
    bad: npt.NDArray[np.float32], good: npt.NDArray[np.float32], share: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a noisy crop, in a `share` of cases with noise of a period of two pixels added, along one axis or both.

    Its amplitude varies slowly, and is 0.2 to 1.5 times what the crop already differs by from the clean one. In half of
    the cases it is a checkerboard, which is learnt last.
    """
    if not share or generator.random() >= share:
        return bad
    rows, columns = np.indices(bad.shape)
    along = ((1, 1), (1, 1), (1, 0), (0, 1))[int(generator.integers(4))]
    sign = 1.0 - 2.0 * ((along[0] * rows + along[1] * columns) % 2)
    amplitude = gaussian_filter(generator.standard_normal(bad.shape), generator.uniform(1.5, 6.0))
    level = gaussian_filter(np.abs(bad - good), 4.0) * generator.uniform(0.2, 1.5)
    noise: npt.NDArray[np.float32] = (sign * level * amplitude / (amplitude.std() + 1e-6)).astype(np.float32)
    return bad + noise


def brightened(image: npt.NDArray[np.float32], generator: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return an image in [0, 1] made brighter: by a power, or by a gain and a tint, which keeps its colours strong."""
    if generator.random() < 0.5:
        return image ** np.float32(generator.uniform(0.25, 0.9))
    gains = generator.uniform(1.2, 2.6) * generator.uniform(0.8, 1.2, 3)
    return (image * gains.astype(np.float32)).clip(0, 1)


def transmission_of(degraded: npt.NDArray[np.float32], clean: npt.NDArray[np.float32]) -> np.float32:
    """Return how much of the clean image's contrast is left, the slope of the regression on it, from 0 to 1."""
    deviation = clean - clean.mean()
    squares = float(np.vdot(deviation, deviation))
    return np.float32(np.clip(np.vdot(deviation, degraded) / squares, 0, 1) if squares > 1e-6 else 1)


def choose_window(
    image: npt.NDArray[Any],
    size: int,
    generator: np.random.Generator,
    *,
    inside: tuple[float, float] | None = None,
    tries: int = 6,
) -> tuple[slice, slice]:
    """Draw where a crop is taken from; an axis shorter than `size` is taken whole.

    With `inside`, up to `tries` places are drawn until two fifths of the pixels have a value in that range, for
    half of a medical slice is air.
    """
    for _ in range(tries if inside else 1):
        first = [int(generator.integers(max(n - size, 0) + 1)) for n in image.shape[:2]]
        window = (slice(first[0], first[0] + size), slice(first[1], first[1] + size))
        if inside is None:
            break
        sample = image[window][::4, ::4]
        if float(np.mean((sample > inside[0]) & (sample < inside[1]))) > 0.4:
            break
    return window


def cut(image: npt.NDArray[Any], window: tuple[slice, slice], size: int) -> npt.NDArray[np.float32]:
    """Cut a crop out as float32, integers brought to [0, 1], int16 left in its unit; see :func:`fit`."""
    return fit(from_integers(image[window]), size)


def piece_of_one(
    images: Sequence[npt.NDArray[Any]], size: int, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draw one of several images, and cut a crop out of it at a place that is drawn too."""
    image = images[int(generator.integers(len(images)))]
    return cut(image, choose_window(image, size, generator), size)


def fit(crop: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """Continue a crop that is smaller than `size` by mirroring it."""
    missing = [size - n for n in crop.shape[:2]]
    if max(missing) <= 0:
        return crop
    return np.pad(crop, [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (crop.ndim - 2), mode="symmetric")
