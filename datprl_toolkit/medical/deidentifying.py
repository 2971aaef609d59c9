"""Copies without names of DICOM series that belong together, made by dicognito, with SUV and their links kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError, missing_package
from datprl_toolkit.files import check_absent, check_apart, staged_folder
from datprl_toolkit.medical import header
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.private_tags import filter_private
from datprl_toolkit.medical.profiles import volume_suv_factor
from datprl_toolkit.medical.quantity import GE_GROUP
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydicom.dataset import FileDataset

LEAST_DAYS, MOST_DAYS = 366, 3660
SAME_SUV = 1e-6  # relative


@dataclass(frozen=True, slots=True)
class Deidentified:
    """What was written: a sentence, and a line for each thing that a person has to look at."""

    summary: str
    warnings: tuple[str, ...]


def deidentify(
    sources: Sequence[Path], destination: Path, *, overwrite: bool = False, progress: ProgressCallback = silent
) -> Deidentified:
    """Write copies of DICOM files without the identity of the patient.

    Names, identifiers and dates are replaced alike in all files, so that a source and what was restored from it stay
    linked. Dates move by a random number of whole days and times of day stay, since an injection is often a time
    without a date: so SUV stays what it is, which is checked. Private attributes go, but for Philips' factors to SUV
    and to Bq/ml. Files get new names, in a folder for each source.

    Parameters
    ----------
    sources
        Folders or files of DICOM; give those that belong together in one call.
    destination
        Folder for the copies; it appears when everything is written.
    progress
        Told after each file.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if dicognito is not installed.
    InputError
        ``E_MISSING`` or ``E_EMPTY`` if there is nothing to copy; ``E_QUANTITY`` if SUV would change.
    """
    check_absent(destination, overwrite=overwrite)
    for source in sources:
        check_apart(source, destination)
        if destination.resolve().is_relative_to(source.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                "the output lies inside an input folder",
                where=destination,
                remedy="Choose an output outside",
            )
    files, left_out = [], 0
    for source in sources:
        found, others = _files(source)
        files.append(found)
        left_out += others
    anonymizer = _anonymizer()
    burned = done = 0
    with staged_folder(destination, overwrite=overwrite, recognised=True) as folder:
        for number, (source, found) in enumerate(zip(sources, files, strict=True), start=1):
            target = folder / f"{number:02d}" if len(sources) > 1 else folder
            target.mkdir(exist_ok=True)
            for place, path in enumerate(found, start=1):
                burned += _copy(path, target / f"{place:05d}.dcm", anonymizer)
                done += 1
                progress(Progress("de-identifying", done, sum(map(len, files)), "files"))
            _check_suv(source, target)
    warnings = ["W_FREE_TEXT: descriptions and comments are left as they are; look at them"]
    if left_out:
        warnings.append(f"W_SKIPPED_KIND: {left_out} x file that is not DICOM: not copied")
    if burned:
        warnings.append(f"W_BURNED_IN: {burned} images say that text is burned into their pixels, which stays")
    return Deidentified(f"{done} files de-identified", tuple(warnings))


def _files(source: Path) -> tuple[list[Path], int]:
    """Return the DICOM files under a path, and how many others there are; files without a preamble count as DICOM."""
    if not source.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=source)
    found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    found = [path for path in found if path.name != "DICOMDIR"]
    readable = [path for path in found if _is_dicom(path)]
    if not readable:
        raise InputError(ErrorCode.EMPTY, "no DICOM file was found", where=source)
    return readable, len(found) - len(readable)


def _is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM; one that is and cannot be read fails later, by its name."""
    try:
        header.read_dataset(path, pixels=False)
    except InputError as error:
        return error.code is not ErrorCode.UNKNOWN_FORMAT
    return True


def _anonymizer() -> Any:
    try:
        from dicognito.anonymizer import Anonymizer
        from dicognito.datetimeanonymizer import DateTimeAnonymizer
    except ImportError as error:
        raise missing_package("dicognito", "medical", "to de-identify") from error
    anonymizer = Anonymizer()
    days = LEAST_DAYS + secrets.randbelow(MOST_DAYS - LEAST_DAYS)
    anonymizer.add_element_handler(DateTimeAnonymizer(-24 * days))
    return anonymizer


def _copy(path: Path, target: Path, anonymizer: Any) -> bool:
    """Write one file without identity; return whether it says that text is burned in."""
    dataset = header.read_dataset(path, pixels=True)
    try:
        with header.tolerant_pydicom():
            _drop_private(dataset)
            anonymizer.anonymize(dataset)
            dataset.save_as(target)
    except OSError:
        raise
    except Exception as error:
        raise InputError(
            ErrorCode.CORRUPT, f"the header cannot be de-identified ({type(error).__name__}: {error})", where=path
        ) from error
    return header.text(dataset, "BurnedInAnnotation") == "YES"


def _drop_private(dataset: FileDataset) -> None:
    """Remove private attributes but for factors; GE's own start of the scan is a date, which would stay true."""
    filter_private(dataset, "quant")
    for tag in [tag for tag in list(dataset.keys()) if tag.group == GE_GROUP]:
        del dataset[tag]


def _check_suv(source: Path, copy: Path) -> None:
    """Raise ``E_QUANTITY`` if the factors to SUV of the PET series of a source are not those of its copy."""
    before, after = _suv_factors(source), _suv_factors(copy)
    if len(before) != len(after) or any(
        abs(one / other - 1) > SAME_SUV for one, other in zip(before, after, strict=True)
    ):
        raise InputError(
            ErrorCode.QUANTITY,
            f"the factors to SUV would change from {before} to {after}",
            where=source,
            remedy="De-identify it with a tool of the scanner's manufacturer",
        )


def _suv_factors(path: Path) -> list[float]:
    """Return the factors to SUV of all PET series under a path, in rising order."""
    factors = []
    for series in group_series(scan(path).instances):
        if series.volume.modality == "PT" and series.error is None:
            try:
                factors.append(volume_suv_factor(series.volume, series.earliest))
            except DatprlError:
                continue
    return sorted(factors)
