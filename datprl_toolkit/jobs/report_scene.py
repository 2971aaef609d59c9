"""The report of a scene: both rasters are read back, window by window, measured and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.jobs.report_network import describe_network
from datprl_toolkit.remote_sensing.context import SAMPLED_WHOLE, Centred, as_batch, context_images
from datprl_toolkit.remote_sensing.context_field import field_grouping, scene_lattice
from datprl_toolkit.remote_sensing.enlargement import REACH, enlarge_pixels
from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.reading_cache import sparing
from datprl_toolkit.remote_sensing.sampling import SceneSample, sample_scene
from datprl_toolkit.remote_sensing.scene_pair import ScenePair, ScenePixelChecks, check_grid, match_scenes
from datprl_toolkit.remote_sensing.windows import coarse, describe, fine, whole
from datprl_toolkit.reports.bands import BandSums
from datprl_toolkit.reports.gather import Images, Search, Values, measure_noise, spread_evenly
from datprl_toolkit.reports.report import Measured, Part, Shown
from datprl_toolkit.restoring import shown_range
from datprl_toolkit.restoring.progress import Progress
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.reports.measures import Edge, Region
    from datprl_toolkit.reports.report import Change, Network
    from datprl_toolkit.restoring import ProgressCallback, Restorer

UNIT = "DN"  # digital number, as stored
WHOLE_SIDE, SHOWN_SIDE, MOST_SHOWN = 768, 448, 4
SAMPLED_WINDOWS = 12
FLAT_SIZE, EDGE_SIZE = 24, 15
LOOKED_AT = 4  # windows of the result that are read for the values shown as black and white
FACTS = {"MODEL": "Weights", "SCALING": "Scaling", "STRENGTH": "Strength",
         "SELF_ENSEMBLE": "Self-ensemble", "VERSION": "Version",
         "WEIGHTS_SHA256": "Weights sha256"}  # fmt: skip


def scene_part(
    before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback
) -> tuple[tuple[tuple[str, str], ...], Part]:
    """Compare a scene with its result.

    Parameters
    ----------
    restorer
        The weights with which it was made, to tell which prompts they choose for the scene; None to leave that out.

    Returns
    -------
    How the result says that it was made, and the measures.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.remote_sensing.scene_pair.match_scenes`, and what reading a window raises.
    """
    pair = match_scenes(before, after)
    facts = tuple((label, pair.made[key]) for key, label in FACTS.items() if key in pair.made)
    with sparing(), pair.before.reader() as first, pair.after.reader() as second:
        sample = sample_scene(first, pair.restored, pair.before.grid.shape)
        comparison = _Comparison(pair, first, second, sample, restorer, progress)
        return facts or (("Made by", "the result does not say"),), comparison.part()


@dataclass(slots=True)
class _Comparison:
    """A scene before and after, on its way through its windows."""

    pair: ScenePair
    first: SceneReader
    second: SceneReader
    sample: SceneSample
    restorer: Restorer | None
    progress: ProgressCallback
    bands: list[BandSums] = field(default_factory=list)
    changes: list[tuple[float, Window]] = field(default_factory=list)

    def part(self) -> Part:
        """Measure, check and describe the scene."""
        pair = self.pair
        window = self._window()
        low, high = self._shown_range(window)
        self.bands = [BandSums(self._name(number), number in pair.restored) for number in pair.written]
        values = Values(*window, 0.0 if pair.before.dtype.kind == "f" else 1.0)
        pixels = ScenePixelChecks(pair)
        windows, every = pair.windows()
        self._walk(windows, values, pixels)
        measured = self._measured(values, window)
        network, warnings = self._network()
        grid = pair.after.grid
        compared = f"{len(windows)} of {every} windows" if every > len(windows) else "every pixel"
        return Part(
            title=f"scene, {grid.width} x {grid.height} pixels, {len(pair.after.bands)} bands",
            facts=(
                ("Restored bands", ", ".join(self._name(number) for number in pair.restored)),
                ("Stored as", str(pair.after.dtype)),
                ("Unit", "DN, stored digital numbers"),
                ("Compared", compared),
            ),
            unit=UNIT,
            length="px",
            spacing=(1.0, 1.0),
            low=low,
            high=high,
            shown=self._shown(measured),
            measured=measured,
            checks=(*check_grid(pair), *pixels.checks()),
            network=network,
            warnings=(
                *warnings,
                *(() if every == len(windows) else (f"W_SAMPLED: {compared} of the scene were compared",)),
            ),
        )

    def _network(self) -> tuple[Network | None, tuple[str, ...]]:
        """Return what the weights choose for the scene, from the windows that restoring takes the context from."""
        if self.restorer is None:
            return None, ()
        try:
            images = self._context_images(self.restorer.card.sha256)
        except DatprlError as error:
            return None, (f"W_NOT_RETRACED: {error.what}",)
        self.progress(Progress("computing context", 0, 1, "samples"))
        lattice = scene_lattice(self.pair.after.grid.shape)
        grouping = field_grouping(images, lattice) if self.pair.made.get("CONTEXT") == "field" else None
        context = self.restorer.context(as_batch(images), grouping)
        self.progress(Progress("computing context", 1, 1, "samples"))
        places = "" if grouping is None else f", the mean of {len(lattice.nodes)} places"
        return describe_network(self.restorer, context, f"{len(images)} windows of the scene{places}"), ()

    def _context_images(self, checksum: str) -> list[Centred]:
        """Return the windows of the scene as the network saw them, or raise what keeps them from being known."""
        pair = self.pair
        if pair.made.get("WEIGHTS_SHA256") != checksum or pair.window is None:
            raise _cannot("the scene was not made with these weights")
        if pair.made.get("CONTEXT", "scene") not in {"scene", "field"}:
            raise _cannot("every tile of the scene had prompts of its own; datprl prompts maps them")
        sample = sample_scene(self.first, pair.restored, pair.before.grid.shape, largest=SAMPLED_WHOLE // pair.factor)
        if sample.is_empty:
            raise _cannot("the scene holds no valid data")
        profile = IntensityProfile("scene", *pair.window, "1")
        return context_images(sample, profile, pair.factor)

    def _name(self, number: int) -> str:
        band = self.pair.before.band(number)
        word = band.description or (band.colour if band.colour not in ("undefined", "gray") else "")
        return f"{number} {word}".strip()

    def _window(self) -> tuple[float, float]:
        """Return the stored values over which things are counted."""
        if self.pair.window is not None:
            return self.pair.window
        values = self.sample.values().astype(np.float64)
        low, high = (float(each) for each in np.percentile(values, (0.1, 99.9))) if values.size else (0.0, 1.0)
        return low, high if high > low else low + 1.0

    def _shown_range(self, window: tuple[float, float]) -> tuple[float, float]:
        """Return the stored values shown as black and white, of a sample of both scenes."""
        pair, sample = self.pair, self.sample
        if sample.is_empty:
            return window
        numbers = [pair.place(number) for number in pair.restored]
        places = [sample.windows[place] for place in sample.fullest(LOOKED_AT)]
        results = [self.second.read(numbers, fine(place, pair.factor)) for place in places]
        return shown_range(sample.values(), *(pixels.values[pixels.valid] for pixels in results))

    def _read(self, window: Window, numbers: tuple[int, ...]) -> tuple[Pixels, Pixels]:
        """Read bands, by their numbers before, in a window of the result, before and after."""
        pair = self.pair
        after = self.second.read([pair.place(number) for number in numbers], window)
        if pair.factor == 1:
            return self.first.read(numbers, window), after
        held = coarse(window, pair.factor).grown(REACH, whole(pair.before.grid.shape))
        pixels = self.first.read(numbers, held)
        level = np.array([_level(pixels, place) for place in range(len(numbers))])
        smooth, _, valid = enlarge_pixels(pixels, level, held, window, pair.factor)
        return Pixels(smooth, valid), after

    def _walk(self, windows: list[Window], values: Values, pixels: ScenePixelChecks) -> None:
        for number, window in enumerate(windows, start=1):
            before, after = self._read(window, self.pair.written)
            if self.pair.factor == 1:
                pixels.add(before, after)
            for place, sums in enumerate(self.bands):
                valid = before.valid[place] & after.valid[place]
                sums.add(before.values[place].astype(np.float64), after.values[place].astype(np.float64), valid)
            grey = self._grey(before, after, self.pair.written)
            self.changes.append((values.add(number - 1, grey), window))
            self.progress(Progress("comparing", number, len(windows), "windows"))

    def _grey(self, before: Pixels, after: Pixels, numbers: tuple[int, ...]) -> Images:
        """Return the mean of the restored bands."""
        places = [numbers.index(number) for number in self.pair.restored]
        valid: npt.NDArray[np.bool_] = np.all(before.valid[places] & after.valid[places], axis=0)
        first, second = (
            np.where(valid, each.values[places].astype(np.float64).mean(axis=0), 0.0) for each in (before, after)
        )
        return Images(first, second, valid)

    def _measured(self, values: Values, window: tuple[float, float]) -> Measured:
        low, high = window
        width = high - low
        search = Search(
            flat_size=FLAT_SIZE,
            edge_size=EDGE_SIZE,
            flat_low=low + 0.02 * width,
            flat_high=high - 0.02 * width,
            low=low - 0.01 * width,
            high=high + 0.01 * width,
            least_step=0.08 * width,
            spacing=(1.0, 1.0),
        )
        chosen = [self.changes[place][1] for place in spread_evenly(len(self.changes), SAMPLED_WINDOWS)]
        images = [
            (place, self._grey(*self._read(part, self.pair.restored), self.pair.restored))
            for place, part in enumerate(chosen)
        ]

        def name(region: Region) -> str:
            row, column = chosen[region.frame].top + region.row, chosen[region.frame].left + region.column
            return f"row {row + region.size // 2}, column {column + region.size // 2}"

        regions, noise, edges = measure_noise(images, search, name)
        return Measured(
            change=self._change(values),
            histogram=values.histogram(),
            regions=tuple(replace(each, region=_in_scene(each.region, chosen)) for each in regions),
            noise=noise,
            edges=tuple(replace(each, edge=_in_scene(each.edge, chosen)) for each in edges),
            bands=tuple(sums.result() for sums in self.bands),
        )

    def _change(self, values: Values) -> Change:
        """Return the change with its place in the scene rather than in a window."""
        change = values.change()
        number, row, column = change.largest_at
        part = self.changes[number][1]
        return replace(change, largest_at=(0, part.top + row, part.left + column))

    def _shown(self, measured: Measured) -> tuple[Shown, ...]:
        """Return a small scene whole, else the parts with the largest change, at full resolution, the largest first."""
        height, width = self.pair.after.grid.shape
        if max(height, width) <= WHOLE_SIDE:
            return (self._shown_part(whole((height, width))),)
        _, row, column = measured.change.largest_at
        ranked = [window for _, window in sorted(self.changes, key=lambda each: -each[0])]
        centres = [(row, column)]
        centres += [((part.top + part.bottom) // 2, (part.left + part.right) // 2) for part in ranked]
        windows = dict.fromkeys(_around(*centre, height, width) for centre in centres)
        return tuple(self._shown_part(part) for part in list(windows)[:MOST_SHOWN])

    def _shown_part(self, part: Window) -> Shown:
        before, after = self._read(part, self.pair.restored)
        pictures = [_picture(pixels) for pixels in (before, after)]
        return Shown(describe(part), pictures[0], pictures[1], 0, (part.top, part.left))


def _cannot(why: str) -> InputError:
    return InputError(ErrorCode.MISMATCH, f"the prompts are not known: {why}")


Place = TypeVar("Place", "Region", "Edge")


def _in_scene(place: Place, windows: list[Window]) -> Place:
    """Return a region or edge of a window by its place in the scene."""
    part = windows[place.frame]
    return replace(place, frame=0, row=part.top + place.row, column=part.left + place.column)


def _level(pixels: Pixels, place: int) -> float:
    valid = pixels.values[place][pixels.valid[place]]
    return float(valid.astype(np.float64).mean()) if valid.size else 0.0


def _around(row: int, column: int, height: int, width: int) -> Window:
    top = max(0, min(row - SHOWN_SIDE // 2, height - SHOWN_SIDE))
    left = max(0, min(column - SHOWN_SIDE // 2, width - SHOWN_SIDE))
    return Window(top, min(top + SHOWN_SIDE, height), left, min(left + SHOWN_SIDE, width))


def _picture(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return (H, W) or (H, W, 3), NaN where no band has data."""
    picture = np.where(pixels.valid.any(axis=0, keepdims=True), pixels.values, np.nan).astype(np.float32)
    return picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
