"""Which of the volumes found are restored, and what is said about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError, WeightsError
from datprl_toolkit.medical.provenance import MODALITY_TASKS, matching_tasks

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.options import DicomOptions
    from datprl_toolkit.medical.reading import Scan
    from datprl_toolkit.weights import WeightsCard

LONGEST_LIST = 20


def choose_series(found: list[Series], scan: Scan, options: DicomOptions, source: Path) -> list[Series]:
    """Return the volumes to restore.

    Raises
    ------
    DatprlError
        The first problem of a file if nothing else is there; ``E_UNSUPPORTED`` or ``E_EMPTY`` if nothing can be
        restored; ``E_AMBIGUOUS`` with a list if there are several and none was chosen; ``E_OPTION`` if the chosen one
        is not there.
    """
    if not found:
        raise _nothing(scan, source)
    if options.all_series:
        return found
    if options.series is not None:
        return [_pick(found, options.series)]
    if len(found) > 1:
        raise _ambiguous(found, source)
    return found


def _nothing(scan: Scan, source: Path) -> DatprlError:
    if scan.problems:
        return scan.problems[0].error
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(scan.skipped.items()))
    if not kinds:
        return InputError(ErrorCode.EMPTY, "no image was found", where=source)
    unreadable = {"file that is not DICOM", "empty file"}
    code = ErrorCode.EMPTY if set(scan.skipped) <= unreadable else ErrorCode.UNSUPPORTED
    return InputError(
        code,
        f"no CT, MR or PET image was found, only {kinds}",
        where=source,
        remedy="Give a folder or file of such images",
    )


def _pick(found: list[Series], wanted: str) -> Series:
    numbered = [series for series in found if str(series.index) == wanted]
    if numbered:
        return numbered[0]
    named = [series for series in found if series.volume.series_instance_uid == wanted]
    if not named:
        listed = "; ".join(series.label for series in found[:LONGEST_LIST])
        raise OptionError(ErrorCode.OPTION, f"there is no series '{wanted}', only {listed}", where="series")
    if len(named) > 1:
        raise _ambiguous(named, "series")
    return named[0]


def _ambiguous(found: list[Series], where: object) -> InputError:
    listed = "; ".join(series.label for series in found[:LONGEST_LIST])
    more = f"; and {len(found) - LONGEST_LIST} more" if len(found) > LONGEST_LIST else ""
    return InputError(
        ErrorCode.AMBIGUOUS,
        f"{len(found)} series were found: {listed}{more}",
        where=where,
        remedy="Choose one with --series NUMBER, or restore them all with --all-series",
    )


def scan_warnings(scan: Scan, chosen: list[Series], options: DicomOptions) -> list[str]:
    """Return a warning for each file that was left out, or raise for one that must not be.

    A broken file stops the job if it belongs to a chosen series or if nobody knows to which it belongs; unless
    errors are skipped.

    Raises
    ------
    DatprlError
        The first such problem.
    """
    wanted = {"", *(series.volume.series_instance_uid for series in chosen)}
    lines = []
    for problem in scan.problems:
        if problem.series_instance_uid in wanted and not options.skip_errors:
            raise problem.error
        lines.append(f"W_SKIPPED_FILE: {problem.error}")
    lines.extend(f"W_SKIPPED_KIND: {count} x {kind}: not restored" for kind, count in sorted(scan.skipped.items()))
    return lines


def check_task(series: Series, card: WeightsCard) -> None:
    """Raise ``E_WEIGHTS_TASK`` unless the weights were trained for the modality of a series."""
    check_modality(series.volume.modality, series.label, card)


def check_modality(modality: str, where: object, card: WeightsCard) -> None:
    """Raise ``E_WEIGHTS_TASK`` unless the weights were trained for "CT", "MR" or "PT"; `where` says for what."""
    if matching_tasks(card, modality):
        return
    known = ", ".join(task.name for task in card.tasks)
    raise WeightsError(
        ErrorCode.WEIGHTS_TASK,
        f"the weights '{card.name}' were not trained for {modality} images, only for {known or 'no named task'}",
        where=where,
        remedy=f"Choose weights with a task that begins with '{MODALITY_TASKS[modality]}_'",
    )
