"""A report: a table of figures with a label for each row, which can be kept, joined and read back."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "datprl-report-1"


@dataclass(frozen=True, slots=True)
class Report:
    """A table of figures.

    Parameters
    ----------
    title
        What was measured, without patient data or paths.
    columns
        What each figure is, with its unit: ``"PSNR [dB]"``.
    rows
        A label and one figure for each column; NaN where there is none.
    notes
        Lines that a reader must know.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for label, figures in self.rows:
            if len(figures) != len(self.columns):
                raise OptionError(
                    ErrorCode.OPTION, f"row '{label}' has {len(figures)} figures for {len(self.columns)} columns"
                )

    def mean(self, column: str) -> float:
        """Return the mean of a column over the rows that have a figure in it; NaN if none has."""
        place = self.columns.index(column)
        figures = [row[place] for _, row in self.rows if not math.isnan(row[place])]
        return sum(figures) / len(figures) if figures else math.nan

    def only_means(self) -> Report:
        """Return the report with one row: the means of the columns."""
        means = tuple(self.mean(column) for column in self.columns)
        return Report(self.title, self.columns, ((f"mean of {len(self.rows)}", means),), self.notes)

    def to_csv(self) -> str:
        """Return the table as CSV with a line of headings (RFC 4180)."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["", *self.columns])
        writer.writerows([label, *map(repr, row)] for label, row in self.rows)
        return text.getvalue()

    def to_json(self) -> str:
        """Return the report as JSON; figures that JSON cannot write are words: ``"inf"``, ``"nan"``."""
        rows = [{"label": label, "figures": [_plain(figure) for figure in row]} for label, row in self.rows]
        content = {"format": FORMAT, "title": self.title, "columns": self.columns, "rows": rows, "notes": self.notes}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: object = None) -> Report:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        InputError
            ``E_UNKNOWN_FORMAT`` if it is anything else.
        """
        try:
            content = json.loads(text)
            known = content["format"] == FORMAT
            rows = tuple((str(row["label"]), tuple(map(float, row["figures"]))) for row in content["rows"])
            report = cls(content["title"], tuple(content["columns"]), rows, tuple(content["notes"]))
        except (ValueError, KeyError, TypeError) as error:
            raise _no_report(where) from error
        if not known:
            raise _no_report(where)
        return report


def join_reports(reports: Sequence[Report], title: str, labels: Sequence[str] | None = None) -> Report:
    """Put the rows of reports of one kind into one table.

    Parameters
    ----------
    reports
        With the same columns.
    title
        Of the new report.
    labels
        What stands before the labels of each report's rows; None for nothing.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there are none, or their columns differ.
    """
    if not reports:
        raise OptionError(ErrorCode.OPTION, "there are no reports to join")
    if len({report.columns for report in reports}) > 1:
        raise OptionError(
            ErrorCode.OPTION, "reports with different columns cannot be joined", remedy="Join those of one kind"
        )
    prefixes = [""] * len(reports) if labels is None else [f"{label}: " for label in labels]
    rows = tuple(
        (f"{prefix}{label}", row)
        for prefix, report in zip(prefixes, reports, strict=True)
        for label, row in report.rows
    )
    notes = tuple(dict.fromkeys(note for report in reports for note in report.notes))
    return Report(title, reports[0].columns, rows, notes)


def _plain(figure: float) -> float | str:
    return float(figure) if math.isfinite(figure) else repr(float(figure))


def _no_report(where: object) -> InputError:
    return InputError(ErrorCode.UNKNOWN_FORMAT, "the content is no report of this toolkit", where=where)
