"""The quality report of a result: before and after are read back from their files, measured and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.files import check_apart
from datprl_toolkit.jobs.identify import identify
from datprl_toolkit.reports import Report, check_report, write_report
from datprl_toolkit.restoring import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.reports import Part
    from datprl_toolkit.restoring import ProgressCallback, Restorer

__all__ = ["Report", "check_apart_from", "check_report", "make_report", "write_report"]

Facts = tuple[tuple[str, str], ...]
Made = tuple[Facts, "list[Part]", tuple[str, ...]]
"""Facts and warnings that concern all parts, and these."""


def make_report(
    before: str | Path,
    after: str | Path,
    *,
    restorer: Restorer | None = None,
    warnings: Sequence[str] = (),
    progress: ProgressCallback = silent,
) -> Report:
    """Compare a result with what it was made from.

    Everything is read from the files; nothing that the program that wrote them claims is taken for granted.

    Parameters
    ----------
    before, after
        DICOM folders or files, NIfTI files, rasters, pictures or folders of pictures; NIfTI after DICOM as well.
    restorer
        The weights with which it was made: they tell which prompts are chosen; of a DICOM series a few slices are
        restored again, to tell what a context of its own would have done to each slice.
    warnings
        Lines that the job gave, shown at the head.
    progress
        Told after each piece of work; an exception that it raises cancels.

    Returns
    -------
    The report; :func:`write_report` makes a page of it.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if the two do not belong together; else as for restoring.
    """
    first, second = Path(before), Path(after)
    kind, other = identify(first), identify(second)
    if (kind, other) == ("dicom", "nifti"):
        kind = "nifti"  # a series may be written as NIfTI
    if kind != other or first.resolve() == second.resolve():
        what = f"{_NAMES[kind]} before, {_NAMES[other]} after" if kind != other else "both are the same"
        raise InputError(
            ErrorCode.MISMATCH,
            f"the inputs cannot be compared: {what}",
            where=second,
            remedy="Give the original and what was made from it",
        )
    facts, parts, notes = _MAKERS[kind](first, second, restorer, progress)
    title = parts[0].title if len(parts) == 1 else f"{len(parts)} {_NAMES[kind]}"
    return Report(title, facts, tuple(parts), (*warnings, *notes))


def check_apart_from(source: Path, page: Path) -> None:
    """Refuse a page that would replace one of the inputs, or lie inside a folder that is read as input.

    Raises
    ------
    OutputError, OptionError
        ``E_OPTION`` with the one or the other.
    """
    check_apart(source, page)
    if source.is_dir() and page.resolve().is_relative_to(source.resolve()):
        raise OptionError(
            ErrorCode.OPTION,
            "the page lies inside a folder that is read as input",
            where=page,
            remedy="Choose a place outside",
        )


def _series(before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback) -> Made:
    from datprl_toolkit.jobs.report_series import series_facts, series_parts

    pairs, parts = series_parts(before, after, restorer, progress)
    return series_facts(pairs), parts, ()


def _pictures(before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback) -> Made:
    from datprl_toolkit.jobs.report_pictures import picture_parts

    parts, warnings = picture_parts(before, after, restorer, progress)
    return (), parts, warnings


def _scene(before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback) -> Made:
    from datprl_toolkit.jobs.report_scene import scene_part

    facts, part = scene_part(before, after, restorer, progress)
    return facts, [part], ()


def _volume(before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback) -> Made:
    from datprl_toolkit.jobs.report_nifti import nifti_part

    from_dicom = identify(before) == "dicom"
    facts, part = nifti_part(before, after, restorer, progress, before_is_dicom=from_dicom)
    return facts, [part], ()


_MAKERS: dict[str, Callable[[Path, Path, Restorer | None, ProgressCallback], Made]] = {
    "dicom": _series,
    "images": _pictures,
    "raster": _scene,
    "nifti": _volume,
}
_NAMES = {"dicom": "DICOM series", "raster": "raster scenes", "images": "pictures", "nifti": "NIfTI volumes"}
