"""How an inspection is shown: a table on a terminal, one line for each fact in a pipe, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.jobs.inspect import Fact, Finding, Inspected, Inspection, inspect

LABEL_WIDTH = 15
STYLES = {"error": "bold red", "warning": "yellow", "reader": "cyan"}
Row = tuple[str, str, str]
"""Label, text, and the style of the label."""


def run_inspect(source: str, *, as_json: bool, quick: bool) -> None:
    """Inspect `source` and print what was found."""
    with Terminal() as terminal:
        found = inspect(source, quick=quick, progress=terminal.progress if terminal.console.is_terminal else _silent)
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    show(found, Console(highlight=False))


def _silent(_: object) -> None:
    """Tell nobody: in a pipe, what is read is no news."""


def show(found: Inspection, console: Console) -> None:
    """Print what was found, for a person."""
    for item in found.items:
        _print_title(console, f"{item.number}  {item.title}")
        findings = (*item.problems, *item.other_readers)
        width = max(LABEL_WIDTH, *(len(finding.code) for finding in findings), 0)
        _print_rows(console, list(_rows_of(item)), width)
        _print_rows(console, [_finding_row(finding) for finding in item.problems], width, "problems")
        _print_rows(console, [_finding_row(finding) for finding in item.other_readers], width, "other readers")
        console.print()
    if found.problems:
        _print_title(console, "files that are left out")
        _print_rows(console, [_finding_row(finding) for finding in found.problems], LABEL_WIDTH)
        console.print()
    if found.skipped:
        listed = ", ".join(f"{count} x {kind}" for kind, count in found.skipped.items())
        console.print(f"not restored: {listed}", markup=False, soft_wrap=True)
    console.print(_summary(found.items), markup=False, soft_wrap=True)


def _rows_of(item: Inspected) -> Iterator[Row]:
    yield from _fact_rows(item.facts)
    if item.treatment:
        yield "restore", "yes" if item.restorable else "no, see the problems", "bold" if item.restorable else "bold red"
        yield from _fact_rows(item.treatment)
    elif not item.restorable:
        yield "restore", "no, see the problems", "bold red"


def _fact_rows(facts: Sequence[Fact]) -> Iterator[Row]:
    for fact in facts:
        if fact.label:  # others are for programs alone
            yield fact.label, fact.text, "dim"


def _finding_row(finding: Finding) -> Row:
    where = "" if finding.where is None else f" ({finding.where})"
    return finding.code, f"{finding.text}{where}", STYLES[finding.severity]


def _summary(items: Sequence[Inspected]) -> str:
    usable = sum(item.restorable for item in items)
    total = f"{len(items)} found" if len(items) > 1 else "1 found"
    choose = sum(item.kind == "dicom" for item in items) > 1
    how = "; choose a DICOM series with --series NUMBER, or restore them all with --all-series" if choose else ""
    return f"{total}, {usable} can be restored{how}"


def _print_title(console: Console, title: str) -> None:
    console.print(Text(title, style="bold"), soft_wrap=True)


def _print_rows(console: Console, rows: list[Row], width: int, heading: str = "") -> None:
    """Print label and text in two columns; in a pipe no line is broken, so that it can be searched."""
    if not rows:
        return
    if heading:
        console.print(Text(f"   {heading}", style="bold"))
    if not console.is_terminal:
        for label, text, _ in rows:
            console.print(f"   {label:{width}}  {text}", markup=False, soft_wrap=True)
        return
    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(width=1)
    table.add_column(width=width, no_wrap=True)
    table.add_column(overflow="fold")
    for label, text, style in rows:
        table.add_row("", Text(label, style=style), Text(text))
    console.print(table)
