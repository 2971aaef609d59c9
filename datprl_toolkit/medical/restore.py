"""The walk of a DICOM series: read, choose, map, context, restore, map back, write."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.files import check_absent, check_apart, staged_folder
from datprl_toolkit.medical.choose import check_task, choose_series, scan_warnings
from datprl_toolkit.medical.derive import DerivedSeries, free_series_number
from datprl_toolkit.medical.enlarging import enlarge_volume
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.header_notes import read_notes, source_lines
from datprl_toolkit.medical.multiframe_writing import MultiframeWriter
from datprl_toolkit.medical.opening import series_of
from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.previews import compare_slice
from datprl_toolkit.medical.profiles import check_ct_window, choose_profile
from datprl_toolkit.medical.provenance import Provenance, time_of_making
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.write import SeriesWriter
from datprl_toolkit.restoring import Comparison, Outcome, Progress, ProgressCallback, silent
from datprl_toolkit.restoring.stack import StackRestorer, batch_length

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.survey import Survey
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.restoring import Restorer

DEFAULT_OPTIONS = DicomOptions()


def restore_dicom(
    source: Path,
    destination: Path,
    restorer: Restorer,
    options: DicomOptions = DEFAULT_OPTIONS,
    progress: ProgressCallback = silent,
) -> Outcome:
    """Restore a CT, MR or PET series and write it as a new, derived series.

    Parameters
    ----------
    source
        A folder (read with its subfolders), a DICOM file, or a DICOMDIR.
    destination
        Folder for the new series; it appears when everything is written.
    restorer
        Network with weights that were trained for the modality.
    options
        See :class:`~datprl_toolkit.medical.options.DicomOptions`.
    progress
        Told after each slice; an exception that it raises cancels the job.

    Returns
    -------
    Outcome with the middle slice, and for PET the hottest, before and after, in HU, Bq/ml, SUV or stored units.

    Raises
    ------
    DatprlError
        With the codes that :mod:`datprl_toolkit.errors` explains; nothing is left behind.
    """
    check_absent(destination, overwrite=options.overwrite)
    check_apart(source, destination)
    found = scan(source)
    chosen = choose_series(group_series(found.instances), found, options, source)
    warnings = scan_warnings(found, chosen, options)
    done: list[_Restored] = []
    with _staged(destination, options) as (folder, maps):
        job = _Job(restorer, options, time_of_making(), set(found.series_numbers), progress, maps)
        for series in chosen:
            place = folder / _folder_name(series) if options.all_series else folder
            restored = _restore_or_skip(series, place, job, warnings)
            if restored is not None:
                done.append(restored)
        if not done:
            raise InputError(ErrorCode.EMPTY, f"no series was left to restore; {warnings[-1]}", where=source)
    return _outcome(destination, done, warnings)


def restore_volume(
    volume: Volume,
    destination: Path,
    restorer: Restorer,
    options: DicomOptions = DEFAULT_OPTIONS,
    progress: ProgressCallback = silent,
) -> Outcome:
    """Restore one volume that was read before, as :func:`restore_dicom` does with what it finds under a path.

    Raises
    ------
    DatprlError
        As :func:`restore_dicom`.
    """
    check_absent(destination, overwrite=options.overwrite)
    for path in {image.path for image in volume.slices}:
        check_apart(path, destination)
    taken = set() if volume.series_number is None else {volume.series_number}
    with _staged(destination, options) as (folder, maps):
        job = _Job(restorer, options, time_of_making(), taken, progress, maps)
        restored = _restore_series(series_of(volume), folder, job)
    return _outcome(destination, [restored], [])


@contextmanager
def _staged(destination: Path, options: DicomOptions) -> Iterator[tuple[Path, Path | None]]:
    """Give temporary folders for the series and, if they are wanted, for the maps of uncertainty."""
    with ExitStack() as stack:
        folder = stack.enter_context(staged_folder(destination, overwrite=options.overwrite, recognised=True))
        maps = options.uncertainty
        if maps is not None:
            maps = stack.enter_context(staged_folder(maps, overwrite=options.overwrite, recognised=True))
        yield folder, maps


@dataclass(frozen=True, slots=True)
class _Job:
    """What all series of one call share; `taken` grows with each new series number."""

    restorer: Restorer
    options: DicomOptions
    created: datetime
    taken: set[int]
    progress: ProgressCallback
    maps: Path | None


@dataclass(frozen=True, slots=True)
class _Restored:
    """One series that was written."""

    slices: int
    warnings: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def _outcome(destination: Path, done: list[_Restored], warnings: list[str]) -> Outcome:
    """Put together what all series of the job gave."""
    slices = sum(restored.slices for restored in done)
    summary = f"{slices} slices restored" + (f" in {len(done)} series" if len(done) > 1 else "")
    lines = (*warnings, *(line for restored in done for line in restored.warnings))
    return Outcome(destination, summary, lines, tuple(each for restored in done for each in restored.comparisons))


def _folder_name(series: Series) -> str:
    """Return a name for the subfolder of one of several series, from characters that every system takes."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", series.volume.description).strip("_")[:40]
    return "_".join(filter(None, (f"{series.index:02d}", series.volume.modality, words)))


def _restore_or_skip(series: Series, folder: Path, job: _Job, warnings: list[str]) -> _Restored | None:
    """Restore one series; where errors are skipped among several, say what is wrong with it instead."""
    try:
        return _restore_series(series, folder, job)
    except DatprlError as error:
        if not (job.options.skip_errors and job.options.all_series) or error.code in (
            ErrorCode.DISK_FULL,
            ErrorCode.OUTPUT,
        ):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        if job.maps is not None:
            shutil.rmtree(job.maps / folder.name, ignore_errors=True)
        warnings.append(f"W_SKIPPED_SERIES: {series.label}: {error}")
        return None


def _restore_series(series: Series, folder: Path, job: _Job) -> _Restored:
    """Take one series from its survey to its files."""
    if series.error is not None:
        raise series.error
    check_task(series, job.restorer.card)
    if not job.options.all_series:
        check_ct_window(job.options.ct_window, series.volume.modality == "CT")
    volume = enlarge_volume(series.volume, job.options.scale)
    found = survey(volume, skip_broken=job.options.skip_errors, progress=job.progress)
    profile, notes = choose_profile(found, series.earliest, job.options.ct_window)
    notes = (*source_lines(series, read_notes(series.volume)), *notes)
    number = free_series_number(series.volume.series_number, job.taken)
    job.taken.add(number)
    provenance = Provenance.of(
        found.volume,
        job.restorer.card,
        profile,
        job.options.strength,
        job.created,
        self_ensemble=job.restorer.self_ensemble,
        arithmetic=job.restorer.arithmetic,
    )
    derived = DerivedSeries(provenance, number, job.options.private)
    folder.mkdir(exist_ok=True)
    open_writer = MultiframeWriter if found.volume.enhanced else SeriesWriter
    writer = open_writer(found.volume, derived, folder)
    comparisons = _restore_slices(found, profile, writer, job)
    if job.maps is not None:
        _write_maps(found, profile, provenance, job, job.maps / folder.name if job.options.all_series else job.maps)
    if writer.overlays_dropped:
        notes = (*notes, "W_OVERLAY: overlays in unused bits of the pixels, or on another grid, were not carried over")
    return _Restored(len(found.volume.slices), (*series.warnings, *found.warnings, *notes), comparisons)


def _write_maps(found: Survey, profile: IntensityProfile, provenance: Provenance, job: _Job, folder: Path) -> None:
    """Write the maps of uncertainty of one series, as a series of their own."""
    from datprl_toolkit.medical.uncertainty import write_uncertainty

    number = free_series_number(found.volume.series_number, job.taken)
    job.taken.add(number)
    folder.mkdir(exist_ok=True)
    write_uncertainty(found.volume, profile, job.restorer, provenance, number, folder, job.progress)


def _restore_slices(
    found: Survey, profile: IntensityProfile, writer: SeriesWriter | MultiframeWriter, job: _Job
) -> tuple[Comparison, ...]:
    """Restore and write all slices in batches, under one context; return those that a person should look at."""
    volume = found.volume
    total = len(volume.slices)
    shown = _slices_to_show(found)
    kept: dict[int, Comparison] = {}
    stack = StackRestorer.of_volume(
        lambda index: volume.slices[index].read(),
        total,
        job.restorer,
        profile,
        strength=job.options.strength,
        inverted=volume.inverted,
        progress=job.progress,
    )
    size = batch_length(*volume.shape[1:])
    for start in range(0, total, size):
        indices = range(start, min(start + size, total))
        stored = [volume.slices[index].read_stored() for index in indices]
        original = np.stack([volume.slices[i].rescale.to_physical(s) for i, s in zip(indices, stored, strict=True)])
        restored = stack.restore(original)
        for place, index in enumerate(indices):
            padding = volume.slices[index].pixel_format.padding_mask(stored[place])
            result = np.where(padding, original[place], restored[place])
            written = writer.write(index, stored[place], original[place], result)
            if index in shown:
                kept[index] = compare_slice(original[place], written, profile, f"{shown[index]} {index + 1} of {total}")
            job.progress(Progress("restoring", index + 1, total, "slices"))
    writer.finish()
    return tuple(kept[index] for index in shown)


def _slices_to_show(found: Survey) -> dict[int, str]:
    """Return the indices of the slices to look at, each with its name."""
    shown = {len(found.volume.slices) // 2: "slice"}
    if found.volume.modality == "PT":
        shown.setdefault(int(np.argmax(found.maxima)), "hottest slice")
    return shown
