"""What is under a path of DICOM: every volume, how it would be restored, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical.choose import choose_series
from datprl_toolkit.medical.grouping import SAME_ORIENTATION, group_series
from datprl_toolkit.medical.header_notes import read_notes, source_lines
from datprl_toolkit.medical.inspection_facts import (
    context_fact,
    output_fact,
    profile_fact,
    range_fact,
    volume_facts,
    weights_fact,
)
from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.other_readers import (
    LOWEST_HOUNSFIELD,
    foretell,
    instance_order,
    mixed_folder,
)
from datprl_toolkit.medical.pixels import check_decoder
from datprl_toolkit.medical.profiles import choose_profile, volume_suv_factors
from datprl_toolkit.medical.quantity import SUV_UNITS, SuvType
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import Survey, ValueCount
from datprl_toolkit.restoring.inspection import Fact, Finding, Inspected, Inspection, merged
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.header_notes import SeriesNotes
    from datprl_toolkit.medical.volume import Volume

SLICES_NAMED = 8
SQUARE_TOLERANCE = 1e-6
SUV_WORDS: dict[SuvType, tuple[str, str, str]] = {
    "BW": ("suv_factor", "SUV", "body weight"),
    "LBMJANMA": ("sul_factor", "SUL", "lean body mass, Janmahasatian"),
    "LBMJAMES128": ("sul_james_factor", "SUL James", "lean body mass, James"),
    "BSA": ("suv_bsa_factor", "SUV BSA", "body surface area, Du Bois"),
}


def inspect_dicom(source: Path, *, quick: bool = False, progress: ProgressCallback = silent) -> Inspection:
    """Describe every volume under a path.

    Nothing about the patient is told: no name, identifier or date, and no unique identifier.

    Parameters
    ----------
    source
        A folder (read with its subfolders), a DICOM file, or a DICOMDIR.
    quick
        Read headers alone. What depends on the values is then left out: the window of MR, empty slices, damaged
        pixels.
    progress
        Told after each slice.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.restore.restore_dicom` if there is no volume at all.
    """
    found = scan(source)
    listed = group_series(found.instances)
    if not listed:
        choose_series(listed, found, DicomOptions(), source)
    items = tuple(_inspect(series, listed, source, quick, progress) for series in listed)
    problems = merged([Finding.of_error(problem.error, source) for problem in found.problems])
    return Inspection(source, items, problems, dict(sorted(found.skipped.items())))


def _inspect(series: Series, listed: list[Series], root: Path, quick: bool, progress: ProgressCallback) -> Inspected:
    volume = series.volume
    notes = read_notes(volume)
    decoded = _decode(volume, notes, root, quick, progress)
    treatment, obstacles = _treatment(series, decoded, root)
    unusual = [*map(Finding.of_line, series.warnings), *_unusual(series, listed, notes, decoded)]
    codes = {line.split(":")[0] for line in series.warnings}
    other_readers = (
        *foretell(
            volume,
            notes,
            duplicates="W_DUPLICATE" in codes or (series.error is not None and series.error.code == "E_DUPLICATE"),
            values=(min(decoded.minima), max(decoded.maxima)) if decoded.maxima else None,
            earliest=series.earliest,
        ),
        *mixed_folder(len(_identifiers_beside(volume, listed)), _orientations(volume, listed)),
    )
    slices, rows, columns = volume.shape
    facts = volume_facts(volume, notes)
    if decoded.maxima:
        facts.append(range_fact(decoded.minima, decoded.maxima, volume.unit))
    return Inspected(
        number=series.index,
        kind="dicom",
        title=f"{volume.modality} '{notes.description or 'no description'}', {slices} slices of {columns} x {rows}",
        restorable=not any(finding.severity == "error" for finding in obstacles),
        facts=tuple(facts),
        treatment=treatment,
        problems=tuple(sorted((*obstacles, *unusual), key=lambda finding: finding.severity != "error")),
        other_readers=other_readers,
    )


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What the pixels say; where they were not looked at, `survey` has counted no value and the rest is empty."""

    survey: Survey
    minima: tuple[float, ...]
    maxima: tuple[float, ...]
    empty: tuple[int, ...]
    broken: tuple[Finding, ...]


def _decode(volume: Volume, notes: SeriesNotes, root: Path, quick: bool, progress: ProgressCallback) -> _Decoded:
    """Decode every slice, and go on where one cannot be decoded."""
    if quick:
        return _Decoded(Survey(volume, ValueCount(), (), ()), (), (), (), _missing_decoders(volume, notes, root))
    values, minima, maxima, empty, kept, broken = ValueCount(), [], [], [], [], []
    for index, image in enumerate(volume.slices):
        try:
            stored = image.read_stored()
        except DatprlError as error:
            broken.append(Finding.of_error(error, root))
            continue
        finally:
            progress(Progress("reading", index + 1, len(volume.slices), "slices"))
        physical = image.rescale.to_physical(stored[~image.pixel_format.padding_mask(stored)])
        kept.append(image)
        if physical.size:
            minima.append(float(physical.min()))
            maxima.append(float(physical.max()))
        if physical.size == 0 or physical.min() == physical.max():
            empty.append(index)
        if volume.modality != "CT":
            values.add(physical)
    survey = Survey(replace(volume, slices=tuple(kept)) if kept else volume, values, tuple(maxima), ())
    return _Decoded(survey, tuple(minima), tuple(maxima), tuple(empty), merged(broken))


def _missing_decoders(volume: Volume, notes: SeriesNotes, root: Path) -> tuple[Finding, ...]:
    found = []
    for image, note in zip(volume.slices, notes.slices, strict=False):
        try:
            check_decoder(note.syntax, image.path)
        except DatprlError as error:
            found.append(Finding.of_error(error, root))
    return merged(found)


def _treatment(series: Series, decoded: _Decoded, root: Path) -> tuple[tuple[Fact, ...], list[Finding]]:
    """Return how a volume would be restored, and what keeps it from that or makes it unusual."""
    volume = series.volume
    problems = [*decoded.broken] if series.error is None else [Finding.of_error(series.error, root), *decoded.broken]
    facts = []
    factors = volume_suv_factors(volume, series.earliest) if volume.modality == "PT" else {}
    if decoded.maxima or volume.modality == "CT" or factors:
        try:
            profile, warnings = choose_profile(decoded.survey, series.earliest)
        except DatprlError as error:
            problems.append(Finding.of_error(error, root))
        else:
            problems.extend(map(Finding.of_line, warnings))
            facts.append(profile_fact(profile))
    else:
        facts.append(Fact("profile", "window", "from all values of the volume, which were not looked at", None))
    facts += [_suv_fact(suv_type, factor, volume.unit) for suv_type, factor in factors.items()]
    return (*facts, context_fact(volume), output_fact(volume), weights_fact(volume)), problems


def _suv_fact(suv_type: SuvType, factor: float, unit: str) -> Fact:
    key, label, spread = SUV_WORDS[suv_type]
    return Fact(key, label, f"1 {unit} = {factor:.6g} {SUV_UNITS[suv_type]} ({spread})", factor)


def _unusual(series: Series, listed: list[Series], notes: SeriesNotes, decoded: _Decoded) -> Iterator[Finding]:
    """Return what is restored as it should be, but not as many would expect."""
    volume = series.volume
    yield from _unusual_values(volume, decoded)
    yield from _unusual_order(volume, listed, notes, collided=series.error is not None)
    height, width = volume.slices[0].geometry.spacing
    if abs(height - width) > SQUARE_TOLERANCE * width:
        text = f"pixels are not square ({width:g} x {height:g} mm); they are restored as they are, not resampled"
        yield Finding("W_PIXEL_SHAPE", text)
    if any(note.lossy for note in notes.slices):
        yield Finding("W_LOSSY", "the source was compressed with loss, and the result stays marked so")
    if notes.burned_in:
        text = "Burned In Annotation says that the pixels show text, which may name the patient"
        yield Finding("W_BURNED_IN", text)
    yield from map(Finding.of_line, source_lines(series, notes))


def _unusual_values(volume: Volume, decoded: _Decoded) -> Iterator[Finding]:
    if len({(image.rescale.slope, image.rescale.intercept) for image in volume.slices}) > 1:
        text = "every slice has a rescale of its own, which is applied to it alone"
        yield Finding("W_EACH_SLICE_RESCALE", text)
    if decoded.empty:
        yield Finding("W_EMPTY_SLICE", f"a single value or padding alone in {_places(decoded.empty)}")
    lowest = min(decoded.minima, default=0.0)
    if volume.unit == "HU" and lowest < LOWEST_HOUNSFIELD:
        text = (
            f"values down to {lowest:g} HU are less than air has and are not marked as padding; they lie outside the "
            "window and stay identical"
        )
        yield Finding("W_UNMARKED_PADDING", text)


def _unusual_order(volume: Volume, listed: list[Series], notes: SeriesNotes, *, collided: bool) -> Iterator[Finding]:
    numbers = [note.instance_number for note in notes.slices]
    if not volume.enhanced and None in numbers:
        yield Finding("W_INSTANCE_NUMBER", "some slices have no Instance Number; the positions order them")
    elif not volume.enhanced and not collided and instance_order(notes) is not None:
        text = "Instance Numbers do not follow the positions; the positions order the slices"
        yield Finding("W_INSTANCE_NUMBER", text)
    beside = sum(other.volume.series_instance_uid == volume.series_instance_uid for other in listed)
    if beside > 1:
        text = (
            f"one series identifier covers {beside} volumes here that differ in {_difference(volume, listed)}; each "
            "is restored by itself"
        )
        yield Finding("W_SERIES_SPLIT", text)


def _places(indices: tuple[int, ...]) -> str:
    shown = ", ".join(str(index + 1) for index in indices[:SLICES_NAMED])
    plural = "s" if len(indices) > 1 else ""
    more = f" and {len(indices) - SLICES_NAMED} more" if len(indices) > SLICES_NAMED else ""
    return f"slice{plural} {shown}{more}"


def _orientations(volume: Volume, listed: list[Series]) -> list[tuple[float, ...]]:
    """Return the different orientations of all volumes that share a series identifier with this one."""
    found: list[tuple[float, ...]] = []
    for other in listed:
        mine = other.volume.slices[0].geometry.orientation
        known = any(np.abs(np.array(mine) - np.array(each)).max() < SAME_ORIENTATION for each in found)
        if other.volume.series_instance_uid == volume.series_instance_uid and not known:
            found.append(mine)
    return found


def _difference(volume: Volume, listed: list[Series]) -> str:
    """Say in what the volumes of one series identifier differ."""
    others = [each.volume for each in listed if each.volume.series_instance_uid == volume.series_instance_uid]
    if len(_orientations(volume, listed)) > 1:
        return "orientation"
    if len({each.shape[1:] for each in others}) > 1:
        return "size"
    return "contrast, echo, time or kind of image"


def _identifiers_beside(volume: Volume, listed: list[Series]) -> set[str]:
    """Return the identifiers of all series with a file in the folder of this one."""
    folder = volume.slices[0].path.parent
    return {
        other.volume.series_instance_uid
        for other in listed
        if any(image.path.parent == folder for image in other.volume.slices)
    }
