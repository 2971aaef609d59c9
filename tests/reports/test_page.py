"""The page: complete in itself, safe whatever the texts are, with units everywhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.reports import write_report
from datprl_toolkit.reports.gather import Images, Values
from datprl_toolkit.reports.page import render
from datprl_toolkit.reports.testing import example_report

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "img", "input", "br"}


class Structure(HTMLParser):
    """Checks that every element that is opened is closed, and collects what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page() -> str:
    return render(example_report())


def test_the_page_is_whole_and_loads_nothing(page: str) -> None:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    assert all(reference.startswith("data:image/png;base64,") for reference in structure.references)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_no_text_becomes_markup(page: str) -> None:
    assert "&lt;SOFT&gt;" in page
    assert "<SOFT>" not in page
    assert "W_TILT: &lt;the slices are sheared&gt;" in page
    data = page.split('id="data">')[1].split("</script>")[0]
    assert "<" not in data


def test_every_measure_is_there_with_its_unit(page: str) -> None:
    for expected in (
        "noise power, (HU)² mm²", "spatial frequency, 1/mm", "distance across the edge, mm", "value, HU",
        "bias, HU", "noise before, HU", "width before, mm", "MTF50 before, 1/mm", "HU peak before", "volume, ml",
        "inter-slice difference ratio", "mean change, HU", "prompt 4", "75.0 %, 0.9", "middle.0", "40.0 %",
        "Slices 1 to 3 of 3 were restored again", "W_DUPLICATE: 2 copies",
    ):  # fmt: skip
        assert expected in page, expected


def test_the_certificate_says_what_holds_what_does_not_and_what_was_not_checked(page: str) -> None:
    assert "All checks passed" in page
    assert "1 of 1, 1 could not be made" in page
    assert "largest difference 0 mm" in page
    assert "not checked" in page
    failed = render(example_report(fails=True))
    assert "Checks failed" in failed
    assert '<tr class="bad"><td class="mark">does not hold</td><td class="word">Pixel spacing</td>' in failed


def test_half_the_noise_is_reported_as_such() -> None:
    part = example_report().parts[0]
    assert part.measured.noise is not None
    before, after = part.measured.noise
    assert before.variance == pytest.approx(400, rel=0.15)
    assert after.variance == pytest.approx(100, rel=0.15)
    assert part.measured.change.largest == pytest.approx(100)
    frame, row, column = part.measured.change.largest_at
    assert (8 <= row < 24, 8 <= column < 24, frame) == (True, True, 0)
    assert re.search(r"<span>noise</span><b>−(4[89]|5[012])[.\d]* %</b>", render(example_report()))


def test_what_was_not_measured_is_said_and_not_drawn() -> None:
    report = example_report()
    part = report.parts[0]
    measured = replace(part.measured, regions=(), noise=None, edges=(), hottest=(), steps=None)
    page = render(replace(report, parts=(replace(part, measured=measured, network=None, shown=()),)))
    assert "No region was found that is flat enough" in page
    assert "No edge was found" in page
    assert "The files do not hold it" in page
    assert "Uptake in the hottest" not in page


def test_a_report_is_an_html_file_that_replaces_nothing_unasked(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="E_OPTION: a report is an HTML page"):
        write_report(example_report(), tmp_path / "report.pdf")
    place = tmp_path / "report.html"
    write_report(example_report(), place)
    size = place.stat().st_size
    assert 50_000 < size < 2_000_000
    with pytest.raises(DatprlError, match="E_EXISTS"):
        write_report(example_report(), place)
    write_report(example_report("SUV"), place, overwrite=True)
    assert "value, SUV" in place.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_bins_of_a_histogram_hold_a_whole_number_of_the_values_that_can_occur() -> None:
    values = Values(-160.0, 240.0, 1.0)
    ramp = np.arange(-160.0, 240.0).reshape(20, 20)
    values.add(0, Images(ramp, ramp, np.ones(ramp.shape, bool)))
    histogram = values.histogram()
    assert set(histogram.before[:-1]) == {3.0}
    assert histogram.before.sum() == 400
