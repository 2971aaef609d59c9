"""A report from the command line."""

from __future__ import annotations

from pathlib import Path

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.jobs.report import Report, check_apart_from, check_report, make_report, write_report


def run_report(before: Path, after: Path, page: Path, weights: str | None, device: str, *, overwrite: bool) -> None:
    """Write a report and say in one line what it found.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.jobs.report.make_report`.
    """
    check_report(page, overwrite=overwrite)
    for source in (before, after):
        check_apart_from(source, page)
    restorer = None
    if weights is not None:
        from datprl_toolkit.restoring import Restorer

        restorer = Restorer.from_pretrained(weights, device=device)
    elif device != "auto":
        raise OptionError(ErrorCode.OPTION, "--device has no meaning without --weights", remedy="Leave it out")
    with Terminal() as terminal:
        made = make_report(before, after, restorer=restorer, progress=terminal.progress)
        write_report(made, page, overwrite=overwrite)
    terminal.console.print(f"{summary(made)}: {page}", markup=False)


def summary(report: Report) -> str:
    """Return in one line what was compared and how many checks hold."""
    checks = [check for part in report.parts for check in part.checks if check.holds is not None]
    held = sum(check.holds is True for check in checks)
    failed = [check.name for part in report.parts for check in part.failed]
    listed = f", not: {'; '.join(failed)}" if failed else ""
    return f"{report.title}; {held} of {len(checks)} checks hold{listed}"
