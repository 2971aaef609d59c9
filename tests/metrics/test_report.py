"""Tables of figures: kept, joined and read back without loss."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.metrics.report import Report, join_reports

FIGURES = st.floats(allow_nan=False)


def table(*rows: tuple[str, tuple[float, ...]]) -> Report:
    return Report("a table", ("PSNR [dB]", "SSIM"), rows, ("a note",))


@given(st.lists(st.tuples(st.text(max_size=8), st.tuples(FIGURES, FIGURES)), max_size=4))
def test_a_report_reads_back_from_json_as_it_was(rows: list[tuple[str, tuple[float, ...]]]) -> None:
    report = table(*rows)
    assert Report.from_json(report.to_json()) == report


def test_what_is_no_number_survives_json_and_is_left_out_of_a_mean() -> None:
    report = table(("a", (math.inf, math.nan)), ("b", (30.0, 0.5)))
    again = Report.from_json(report.to_json())
    assert math.isnan(again.rows[0][1][1])
    assert again.mean("SSIM") == 0.5
    assert again.mean("PSNR [dB]") == math.inf
    assert math.isnan(table().mean("SSIM"))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "other", "rows": [], "title": "", "columns": [], "notes": []}']
)
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(DatprlError, match="E_UNKNOWN_FORMAT: the content is no report"):
        Report.from_json(text)


def test_reports_of_one_kind_are_joined_under_their_labels() -> None:
    joined = join_reports([table(("x", (1.0, 2.0))), table(("x", (3.0, 4.0)))], "both", ("one", "two"))
    assert [label for label, _ in joined.rows] == ["one: x", "two: x"]
    assert joined.mean("SSIM") == 3.0
    assert joined.notes == ("a note",)
    assert joined.only_means().rows == (("mean of 2", (2.0, 3.0)),)


def test_reports_that_do_not_fit_are_not_joined() -> None:
    with pytest.raises(DatprlError, match="different columns"):
        join_reports([table(), Report("other", ("RMSE [HU]",), ())], "both")
    with pytest.raises(DatprlError, match="no reports"):
        join_reports([], "none")
    with pytest.raises(DatprlError, match="row 'x' has 1 figures for 2 columns"):
        table(("x", (1.0,)))


def test_a_spreadsheet_reads_the_csv() -> None:
    rows = list(csv.reader(io.StringIO(table(("a, with a comma", (30.25, 0.5))).to_csv())))
    assert rows == [["", "PSNR [dB]", "SSIM"], ["a, with a comma", "30.25", "0.5"]]
