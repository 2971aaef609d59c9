"""Seams in a raster: steps along the lines where tiles meet, measured against the lines beside them.

The seam index is the mean absolute difference of neighbouring pixels across the cut lines, divided by the same across
lines shifted by a few pixels: 1.00 for an image without seams. The step is the mean signed difference along one edge of
a tile, less the slope that goes on at both sides: what a tile that is brighter than its neighbour adds. Both are taken
from one pass over the raster, in strips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.bands import band_numbers
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.restoring import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import Pixels, SceneReader

    Floats = npt.NDArray[np.float64]

SEAMLESS = 0.02
"""How far from 1 the index of an image without seams may be."""

USUAL_TILE = 512
SMALLEST_TILE = 16
_SHIFTS = tuple(sign * distance for distance in range(3, 9) for sign in (-1, 1))
_STRIP_BYTES = 2**26
_MOST_SEGMENTS = 64
_NOTICEABLE = 6.0  # standard errors by which regular lines must stand out to be taken for the edges of tiles

_FEWEST_LINES = 3
_SMALLEST_STEP = 1e-6  # stored values: what rounding leaves of nothing


class LineProfile(NamedTuple):
    """What was measured across every line between two columns, or two rows.

    Parameters
    ----------
    gradient
        (L,): mean absolute difference across line 1, 2, ... L; NaN where no pair of pixels is data.
    steps
        (C, S, L): the step across each line, by band and by segment along the line.
    """

    gradient: Floats
    steps: Floats

    def beside(self, lines: Sequence[int]) -> Floats:
        """Return the mean gradient beside each of the lines."""
        return np.array([_mean_at(self.gradient, [line + shift for shift in _SHIFTS]) for line in lines])

    def ratio(self, lines: Sequence[int]) -> Floats:
        """Return the gradient across each of the lines, relative to the lines beside it; NaN where it has none."""
        across = np.array([_mean_at(self.gradient, [line]) for line in lines])
        beside = self.beside(lines)
        # Without any difference there is no seam either; a step within nothing is an infinite one.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((across == 0) & (beside == 0), 1.0, across / beside)


@dataclass(frozen=True, slots=True)
class SeamReport:
    """The seams of a raster.

    Parameters
    ----------
    tile
        Distance of the cut lines, in pixels.
    found
        True if the distance was found in the raster itself, False if it was given or is the usual one.
    lines
        Number of cut lines that could be measured.
    index, error
        The seam index, and its standard error from how much the lines differ.
    step, noise
        Root mean square of the steps along edges of tiles, in stored values, beyond that of the steps along the
        lines beside them, which is the noise: what texture alone gives.
    columns, rows
        All lines, for a picture: their seam index (L,), and the steps along them (C, S, L) by band and segment.
    largest
        Up to five places with the largest steps: "column 512, rows 0 to 511" and the step in stored values.
    """

    tile: int
    found: bool
    lines: int
    index: float
    error: float
    step: float
    noise: float
    columns: tuple[Floats, Floats]
    rows: tuple[Floats, Floats]
    largest: tuple[tuple[str, float], ...]

    @property
    def is_seamless(self) -> bool:
        """True if the index is within :data:`SEAMLESS` of 1 or cannot be told from it, and no step stands out."""
        unremarkable = self.index - 1.0 <= SEAMLESS or self.index - 2.0 * self.error <= 1.0
        return unremarkable and self.step <= max(2.0 * self.noise, _SMALLEST_STEP)


def measure_seams(
    source: str | Path,
    *,
    tile: int | None = None,
    original: str | Path | None = None,
    bands: tuple[int | str, ...] | None = None,
    progress: ProgressCallback = silent,
) -> SeamReport:
    """Measure the seams of a raster, whoever made it.

    Parameters
    ----------
    source
        What :meth:`Scene.open` takes.
    tile
        Distance of the lines at which tiles may meet, counted from the upper left corner; None looks for it.
    original
        The scene before it was restored, on the same grid. The index is divided by the one of the original at the
        same lines, and steps are those of the change alone, so that content does not count.
    bands
        Which bands, by number from 1 or by name; None takes all but alpha.
    progress
        Told after each strip.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the original has another size, or what reading raises.
    OptionError
        ``E_OPTION`` for a tile that is smaller than 16 pixels or does not fit twice, or a band that is not there.
    """
    report = _measure(source, tile, original, bands, progress)
    if not report.found:
        return report
    # Only now is it known how long the edge of a tile is along which a step is to be averaged.
    return replace(_measure(source, report.tile, original, bands, progress), found=True)


def _measure(
    source: str | Path,
    tile: int | None,
    original: str | Path | None,
    bands: tuple[int | str, ...] | None,
    progress: ProgressCallback,
) -> SeamReport:
    scene = Scene.open(source)
    numbers = band_numbers(scene, bands) if bands else tuple(band.number for band in scene.image_bands)
    _check(scene, tile)
    if original is None:
        with sparing(), scene.reader() as reader:
            totals = _Totals.of(_strips(scene, reader, numbers, progress), scene.grid.shape, len(numbers), tile)
        return _report(totals, None, totals, scene.grid.shape, tile)
    before = Scene.open(original)
    if before.grid.shape != scene.grid.shape or len(before.bands) < max(numbers):
        raise InputError(
            ErrorCode.GEOMETRY,
            "the original has another size or fewer bands",
            where=before.path,
            remedy="Give the scene that was restored, on the same grid",
        )
    with sparing(), scene.reader() as reader, before.reader() as earlier:
        parts = [_Totals(scene.grid.shape, len(numbers), tile) for _ in range(3)]
        pairs = zip(_strips(scene, reader, numbers, progress), _strips(before, earlier, numbers, silent), strict=True)
        for (top, after), (_, then) in pairs:
            change = after[0] - then[0], after[1] & then[1]
            for total, strip in zip(parts, (after, then, change), strict=True):
                total.add(top, *strip)
    return _report(parts[0], parts[1], parts[2], scene.grid.shape, tile)


def seams_of(values: npt.NDArray[np.generic], tile: int, original: npt.NDArray[np.generic] | None = None) -> SeamReport:
    """Measure the seams of an array.

    Parameters
    ----------
    values, original
        (C, H, W), the second as for :func:`measure_seams`.
    tile
        Distance of the cut lines.
    """
    arrays = [values.astype(np.float64)]
    if original is not None:
        arrays += [original.astype(np.float64), values.astype(np.float64) - original.astype(np.float64)]
    shape = values.shape[1], values.shape[2]
    parts = [_Totals.of(iter([(0, (array, np.isfinite(array)))]), shape, len(values), tile) for array in arrays]
    after, *rest = parts
    before, change = rest or (None, after)
    return _report(after, before, change, shape, tile)


def _check(scene: Scene, tile: int | None) -> None:
    if tile is not None and (tile < SMALLEST_TILE or 2 * tile > max(scene.grid.shape) + tile - 1):
        raise OptionError(
            ErrorCode.OPTION,
            f"tiles of {tile} pixels have no line at which two of them could meet in a scene of "
            f"{scene.grid.width} x {scene.grid.height}",
            where="tile",
            remedy=f"Give a size from {SMALLEST_TILE} to {max(scene.grid.shape) - 1}",
        )


Strip = tuple["Floats", "npt.NDArray[np.bool_]"]


def _strips(
    scene: Scene, reader: SceneReader, numbers: tuple[int, ...], progress: ProgressCallback
) -> Iterator[tuple[int, Strip]]:
    """Yield strips from the top, each with the last row of the one above, so that no difference is missed."""
    height, width = scene.grid.shape
    rows = int(np.clip(_STRIP_BYTES // (width * len(numbers) * 8), 2, 2048))
    for top in range(0, height, rows):
        first = max(top - 1, 0)
        pixels: Pixels = reader.read(numbers, Window(first, min(top + rows, height), 0, width))
        yield first, (pixels.values.astype(np.float64), pixels.valid)
        progress(Progress("measuring", min(top + rows, height), height, "rows"))


class _Totals:
    """Sums of differences across every line, by band and by segment along the line."""

    def __init__(self, shape: tuple[int, int], bands: int, tile: int | None) -> None:
        self._shape = shape
        length = tile or USUAL_TILE
        self._lengths = [max(length, -(-size // _MOST_SEGMENTS)) for size in shape]
        counts = [-(-size // length) for size, length in zip(shape, self._lengths, strict=True)]
        height, width = shape
        self._column_sums = np.zeros((3, bands, counts[0], max(width - 1, 0)))
        self._row_sums = np.zeros((3, bands, counts[1], max(height - 1, 0)))

    @classmethod
    def of(cls, strips: Iterator[tuple[int, Strip]], shape: tuple[int, int], bands: int, tile: int | None) -> _Totals:
        totals = cls(shape, bands, tile)
        for top, strip in strips:
            totals.add(top, *strip)
        return totals

    def add(self, top: int, values: Floats, valid: npt.NDArray[np.bool_]) -> None:
        """Add a strip whose first row, unless it is the scene's first, was the last of the strip above."""
        own = slice(0 if top == 0 else 1, None)
        across = np.diff(values[:, own], axis=2), valid[:, own, 1:] & valid[:, own, :-1]
        first = top + (0 if top == 0 else 1)
        for segment, rows in _parts(first, across[0].shape[1], self._lengths[0]):
            self._column_sums[:, :, segment] += _sums(across[0][:, rows], across[1][:, rows], axis=1)
        down = np.diff(values, axis=1), valid[:, 1:] & valid[:, :-1]
        lines = slice(top, top + down[0].shape[1])
        for segment, columns in _parts(0, self._shape[1], self._lengths[1]):
            self._row_sums[:, :, segment, lines] += _sums(down[0][:, :, columns], down[1][:, :, columns], axis=2)

    def columns(self) -> LineProfile:
        return _profile(self._column_sums)

    def rows(self) -> LineProfile:
        return _profile(self._row_sums)

    def profiles(self) -> tuple[LineProfile, LineProfile]:
        return self.columns(), self.rows()


def _parts(first: int, count: int, length: int) -> Iterator[tuple[int, slice]]:
    """Cut `count` places from `first` on at multiples of `length`; yield the number of each part, and its places."""
    for segment in range(first // length, -(-(first + count) // length)):
        yield segment, slice(max(segment * length - first, 0), min((segment + 1) * length - first, count))


def _sums(difference: Floats, both: npt.NDArray[np.bool_], axis: int) -> Floats:
    kept = np.where(both, difference, 0.0)
    return np.stack([np.abs(kept).sum(axis=axis), kept.sum(axis=axis), both.sum(axis=axis, dtype=np.float64)])


def _profile(sums: Floats) -> LineProfile:
    absolute, signed, count = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = absolute.sum(axis=(0, 1)) / count.sum(axis=(0, 1))
        mean = signed / count
    steps = np.full(mean.shape, np.nan)
    steps[..., 1:-1] = mean[..., 1:-1] - (mean[..., :-2] + mean[..., 2:]) / 2
    return LineProfile(gradient, steps)


def _mean_at(gradient: Floats, lines: Sequence[int]) -> float:
    """Return the mean of the gradient across lines, counted from 1, that exist and could be measured."""
    inside = [gradient[line - 1] for line in lines if 1 <= line <= len(gradient)]
    measured = [value for value in inside if np.isfinite(value)]
    return float(np.mean(measured)) if measured else float("nan")


def cut_lines(length: int, tile: int) -> list[int]:
    """Return the lines inside `length` pixels at which tiles of a size meet."""
    return list(range(tile, length, tile))


def _report(
    after: _Totals, before: _Totals | None, change: _Totals, shape: tuple[int, int], tile: int | None
) -> SeamReport:
    profiles, changes = after.profiles(), change.profiles()
    # In the change alone the edges of tiles stand out better than among all that the scene shows.
    found = None if tile is not None else (find_tile(changes) or find_tile(profiles))
    size = max(tile or found or (USUAL_TILE if max(shape) > USUAL_TILE else max(shape) // 2), 1)
    lines = (cut_lines(shape[1], size), cut_lines(shape[0], size))
    ratios = _ratios(profiles, lines)
    earlier = None if before is None else before.profiles()
    if earlier is not None:
        ratios = ratios / _ratios(earlier, lines)
    ratios = ratios[~np.isnan(ratios)]
    at, beside = zip(*(_steps(profile, cut) for profile, cut in zip(changes, lines, strict=True)), strict=True)
    noise = _root_mean_square(np.concatenate(beside))
    several = len(ratios) > 1 and bool(np.isfinite(ratios).all())
    return SeamReport(
        tile=size,
        found=found is not None,
        lines=len(ratios),
        index=float(ratios.mean()) if len(ratios) else 1.0,
        error=float(ratios.std(ddof=1) / np.sqrt(len(ratios))) if several else float("inf"),
        # What texture alone gives is there at the cut lines too.
        step=float(np.sqrt(max(_root_mean_square(np.concatenate(at)) ** 2 - noise**2, 0.0))),
        noise=noise,
        columns=(_ratios_everywhere(profiles[0], earlier and earlier[0]), changes[0].steps),
        rows=(_ratios_everywhere(profiles[1], earlier and earlier[1]), changes[1].steps),
        largest=_largest(changes, lines, shape, size),
    )


def _ratios(profiles: tuple[LineProfile, LineProfile], lines: tuple[list[int], list[int]]) -> Floats:
    return np.concatenate([profile.ratio(cut) for profile, cut in zip(profiles, lines, strict=True)])


def _ratios_everywhere(after: LineProfile, before: LineProfile | None) -> Floats:
    lines = range(1, len(after.gradient) + 1)
    ratio = after.ratio(lines)
    return ratio if before is None else ratio / before.ratio(lines)


def _steps(profile: LineProfile, lines: Sequence[int]) -> tuple[Floats, Floats]:
    """Return the steps along the cut lines, and along the lines beside them."""
    last = profile.steps.shape[-1]
    at = [line - 1 for line in lines if line <= last]
    near = [line - 1 + shift for line in lines for shift in _SHIFTS if 0 <= line - 1 + shift < last]
    return profile.steps[..., at].ravel(), profile.steps[..., near].ravel()


def _root_mean_square(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if len(finite) else 0.0


def _largest(
    profiles: tuple[LineProfile, LineProfile], lines: tuple[list[int], list[int]], shape: tuple[int, int], tile: int
) -> tuple[tuple[str, float], ...]:
    """Name the five edges of tiles with the largest steps, of any band."""
    places = []
    for profile, cuts, along, names in zip(
        profiles, lines, shape, (("column", "rows"), ("row", "columns")), strict=True
    ):
        length = max(tile, -(-along // _MOST_SEGMENTS))
        for line in cuts:
            for segment in range(profile.steps.shape[1]):
                steps = profile.steps[:, segment, line - 1]
                if np.isfinite(steps).any():
                    step = float(steps[np.nanargmax(np.abs(steps))])
                    end = min((segment + 1) * length, along) - 1
                    places.append((f"{names[0]} {line}, {names[1]} {segment * length} to {end}", step))
    return tuple(sorted(places, key=lambda place: -abs(place[1]))[:5])


def find_tile(profiles: Sequence[LineProfile]) -> int | None:
    """Look for regular lines across which a raster differs more than beside them.

    Returns
    -------
    The distance of the lines, if they stand out clearly; None if nothing regular does.
    """
    excess = [_excess(profile.gradient) for profile in profiles]
    longest = max((len(values) + 1 for values in excess), default=0)
    best, score = None, _NOTICEABLE
    for tile in range(SMALLEST_TILE, longest // 2 + 1):
        at = np.concatenate([values[tile - 1 :: tile] for values in excess])
        at = at[np.isfinite(at)]
        here = float(at.mean() * np.sqrt(len(at))) if len(at) else 0.0
        # One bright edge in the scene must not make a tile of itself: most of several lines have to stand out.
        if here > score and len(at) >= _FEWEST_LINES and np.percentile(at, 25) > 1.0:
            best, score = tile, here
    return best


def _excess(gradient: Floats) -> Floats:
    """Return by how many robust standard deviations each line stands out from the lines beside it."""
    if len(gradient) < 2 * max(_SHIFTS) + 1:
        return np.full(len(gradient), np.nan)
    beside = np.stack([np.roll(gradient, -shift) for shift in _SHIFTS])
    least = max(1e-3 * float(np.nanmean(gradient)) if np.isfinite(gradient).any() else 0.0, np.finfo(float).tiny)
    logarithm = np.log((gradient + least) / (np.median(beside, axis=0) + least))
    logarithm[: max(_SHIFTS)] = logarithm[-max(_SHIFTS) :] = np.nan
    finite = logarithm[np.isfinite(logarithm)]
    if len(finite) == 0:
        return logarithm
    spread = 1.4826 * float(np.median(np.abs(finite - np.median(finite))))
    capped: Floats = np.clip((logarithm - np.median(finite)) / max(spread, 1e-3), -10.0, 10.0)
    return capped
