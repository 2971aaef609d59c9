"""The report of a DICOM series: both files are read back, slice by slice, measured and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.jobs.report_network import describe_network
from datprl_toolkit.medical.certificate import PixelChecks, check_geometry, check_headers, check_suv
from datprl_toolkit.medical.geometry import distances
from datprl_toolkit.medical.matching import SeriesPair, match_series
from datprl_toolkit.medical.profiles import choose_profile
from datprl_toolkit.medical.retrace import check_again, retrace
from datprl_toolkit.medical.series_facts import describe_series
from datprl_toolkit.medical.survey import Survey, ValueCount
from datprl_toolkit.reports.gather import Images, Search, Values, add_steps, measure_noise, spread_evenly
from datprl_toolkit.reports.measures import SliceSteps, find_hottest, hot_region, uptake
from datprl_toolkit.reports.report import HotPair, Measured, Part, Shown
from datprl_toolkit.restoring.progress import Progress
from datprl_toolkit.restoring.self_ensemble import SAID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.profiles import CtWindow
    from datprl_toolkit.medical.volume import Slice
    from datprl_toolkit.reports.measures import Region
    from datprl_toolkit.reports.report import Histogram, Network
    from datprl_toolkit.restoring import ProgressCallback, Restorer
    from datprl_toolkit.restoring.checks import Check

SAMPLED_SLICES = 16  # in which flat regions and edges are looked for
SHOWN_PIXELS = 8 * 512 * 512
MOST_SHOWN = 24
FLAT_LENGTH, EDGE_LENGTH = 32.0, 12.0  # mm
CANDIDATES_PER_SLICE = 4
HOT_REGIONS, HOT_DISTANCE = 5, 40.0  # mm apart
HOT_REACH = 30.0  # mm around the hottest voxel in which its region is looked for
BRIGHT_SHARE = 0.99  # of the voxels with uptake that are darker than the end of the grey scale
WIDEST_SHOWN = 1000.0  # HU; beyond it soft tissue is grey in grey
CONTRAST = 0.15  # of the bright values: what is darker is background
CT_WINDOWS = (
    ("soft tissue", -160.0, 240.0),
    ("lung", -1350.0, 150.0),
    ("bone", -450.0, 1050.0),
    ("brain", 0.0, 80.0),
)


def series_parts(
    before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback
) -> tuple[list[SeriesPair], list[Part]]:
    """Compare every restored series with its original.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.matching.match_series`, and what decoding a slice raises.
    """
    pairs = match_series(before, after)
    shown = max(1, MOST_SHOWN // len(pairs))
    return pairs, [SeriesComparison(pair, restorer, progress, shown, len(pairs)).part() for pair in pairs]


def series_facts(pairs: Sequence[SeriesPair]) -> tuple[tuple[str, str], ...]:
    """Return label and text of how restored series say that they were made."""
    made = list(dict.fromkeys(pair.made_by for pair in pairs if pair.made_by is not None))
    if not made:
        return (("Made by", "the restored series does not say"),)
    first = made[0]
    profiles = dict.fromkeys(
        f"{each.profile}, {each.low:g} to {each.high:g}{'' if each.unit == '1' else f' {each.unit}'}" for each in made
    )
    return (
        ("Weights", first.weights),
        ("Task", ", ".join(dict.fromkeys(each.task for each in made))),
        ("Intensity profile", "; ".join(profiles)),
        ("Strength", f"{first.strength:g}"),
        *((("Self-ensemble", SAID),) if first.self_ensemble else ()),
        ("Version", f"datprl-toolkit {first.version}"),
        ("Weights sha256", first.weights_sha256),
    )


@dataclass(slots=True)
class SeriesComparison:
    """One series before and after, on its way through its slices.

    Parameters
    ----------
    pair
        The series.
    restorer
        The weights with which it was made, or None.
    progress
        Told after each slice.
    most_shown
        How many slices the page shows at most.
    parts
        How many series the page compares.
    """

    pair: SeriesPair
    restorer: Restorer | None
    progress: ProgressCallback
    most_shown: int
    parts: int
    factor: float = 1.0
    unit: str = ""
    counts: ValueCount = field(default_factory=ValueCount)
    maxima: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    candidates: list[tuple[float, int, int, int]] = field(default_factory=list)
    steps: SliceSteps = field(default_factory=SliceSteps)

    def part(self) -> Part:
        """Measure, check and describe the series."""
        pair = self.pair
        factor, suv_checks = self._suv()
        self.factor, self.unit = (1.0, pair.before.unit) if factor is None else (factor, "SUV")
        self.unit = "arbitrary units" if self.unit == "1" else self.unit
        window = self._window()
        values, pixels = Values(*window, self._step()), self._pixel_checks()
        self._walk(values, pixels, window)
        network, again, warnings = self._network(window)
        measured = self._measured(values, window)
        checks = (*check_geometry(pair), *suv_checks, *pixels.checks(), *self._header_checks(), *again)
        low, high = self._shown_range(window, measured.histogram)
        return Part(
            title=self._title(),
            facts=self._facts(),
            unit=self.unit,
            length="mm",
            spacing=pair.before.slices[0].geometry.spacing,
            low=low,
            high=high,
            inverted=pair.before.modality == "PT",
            windows=CT_WINDOWS if pair.before.modality == "CT" else (),
            shown=self._shown(measured),
            measured=measured,
            checks=checks,
            network=network,
            warnings=(*pair.before_series.warnings, *warnings),
        )

    def _title(self) -> str:
        slices, rows, columns = self.pair.before.shape
        return f"{self.pair.before.modality}, {slices} slices of {columns} x {rows}"

    def _facts(self) -> tuple[tuple[str, str], ...]:
        """Return label and text of what is known of the series."""
        return describe_series(self.pair)

    def _suv(self) -> tuple[float | None, list[Check]]:
        """Return the factor to SUV by body weight, if there is one, and what was checked of it."""
        return check_suv(self.pair)

    def _pixel_checks(self) -> PixelChecks:
        return PixelChecks(self.pair, self._written_window())

    def _header_checks(self) -> list[Check]:
        return check_headers(self.pair)

    def _profile(self, found: Survey, ct_window: CtWindow) -> IntensityProfile:
        """Return the window that restoring would choose."""
        return choose_profile(found, self.pair.before_series.earliest, ct_window)[0]

    def _written_window(self) -> tuple[float, float] | None:
        made_by = self.pair.made_by
        return None if made_by is None else (made_by.low, made_by.high)

    def _window(self) -> tuple[float, float]:
        """Return the values over which things are counted and drawn: those that the network saw, if they are known."""
        written = self._written_window()
        if written is not None:
            return written[0] * self.factor, written[1] * self.factor
        sampled = np.concatenate([image.read().ravel() for image in self.pair.before.sample(SAMPLED_SLICES)])
        low, high = (float(value) * self.factor for value in np.percentile(sampled, (0.1, 99.9)))
        return low, high if high > low else low + 1.0

    def _step(self) -> float:
        """Return the distance between stored values, where all slices share it; PET slices have one each."""
        return 0.0 if self.pair.before.modality == "PT" else self.pair.before.slices[0].step

    def _shown_range(self, window: tuple[float, float], histogram: Histogram) -> tuple[float, float]:
        """Return the values shown as black and white: a PET window ends far above what most voxels hold."""
        if self.pair.before.modality == "CT" and window[1] - window[0] > WIDEST_SHOWN:
            return CT_WINDOWS[0][1:]
        if self.pair.before.modality != "PT":
            return window
        inside = histogram.before[1:]  # the first bin is the air around the patient
        place = int(np.searchsorted(np.cumsum(inside), BRIGHT_SHARE * inside.sum()))
        return window[0], float(histogram.edges[min(place + 2, len(histogram.edges) - 1)])

    def _images(self, index: int) -> Images:
        """Read one slice before and after, in the unit of the report."""
        source, result = self.pair.before.slices[index], self.pair.after.slices[index]
        return self._as_images(source, source.read_stored(), result.read())

    def _as_images(self, source: Slice, stored: npt.NDArray[np.integer], restored: npt.NDArray[np.float64]) -> Images:
        valid = ~source.pixel_format.padding_mask(stored)
        return Images(source.rescale.to_physical(stored) * self.factor, restored * self.factor, valid)

    def _walk(self, values: Values, pixels: PixelChecks, window: tuple[float, float]) -> None:
        """Read every slice once."""
        slices = self.pair.before.slices
        along = distances([image.geometry for image in slices])
        gaps = np.diff(along)
        usual = float(np.median(gaps)) if gaps.size else 0.0
        for index, (source, result) in enumerate(zip(slices, self.pair.after.slices, strict=True)):
            stored, made = source.read_stored(), result.read_stored()
            pixels.add(index, stored, made)
            images = self._as_images(source, stored, result.rescale.to_physical(made))
            self.changes.append(values.add(index, images))
            follows = index > 0 and gaps[index - 1] < 1.5 * usual
            add_steps(self.steps, images, *window, follows=follows)
            self._survey(index, source, images)
            self.progress(Progress("comparing", index + 1, len(slices), "slices"))

    def _survey(self, index: int, source: Slice, images: Images) -> None:
        """Keep what choosing the intensity window and finding the hottest regions need."""
        physical = images.before[images.valid] / self.factor
        self.maxima.append(float(images.before[images.valid].max(initial=0.0)))
        if self.pair.before.modality != "CT":
            self.counts.add(physical)
        if self.pair.before.modality == "PT":
            visible = np.where(images.valid, images.before, 0.0)
            for _ in range(CANDIDATES_PER_SLICE):
                row, column = np.unravel_index(int(np.argmax(visible)), visible.shape)
                self.candidates.append((float(visible[row, column]), index, int(row), int(column)))
                reach = [max(1, round(HOT_DISTANCE / step)) for step in source.geometry.spacing]
                top, left = max(0, int(row) - reach[0]), max(0, int(column) - reach[1])
                visible[top : int(row) + reach[0], left : int(column) + reach[1]] = 0.0

    def _network(self, window: tuple[float, float]) -> tuple[Network | None, list[Check], tuple[str, ...]]:
        """Restore a few slices again, if there are weights to do it with."""
        if self.restorer is None:
            return None, [], ()
        volume = self.pair.before
        found = Survey(volume, self.counts, tuple(maximum / self.factor for maximum in self.maxima), ())
        try:
            again = retrace(self.pair, lambda ct_window: self._profile(found, ct_window), self.restorer, self.progress)
        except DatprlError as error:
            return None, [], (f"W_NOT_RETRACED: {error.what}",)
        shared, own = SliceSteps(), SliceSteps()
        for place, original in enumerate(again.original):
            for steps, restored in ((shared, again.shared[place]), (own, again.own[place])):
                images = Images(original * self.factor, restored * self.factor, np.ones(original.shape, bool))
                add_steps(steps, images, *window, follows=place > 0)
        network = describe_network(
            self.restorer, again.context, f"{again.sampled} slices spread evenly over the series"
        )
        run = f"slices {again.run.start + 1} to {again.run.stop} of {len(volume.slices)}"
        return replace(network, shared=shared, own=own, run=run), [check_again(self.pair, again)], ()

    def _measured(self, values: Values, window: tuple[float, float]) -> Measured:
        chosen = spread_evenly(len(self.pair.before.slices), SAMPLED_SLICES)
        images = {index: self._images(index) for index in chosen}
        regions, noise, edges = measure_noise(images.items(), self._search(images, window), self._place)
        return Measured(
            change=values.change(),
            histogram=values.histogram(),
            regions=regions,
            noise=noise,
            edges=edges,
            hottest=self._hottest(),
            steps=self.steps if len(self.pair.before.slices) > 1 else None,
        )

    def _search(self, images: dict[int, Images], window: tuple[float, float]) -> Search:
        low, high = window
        width = high - low
        spacing = self.pair.before.slices[0].geometry.spacing
        floor = low + 0.1 * width
        if self.pair.before.modality != "CT":
            bright = np.percentile(np.concatenate([each.before[each.valid] for each in images.values()]), 99.5)
            floor = CONTRAST * float(bright)
        ceiling = high - 0.1 * width
        return Search(
            flat_size=_pixels(FLAT_LENGTH, spacing, least=12, most=48),
            edge_size=_pixels(EDGE_LENGTH, spacing, least=11, most=31) | 1,
            flat_low=floor,
            flat_high=max(ceiling, floor),
            low=low,
            high=high,
            least_step=0.15 * width if self.pair.before.modality == "CT" else 2 * floor,
            spacing=spacing,
        )

    def _place(self, region: Region) -> str:
        """Say where the middle of a region lies: slice, pixel and patient coordinates."""
        row, column = region.row + (region.size - 1) / 2, region.column + (region.size - 1) / 2
        return self._point(region.frame, row, column)

    def _point(self, index: int, row: float, column: float) -> str:
        geometry = self.pair.before.slices[index].geometry
        along_row, along_column = np.array(geometry.orientation[:3]), np.array(geometry.orientation[3:])
        x, y, z = (
            np.array(geometry.position)
            + along_row * column * geometry.spacing[1]
            + along_column * row * geometry.spacing[0]
        )
        return f"slice {index + 1}, row {row:.0f}, column {column:.0f} ({x:.1f}, {y:.1f}, {z:.1f} mm)"

    def _hottest(self) -> tuple[HotPair, ...]:
        if not self.candidates:
            return ()
        slices = self.pair.before.slices
        spacing = slices[0].geometry.spacing
        along = distances([image.geometry for image in slices])
        found = find_hottest(
            self.candidates, [float(place) for place in along], spacing, apart=HOT_DISTANCE, count=HOT_REGIONS
        )
        gaps = np.diff(along)
        step = float(np.median(gaps)) if gaps.size else 1.0
        return tuple(self._hot_pair(place, (step, *spacing)) for place in found)

    def _hot_pair(self, place: tuple[int, int, int], spacing: tuple[float, float, float]) -> HotPair:
        """Measure the region around one hot voxel, within a box that is read for it."""
        limits = self.pair.before.shape
        reach = [max(1, round(HOT_REACH / step)) for step in spacing]
        first = [max(0, middle - far) for middle, far in zip(place, reach, strict=True)]
        last = [min(size, middle + far + 1) for middle, far, size in zip(place, reach, limits, strict=True)]
        read = [self._images(index) for index in range(first[0], last[0])]
        part = (slice(first[1], last[1]), slice(first[2], last[2]))
        before = np.stack([images.before[part] for images in read])
        after = np.stack([images.after[part] for images in read])
        middle = (place[0] - first[0], place[1] - first[1], place[2] - first[2])
        region = hot_region(before, middle)
        return HotPair(
            place=self._point(*place),
            volume=float(region.mask.sum() * np.prod(spacing) / 1000.0),
            before=uptake(before, region, spacing),
            after=uptake(after, region, spacing),
        )

    def _shown(self, measured: Measured) -> tuple[Shown, ...]:
        """Return the slices to look at: the telling ones, and others spread evenly between them."""
        total, rows, columns = self.pair.before.shape
        count = max(1, min(self.most_shown, total, SHOWN_PIXELS // (rows * columns * self.parts)))
        telling = [measured.change.largest_at[0], int(np.argmax(self.changes))]
        telling += [each.region.frame for each in measured.regions[:1]]
        telling += [each.edge.frame for each in measured.edges[:1]]
        if self.pair.before.modality == "PT":
            telling.insert(0, int(np.argmax(self.maxima)))
        chosen = list(dict.fromkeys(telling))[:count]
        chosen += [index for index in spread_evenly(total, count - len(chosen)) if index not in chosen]
        return tuple(self._shown_slice(index, total) for index in sorted(chosen))

    def _shown_slice(self, index: int, total: int) -> Shown:
        images = self._images(index)
        position = self.pair.before.slices[index].geometry.position
        title = f"slice {index + 1} of {total}, z {position[2]:.1f} mm"
        before, after = (
            np.where(images.valid, image, np.nan).astype(np.float32) for image in (images.before, images.after)
        )
        return Shown(title, before, after, index)


def _pixels(length: float, spacing: tuple[float, float], *, least: int, most: int) -> int:
    return int(np.clip(round(length / max(spacing)), least, most))
