"""The walk of a DICOM series: read, choose, map, context, restore, map back, write."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.files import check_absent, check_apart, staged_folder
from datprl_toolkit.medical.choose import check_task, choose_series, scan_warnings
from datprl_toolkit.medical.derive import DerivedSeries, free_series_number
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.multiframe_writing import MultiframeWriter
from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.profiles import choose_profile
from datprl_toolkit.medical.provenance import Provenance
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.write import SeriesWriter
from datprl_toolkit.restoring import Comparison, Outcome, Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.survey import Survey
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.restoring import Context, Restorer

CONTEXT_SLICES = 8
BATCH_PIXELS = 8 * 512 * 512
LARGEST_BATCH = 32
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
    job = _Job(restorer, options, datetime.now(), set(found.series_numbers), progress)
    done: list[_Restored] = []
    with staged_folder(destination, overwrite=options.overwrite) as folder:
        for series in chosen:
            place = folder / _folder_name(series) if options.all_series else folder
            restored = _restore_or_skip(series, place, job, warnings)
            if restored is not None:
                done.append(restored)
        if not done:
            raise InputError(ErrorCode.EMPTY, f"no series was left to restore; {warnings[-1]}", where=source)
    return _outcome(destination, done, warnings)


@dataclass(frozen=True, slots=True)
class _Job:
    """What all series of one call share; `taken` grows with each new series number."""

    restorer: Restorer
    options: DicomOptions
    created: datetime
    taken: set[int]
    progress: ProgressCallback


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
        warnings.append(f"W_SKIPPED_SERIES: {series.label}: {error}")
        return None


def _restore_series(series: Series, folder: Path, job: _Job) -> _Restored:
    """Take one series from its survey to its files."""
    if series.error is not None:
        raise series.error
    check_task(series, job.restorer.card)
    found = survey(series.volume, skip_broken=job.options.skip_errors, progress=job.progress)
    profile, notes = choose_profile(found, series.earliest)
    number = free_series_number(series.volume.series_number, job.taken)
    job.taken.add(number)
    provenance = Provenance.of(found.volume, job.restorer.card, profile, job.options.strength, job.created)
    derived = DerivedSeries(provenance, number, job.options.private)
    folder.mkdir(exist_ok=True)
    open_writer = MultiframeWriter if found.volume.enhanced else SeriesWriter
    writer = open_writer(found.volume, derived, folder)
    comparisons = _restore_slices(found, profile, writer, job)
    if writer.overlays_dropped:
        notes = (*notes, "W_OVERLAY: overlays inside the unused bits of the pixels were not carried over")
    return _Restored(len(found.volume.slices), (*series.warnings, *found.warnings, *notes), comparisons)


def _restore_slices(
    found: Survey, profile: IntensityProfile, writer: SeriesWriter | MultiframeWriter, job: _Job
) -> tuple[Comparison, ...]:
    """Restore and write all slices in batches, under one context; return those that a person should look at."""
    volume = found.volume
    total = len(volume.slices)
    shown = _slices_to_show(found)
    kept: dict[int, Comparison] = {}
    context = None if job.options.strength == 0 else _volume_context(volume, profile, job)
    size = max(1, min(LARGEST_BATCH, BATCH_PIXELS // (volume.shape[1] * volume.shape[2])))
    for start in range(0, total, size):
        indices = range(start, min(start + size, total))
        stored = [volume.slices[index].read_stored() for index in indices]
        original = np.stack([volume.slices[i].rescale.to_physical(s) for i, s in zip(indices, stored, strict=True)])
        restored = _restore_values(original, volume, profile, job, context)
        for place, index in enumerate(indices):
            padding = volume.slices[index].pixel_format.padding_mask(stored[place])
            result = np.where(padding, original[place], restored[place])
            written = writer.write(index, stored[place], original[place], result)
            if index in shown:
                kept[index] = _compare(original[place], written, profile, f"{shown[index]} {index + 1} of {total}")
            job.progress(Progress("restoring", index + 1, total, "slices"))
    writer.finish()
    return tuple(kept[index] for index in shown)


def _volume_context(volume: Volume, profile: IntensityProfile, job: _Job) -> Context:
    """Return one context for all slices, from a sample spread over the volume, so that slices do not flicker."""
    sample = volume.sample(CONTEXT_SLICES)
    job.progress(Progress("sampling context", 0, len(sample), "slices"))
    images = np.stack([_network_input(profile.to_unit(image.read()), volume) for image in sample])
    context = job.restorer.context(images[:, None])
    job.progress(Progress("sampling context", len(sample), len(sample), "slices"))
    return context


def _restore_values(
    original: npt.NDArray[np.float64],
    volume: Volume,
    profile: IntensityProfile,
    job: _Job,
    context: Context | None,
) -> npt.NDArray[np.float64]:
    """Return restored physical values of a batch, (N, rows, columns)."""
    if context is None:
        return original
    before = profile.to_unit(original)
    output = job.restorer.restore_batch(_network_input(before, volume)[:, None], context)[:, 0]
    return profile.apply(original, before, _network_input(output, volume), strength=job.options.strength)


def _network_input(unit_values: npt.NDArray[np.float32], volume: Volume) -> npt.NDArray[np.float32]:
    """Turn MONOCHROME1 values round for the network, and back; its own inverse.

    Only where the values have no unit: Hounsfield units and activity mean the same however they are shown.
    """
    if volume.slices[0].pixel_format.inverted and volume.unit == "1":
        return np.float32(1.0) - unit_values
    return unit_values


def _slices_to_show(found: Survey) -> dict[int, str]:
    """Return the indices of the slices to look at, each with its name."""
    shown = {len(found.volume.slices) // 2: "slice"}
    if found.volume.modality == "PT":
        shown.setdefault(int(np.argmax(found.maxima)), "hottest slice")
    return shown


def _compare(
    original: npt.NDArray[np.float64], written: npt.NDArray[np.float64], profile: IntensityProfile, title: str
) -> Comparison:
    before, after = original.astype(np.float32), written.astype(np.float32)
    # A PET window ends far above what most slices hold.
    high = min(profile.high, max(float(before.max()), profile.low + 0.05 * profile.width))
    return Comparison(before, after, profile.low, high, profile.unit, title)
