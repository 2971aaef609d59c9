"""The certificate of a restored series: what must be as in the source, checked by reading the files of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.enhanced_pet import classic_header
from datprl_toolkit.medical.geometry import distances
from datprl_toolkit.medical.profiles import volume_suv_factor
from datprl_toolkit.restoring.checks import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt
    from pydicom.dataset import Dataset

    from datprl_toolkit.medical.matching import SeriesPair
    from datprl_toolkit.medical.pixels import StoredArray
    from datprl_toolkit.medical.volume import Slice

LARGEST_SHIFT = 1e-4  # mm
LARGEST_TURN = 1e-6  # of a direction cosine
LARGEST_SUV_CHANGE = 1e-6  # relative
WRITTEN_DIGITS = 1e-5  # relative: the window is written with six digits
DECAY_KEYWORDS = (
    "SeriesDate",
    "SeriesTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "DecayCorrection",
    "DecayCorrectionDateTime",
    "Units",
)


def check_geometry(pair: SeriesPair) -> list[Check]:
    """Check number, position, orientation and spacing of the slices (PS3.3 C.7.6.2)."""
    before, after = pair.before.slices, pair.after.slices
    number, made = len(pair.before_series.volume.slices), len(pair.after_series.volume.slices)
    moved = [np.linalg.norm(np.subtract(a.geometry.position, b.geometry.position)) for b, a in _pairs(before, after)]
    turned = [
        np.abs(np.subtract(a.geometry.orientation, b.geometry.orientation)).max() for b, a in _pairs(before, after)
    ]
    spaced = [np.abs(np.subtract(a.geometry.spacing, b.geometry.spacing)).max() for b, a in _pairs(before, after)]
    shift, turn, spacing = float(np.max(moved)), float(np.max(turned)), float(np.max(spaced))
    rows, columns = after[0].geometry.spacing
    return [
        Check("Number of slices", number == made, f"{number} before, {made} after"),
        Check("Position of every slice", shift <= LARGEST_SHIFT, f"largest difference {shift:.2g} mm"),
        Check("Orientation of every slice", turn <= LARGEST_TURN, f"largest difference of a cosine {turn:.2g}"),
        Check(
            "Pixel spacing",
            spacing <= LARGEST_SHIFT,
            f"{rows:.6g} x {columns:.6g} mm, largest difference {spacing:.2g} mm",
        ),
        _check_distance(before, after),
    ]


def _check_distance(before: Sequence[Slice], after: Sequence[Slice]) -> Check:
    name = "Distance between slices"
    if len(before) < 2:
        return Check(name, None, "a single slice has no neighbour")
    gaps = [np.diff(distances([image.geometry for image in images])) for images in (before, after)]
    change = float(np.abs(gaps[1] - gaps[0]).max())
    return Check(
        name, change <= LARGEST_SHIFT, f"median {np.median(gaps[1]):.6g} mm, largest difference {change:.2g} mm"
    )


def _pairs(before: Sequence[Slice], after: Sequence[Slice]) -> list[tuple[Slice, Slice]]:
    return list(zip(before, after, strict=True))


def check_headers(pair: SeriesPair) -> list[Check]:
    """Check that a restored series stays in its study, has an identity of its own, and says what it is."""
    headers = _Headers(pair)
    total = len(headers.after)
    same_study = headers.count(lambda b, a: _same(b, a, "StudyInstanceUID"))
    same_frame = headers.count(lambda b, a: _same(b, a, "FrameOfReferenceUID"))
    new = headers.count(lambda b, a: not (_same(b, a, "SOPInstanceUID") or _same(b, a, "SeriesInstanceUID")))
    derived = headers.count(lambda b, a: header.texts(a, "ImageType")[:1] == ("DERIVED",))
    checks = [
        Check("Frame of reference", same_frame == total, f"the same in {same_frame} of {total} files"),
        Check("Study", same_study == total, f"the same in {same_study} of {total} files"),
        Check("Identity of its own", new == total, f"new series and image identifiers in {new} of {total} files"),
        Check("Labelled as derived", derived == total, f"Image Type begins with DERIVED in {derived} of {total} files"),
        Check(
            "Source of every slice named",
            pair.linked == len(pair.after.slices),
            f"{pair.linked} of {len(pair.after.slices)} slices name the slice they were made from",
        ),
    ]
    if pair.before.modality == "PT":
        kept = headers.count(lambda b, a: all(_same(b, a, keyword) for keyword in DECAY_KEYWORDS))
        checks.append(Check("Times of decay correction", kept == total, f"as in the source in {kept} of {total} files"))
    return checks


class _Headers:
    """The headers of the files of both series, each read once."""

    def __init__(self, pair: SeriesPair) -> None:
        places = dict.fromkeys((b.path, a.path) for b, a in _pairs(pair.before.slices, pair.after.slices))
        self.before = [classic_header(header.read_dataset(path, pixels=False)) for path, _ in places]
        self.after = [classic_header(header.read_dataset(path, pixels=False)) for _, path in places]

    def count(self, holds: Callable[[Dataset, Dataset], bool]) -> int:
        return sum(holds(before, after) for before, after in zip(self.before, self.after, strict=True))


def _same(before: Dataset, after: Dataset, keyword: str) -> bool:
    return header.texts(before, keyword) == header.texts(after, keyword)


def check_suv(pair: SeriesPair) -> tuple[float | None, list[Check]]:
    """Return the factor from activity to SUV by body weight, if there is one, and whether it is the same after."""
    if pair.before.modality != "PT":
        return None, []
    name = "SUV factor"
    try:
        before = volume_suv_factor(pair.before, pair.before_series.earliest)
        after = volume_suv_factor(pair.after, pair.after_series.earliest)
    except DatprlError as error:
        return None, [Check(name, None, f"it cannot be computed: {error.what}")]
    change = abs(after / before - 1.0)
    found = f"{before:.8g} before, {after:.8g} after, in g/ml per {pair.before.unit}"
    return before, [Check(name, change <= LARGEST_SUV_CHANGE, found)]


class PixelChecks:
    """Collects, slice after slice, whether what must not change has not changed.

    Parameters
    ----------
    pair
        The series.
    window
        Lower and upper end of the intensity window in the unit of the volume, outside which nothing may change;
        None where nobody knows it.
    exact
        Whether activity, too, is stored with one rescale for all slices, so that every bit can be compared.
    """

    def __init__(self, pair: SeriesPair, window: tuple[float, float] | None, *, exact: bool = False) -> None:
        self._pair = pair
        self._window = window
        self._activity = pair.before.modality == "PT" and not exact
        self._outside = self._outside_changed = 0
        self._padding = self._padding_changed = 0
        self._largest = 0.0  # change outside the window, in steps of the stored values where these were made anew
        self._negative = 0
        self._rescaled = 0
        self._steps: list[float] = []

    def add(self, index: int, before: StoredArray, after: StoredArray) -> None:
        """Look at one slice, by its place in the pair and its stored values."""
        source, result = self._pair.before.slices[index], self._pair.after.slices[index]
        physical, restored = source.rescale.to_physical(before), result.rescale.to_physical(after)
        padding = source.pixel_format.padding_mask(before)
        self._rescaled += source.rescale != result.rescale
        self._steps.append(abs(result.rescale.slope))
        changed = self._changed(before, after, physical, restored, result)
        self._padding += int(padding.sum())
        self._padding_changed += int((changed & padding).sum())
        self._negative += int(((restored < 0) & (physical >= 0) & ~padding).sum())
        if self._window is not None:
            outside = self._outside_window(physical) & ~padding
            self._outside += int(outside.sum())
            self._outside_changed += int((changed & outside).sum())
            if outside.any():
                self._largest = max(self._largest, float(np.abs(restored - physical)[outside].max()))

    def _changed(
        self,
        before: StoredArray,
        after: StoredArray,
        physical: npt.NDArray[np.float64],
        restored: npt.NDArray[np.float64],
        result: Slice,
    ) -> npt.NDArray[np.bool_]:
        """Return which values are not those of the source, but for what storing them has to round."""
        if not self._activity:
            return np.not_equal(before, after)
        # An activity slice gets a slope of its own; half a step of it is what rounding may change.
        return np.greater(np.abs(restored - physical), 0.501 * result.step)

    def _outside_window(self, physical: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        low, high = self._window or (-np.inf, np.inf)
        margin = WRITTEN_DIGITS * max(abs(low), abs(high))
        outside: npt.NDArray[np.bool_] = (physical < low - margin) | (physical > high + margin)
        return outside

    def checks(self) -> list[Check]:
        """Return what was found."""
        return [self._check_outside(), *self._check_padding(), self._check_rescale(), *self._check_activity()]

    def _check_outside(self) -> Check:
        unit = self._pair.before.unit
        name = "Pixels outside the window untouched"
        if self._window is None:
            return Check(name, None, "the restored series does not say which window was used")
        low, high = self._window
        place = f"{self._outside:,} pixels outside {low:g} to {high:g} {_unit(unit)}"
        how = "differ by more than half a stored step" if self._activity else "differ in a bit"
        found = f"{self._outside_changed:,} of {place} {how}; largest difference {self._largest:.3g} {_unit(unit)}"
        return Check(name, self._outside_changed == 0, found)

    def _check_padding(self) -> list[Check]:
        if not self._padding or self._activity:
            return []
        found = f"{self._padding_changed:,} of {self._padding:,} padding pixels differ in a bit"
        return [Check("Padding untouched", self._padding_changed == 0, found)]

    def _check_rescale(self) -> Check:
        total, unit = len(self._steps), _unit(self._pair.before.unit)
        if self._activity:
            largest = max(self._steps)
            found = f"each of {total} slices has a slope above 0; the coarsest stored step is {largest:.3g} {unit}"
            return Check("Rescale of every slice", min(self._steps) > 0, found)
        found = f"slope and intercept as in the source in {total - self._rescaled} of {total} slices"
        return Check("Rescale of every slice", self._rescaled == 0, found)

    def _check_activity(self) -> list[Check]:
        if not self._activity:
            return []
        found = f"{self._negative:,} pixels became negative"
        return [Check("No negative activity made", self._negative == 0, found)]


def _unit(unit: str) -> str:
    return "(arbitrary units)" if unit == "1" else unit
