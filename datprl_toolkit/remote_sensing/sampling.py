"""A small sample of a whole scene: windows spread evenly over it, in which there are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.tiling import Window, sample_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import Pixels, WindowReader

SAMPLE_SIZE = 256
SAMPLE_COUNT = 48
_ENOUGH = 8  # windows with data after which no further ones are looked for
_MOSTLY = 0.5  # share of valid elements above which a window counts as one with data


@dataclass(frozen=True, slots=True)
class SceneSample:
    """Windows of a scene with data in them.

    Parameters
    ----------
    windows
        Where they are.
    pixels
        What they hold, (C, H, W) each.
    level
        (C,): mean of the valid values of each band; 0 for a band without any.
    """

    windows: tuple[Window, ...]
    pixels: tuple[Pixels, ...]
    level: npt.NDArray[np.float64]

    @property
    def is_empty(self) -> bool:
        """True if the scene holds no data at all."""
        return not self.windows

    def values(self) -> npt.NDArray[np.generic]:
        """Return all valid values of the sample, one-dimensional."""
        return np.concatenate([np.empty(0), *(window.values[window.valid] for window in self.pixels)])

    def fullest(self, count: int) -> list[int]:
        """Return the places of up to `count` windows with the largest share of data, spread over the scene."""
        shares = [round(float(window.valid.mean()), 1) for window in self.pixels]
        ranked = sorted(range(len(shares)), key=lambda place: -shares[place])
        alike = [place for place in ranked if shares[place] == shares[ranked[0]]]
        if len(alike) > count:
            return sorted(alike[step * len(alike) // count] for step in range(count))
        return sorted(ranked[:count])


def sample_scene(
    reader: WindowReader,
    numbers: Sequence[int],
    shape: tuple[int, int],
    *,
    largest: int = 2 * SAMPLE_SIZE,
    thorough: bool = True,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> SceneSample:
    """Read windows from all over a scene.

    The windows are spread evenly. If few of them hold data, more are read between them, and at last every part
    of the scene is looked at, so that a single island in an ocean of nodata is found.

    Parameters
    ----------
    reader, numbers
        Where to read, and which bands.
    shape
        Height and width of the scene.
    largest
        A scene whose sides are no longer than this is read as one window.
    thorough
        False stops after the first windows, spread evenly, even if they hold no data.
    told
        Called with the number of windows read and to be read.
    """
    windows: list[Window] = []
    pixels: list[Pixels] = []
    sparse: list[tuple[Window, Pixels]] = []
    seen: set[Window] = set()
    for candidates in _candidates(shape, largest):
        for place, window in enumerate(candidates):
            if window in seen:
                continue
            seen.add(window)
            part = reader.read(numbers, window)
            told(place + 1, len(candidates))
            if part.valid.mean() >= _MOSTLY:
                windows.append(window)
                pixels.append(part)
            elif part.valid.any() and len(sparse) < SAMPLE_COUNT:
                sparse.append((window, part))
            if len(windows) >= SAMPLE_COUNT:
                break
        enough = len(windows) >= min(_ENOUGH, len(candidates))
        if not thorough or enough or (sparse and len(windows) + len(sparse) >= _ENOUGH):
            break
    for window, part in sparse[: max(_ENOUGH - len(windows), 0)]:
        windows.append(window)
        pixels.append(part)
    return SceneSample(tuple(windows), tuple(pixels), _levels(pixels, len(numbers)))


def _candidates(shape: tuple[int, int], largest: int) -> Iterator[list[Window]]:
    """Yield ever denser sets of windows of one size; the last covers the whole scene."""
    if max(shape) <= largest:
        yield [whole(shape)]
        return
    for count in (SAMPLE_COUNT, 8 * SAMPLE_COUNT):
        yield sample_windows(*shape, size=SAMPLE_SIZE, count=count)
    height, width = (min(SAMPLE_SIZE, length) for length in shape)
    yield [Window(top, top + height, left, left + width) for top in _cover(shape[0]) for left in _cover(shape[1])]


def _cover(length: int) -> list[int]:
    """First pixels of windows that leave nothing out; the last is moved inside the scene."""
    return [*range(0, length - SAMPLE_SIZE, SAMPLE_SIZE), max(length - SAMPLE_SIZE, 0)]


def _levels(pixels: Sequence[Pixels], bands: int) -> npt.NDArray[np.float64]:
    total, count = np.zeros(bands), np.zeros(bands)
    for part in pixels:
        total += np.where(part.valid, part.values, 0).sum(axis=(1, 2), dtype=np.float64)
        count += part.valid.sum(axis=(1, 2))
    return np.divide(total, count, out=np.zeros(bands), where=count > 0)
