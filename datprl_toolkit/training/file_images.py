"""Images that are read from their files when a batch asks for them, and pairs made of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from datprl_toolkit.datasets import read_place
from datprl_toolkit.degradations import bicubic_low_resolution, truncate_k_space
from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.training.crops import Pair, choose_window, cut, fit
from datprl_toolkit.training.preparation import from_integers

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.datasets import Place
    from datprl_toolkit.training.prepared import Source

Colour = Literal["as stored", "grey", "rgb"]
CACHE_BYTES = 2 << 30
BICUBIC_MARGIN = 32  # pixels beyond which a pixel of the x4 reduction and enlargement has no part in another


class ImageCache:
    """Decoded images, the least recently used dropped when they exceed a number of bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self.limit, self.size = limit, 0
        self._images: OrderedDict[tuple[Place, Colour], npt.NDArray[Any]] = OrderedDict()

    def read(self, place: Place, colour: Colour) -> npt.NDArray[Any]:
        """Return an image from memory, or from its file."""
        key = (place, colour)
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        image = np.ascontiguousarray(with_colour(read_place(place), colour))
        image.setflags(write=False)
        self._images[key] = image
        self.size += image.nbytes
        while self.size > self.limit and len(self._images) > 1:
            self.size -= self._images.popitem(last=False)[1].nbytes
        return image


def with_colour(image: npt.NDArray[Any], colour: Colour) -> npt.NDArray[Any]:
    """Return an image (H, W) or (H, W, 3) with the channels asked for; grey is the mean of the channels."""
    if colour == "rgb" and image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    if colour == "grey" and image.ndim == 3:
        mean: npt.NDArray[Any] = image.mean(axis=2)
        return (np.rint(mean) if np.issubdtype(image.dtype, np.integer) else mean).astype(image.dtype)
    return image


class FileImages(Sequence["npt.NDArray[Any]"]):
    """A sequence of images that are read when they are asked for; see :func:`datprl_toolkit.datasets.read_place`."""

    def __init__(self, places: Sequence[Place], cache: ImageCache, colour: Colour = "as stored") -> None:
        self.places, self.cache, self.colour = tuple(places), cache, colour

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[npt.NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> npt.NDArray[Any] | Sequence[npt.NDArray[Any]]:
        if isinstance(index, slice):
            return FileImages(self.places[index], self.cache, self.colour)
        return self.cache.read(self.places[index], self.colour)


@dataclass(frozen=True, slots=True)
class FilePairs:
    """Pairs of a clean and a degraded file.

    Raises, when a pair is made, ``E_GEOMETRY`` if the two have different sizes.
    """

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Cut both images at the same place."""
        clean, degraded = self.source["clean"][index], self.source["degraded"][index]
        check_sizes(clean.shape, degraded.shape, f"{self.source.name}, pair {index}")
        window = choose_window(clean, size, generator)
        both = [with_colour(cut(image, window, size), "rgb") for image in (degraded, clean)]
        return Pair(both[0], both[1], key_of(self.source, index))


@dataclass(frozen=True, slots=True)
class SimulatedLowResolution:
    """Images reduced by four and enlarged again, crop by crop, with the pixels that the whole image would have."""

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Cut a crop with a margin on the grid of four pixels, reduce and enlarge it, and cut the margin off."""
        image = self.source["clean"][index]
        # As for whole images, sizes are cropped to multiples of four first.
        image = image[: image.shape[0] // 4 * 4, : image.shape[1] // 4 * 4]
        window = choose_window(image, size, generator)
        starts = [axis.start // 4 * 4 for axis in window]
        outer, inner = zip(
            *(_with_margin(s, size, n) for s, n in zip(starts, image.shape[:2], strict=True)), strict=True
        )
        wide = from_integers(image[outer])
        low = bicubic_low_resolution(wide)
        return Pair(fit(low[inner], size), fit(wide[inner], size), key_of(self.source, index))


@dataclass(frozen=True, slots=True)
class SimulatedKSpace:
    """Slices with the central sixteenth of their k-space."""

    source: Source

    def __len__(self) -> int:
        return len(self.source)

    def make(self, index: int, size: int, generator: np.random.Generator) -> Pair:
        """Truncate the whole slice and cut both at the same place, not where there is only air."""
        clean = from_integers(self.source["clean"][index])
        degraded = truncate_k_space(clean).clip(0, 1)
        window = choose_window(clean, size, generator, inside=(0.03, np.inf))
        return Pair(cut(degraded, window, size), cut(clean, window, size), key_of(self.source, index))


def check_sizes(clean: tuple[int, ...], degraded: tuple[int, ...], where: object) -> None:
    """Raise ``E_GEOMETRY`` unless two images have the same height and width."""
    if clean[:2] != degraded[:2]:
        raise InputError(
            ErrorCode.GEOMETRY,
            f"the clean image has {clean[1]}x{clean[0]} pixels and the degraded one {degraded[1]}x{degraded[0]}",
            where=where,
            remedy="Enlarge small inputs first, or give the clean images alone and let them be simulated",
        )


def key_of(source: Source, index: int) -> str:
    """Return the key under which an image's text feature is found."""
    return f"{source.name}/{index:04d}"


def _with_margin(start: int, size: int, length: int) -> tuple[slice, slice]:
    """Return a crop with its margin along one axis, inside the image, and the crop inside that."""
    first, last = max(0, start - BICUBIC_MARGIN), min(length, -(-(start + size) // 4) * 4 + BICUBIC_MARGIN)
    return slice(first, last), slice(start - first, min(start + size, length) - first)
