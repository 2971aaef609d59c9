"""A small sample of a whole scene: windows spread evenly over it, in which there are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.tiling import Window, sample_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import WindowReader

SAMPLE_SIZE = 256
SAMPLE_COUNT = 48
_TOGETHER = 8  # windows in a row that are read at once where the whole scene is looked at
_GOLDEN = (5**0.5 - 1) / 2
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
    for groups in _candidates(shape, largest):
        total = sum(len(group) for group in groups)
        for done, (window, part) in enumerate(_read(reader, numbers, groups, seen), start=1):
            told(done, total)
            count = np.count_nonzero(part.valid)
            if count >= _MOSTLY * part.valid.size:
                windows.append(window)
                pixels.append(part)
            elif count and len(sparse) < SAMPLE_COUNT:
                sparse.append((window, part))
            if len(windows) >= SAMPLE_COUNT:
                break
        enough = len(windows) >= min(_ENOUGH, total)
        if not thorough or enough or (sparse and len(windows) + len(sparse) >= _ENOUGH):
            break
    for window, part in sparse[: max(_ENOUGH - len(windows), 0)]:
        windows.append(window)
        pixels.append(part)
    return SceneSample(tuple(windows), tuple(pixels), _levels(pixels, len(numbers)))


def _read(
    reader: WindowReader, numbers: Sequence[int], groups: list[list[Window]], seen: set[Window]
) -> Iterator[tuple[Window, Pixels]]:
    """Yield what has not been seen yet of groups of windows, each of which is read at once."""
    for group in groups:
        new = [window for window in group if window not in seen]
        if not new:
            continue
        seen.update(new)
        around = Window(new[0].top, new[-1].bottom, min(each.left for each in new), max(each.right for each in new))
        pixels = reader.read(numbers, around)
        for window in new:
            part = pixels.crop(*window.relative_to(around).slices)
            yield window, part if len(new) == 1 else Pixels(part.values.copy(), part.valid.copy())


def _candidates(shape: tuple[int, int], largest: int) -> Iterator[list[list[Window]]]:
    """Yield ever denser sets of windows of one size, in groups of neighbours; the last covers the whole scene."""
    if max(shape) <= largest:
        yield [[whole(shape)]]
        return
    for count in (SAMPLE_COUNT, 8 * SAMPLE_COUNT):
        yield [[window] for window in sample_windows(*shape, size=SAMPLE_SIZE, count=count)]
    height, width = (min(SAMPLE_SIZE, length) for length in shape)
    tops, lefts = (_cover(length) for length in shape)
    groups = [
        [Window(top, top + height, left, left + width) for top in rows for left in columns]
        for rows in _in_groups(tops)
        for columns in _in_groups(lefts)
    ]
    # Whatever is found first, the groups looked at so far lie all over the scene.
    yield [groups[place] for place in sorted(range(len(groups)), key=lambda place: place * _GOLDEN % 1)]


def _in_groups(places: list[int]) -> list[list[int]]:
    return [places[first : first + _TOGETHER] for first in range(0, len(places), _TOGETHER)]


def _cover(length: int) -> list[int]:
    """First pixels of windows that leave nothing out; the last is moved inside the scene."""
    return [*range(0, length - SAMPLE_SIZE, SAMPLE_SIZE), max(length - SAMPLE_SIZE, 0)]


def _levels(pixels: Sequence[Pixels], bands: int) -> npt.NDArray[np.float64]:
    total, count = np.zeros(bands), np.zeros(bands)
    for part in pixels:
        total += np.where(part.valid, part.values, 0).sum(axis=(1, 2), dtype=np.float64)
        count += part.valid.sum(axis=(1, 2))
    return np.divide(total, count, out=np.zeros(bands), where=count > 0)
