"""The page: a report as one HTML file that needs nothing else, neither a network nor a server."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_file_place, staged_file
from datprl_toolkit.reports.page_charts import profile_charts
from datprl_toolkit.reports.page_sections import (
    certificate,
    figures,
    network_section,
    noise_section,
    region_marks,
    uptake_section,
    values_section,
)
from datprl_toolkit.reports.pictures import DIVERGING, encode_shown, still_picture

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.reports.report import Part, Report

SUFFIXES = (".html", ".htm")
# Whatever a file may have put into a text of the page: it loads nothing and sends nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def check_report(path: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a place where no report can be written.

    Raises
    ------
    OptionError
        ``E_OPTION`` if `path` is not an HTML file.
    OutputError
        ``E_EXISTS`` if it is there already and may not be replaced; ``E_OUTPUT`` if nothing can be written there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OptionError(ErrorCode.OPTION, "a report is an HTML page", where=path, remedy="End the name in .html")
    check_absent(path, overwrite=overwrite)
    check_file_place(path)


def write_report(report: Report, path: Path, *, overwrite: bool = False) -> None:
    """Write a report as one HTML file that appears when it is complete.

    Parameters
    ----------
    report
        What is shown.
    path
        A ``.html`` file.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    OptionError
        ``E_OPTION`` if `path` is not an HTML file.
    OutputError
        If the file cannot be written.
    """
    check_report(path, overwrite=overwrite)
    text = render(report)
    with staged_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(report: Report) -> str:
    """Return the page as text."""
    parts = "".join(_part(part, number, alone=len(report.parts) == 1) for number, part in enumerate(report.parts))
    data = {"map": DIVERGING, "parts": [_part_data(part) for part in report.parts]}
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<style>{_resource('page.css')}</style></head>\n<body>{_head(report)}<main>{parts}{_method()}</main>"
        f'<script type="application/json" id="data">{_json(data)}</script>'
        f"<script>{_resource('page.js')}</script></body></html>\n"
    )


def _resource(name: str) -> str:
    return files("datprl_toolkit.reports").joinpath(name).read_text(encoding="utf-8")


def _json(data: object) -> str:
    """Write JSON that cannot end the element that holds it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _head(report: Report) -> str:
    checks = [check for part in report.parts for check in part.checks]
    held, made = sum(check.holds is True for check in checks), sum(check.holds is not None for check in checks)
    left = len(checks) - made
    state, words = ("good", "All checks passed") if report.passed else ("bad", "Checks failed")
    open_words = f", {left} could not be made" if left else ""
    facts = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in report.facts)
    warnings = _warnings(report.warnings)
    return (
        f'<header><p class="kind">Restoration report</p><h1>{escape(report.title)}</h1>'
        f'<p class="verdict {state}"><strong>{words}</strong> <span>{held} of {made}{open_words}</span></p>'
        f'<dl class="facts">{facts}</dl>'
        '<p class="use">Research use. Not for diagnosis. The page holds image values, and no name or identifier of a '
        f"patient.</p>{warnings}</header>"
    )


def _warnings(lines: tuple[str, ...]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<aside class="warnings"><h3>Warnings</h3><ul>{items}</ul></aside>'


def _part(part: Part, number: int, *, alone: bool) -> str:
    facts = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>" for label, text in part.facts)
    title = "" if alone else f"<h2>{escape(part.title)}</h2>"
    return (
        f'<article class="part" data-part="{number}">{title}<dl class="facts">{facts}</dl>{_warnings(part.warnings)}'
        f"{figures(part)}{_viewer(part)}{noise_section(part)}{uptake_section(part)}{values_section(part)}"
        f"{network_section(part)}{certificate(part)}</article>"
    )


def _part_data(part: Part) -> dict[str, Any]:
    """Return what the script of the page needs."""
    return {
        "unit": part.unit,
        "length": part.length,
        "spacing": list(part.spacing),
        "low": part.low,
        "high": part.high,
        "inverted": part.inverted,
        "limit": part.measured.change.shown,
        "start": _start(part),
        "largestAt": list(part.measured.change.largest_at),
        "shown": [encode_shown(shown) for shown in part.shown],
        "marks": region_marks(part),
    }


def _start(part: Part) -> int:
    """Return which slice is shown at first: the one in the middle."""
    return len(part.shown) // 2


def _viewer(part: Part) -> str:
    if not part.shown:
        return ""
    first = part.shown[_start(part)]
    windows = "".join(
        f'<button type="button" data-low="{low:g}" data-high="{high:g}">{escape(name)}</button>'
        for name, low, high in (("as at first", part.low, part.high), *part.windows)
    )
    many = "" if len(part.shown) > 1 else " hidden"
    rows, columns = profile_charts(part, first)
    unit = escape(part.unit)
    return f"""
<section class="look"><h3>Before and after</h3>
<figure class="still"><img src="{still_picture(part, first)}" alt="before, restored, difference: {escape(first.title)}">
<figcaption>Before, restored, and restored minus before, {escape(first.title)}; grey from {part.low:g} to
{part.high:g} {unit}, colours from {-part.measured.change.shown:.3g} (blue) to {part.measured.change.shown:.3g} (red)
{unit}. A browser with scripts shows more here.</figcaption></figure>
<div class="viewer" hidden>
<div class="bar"><label class="scroll"{many}>Slice <input type="range" class="frame" min="0"
max="{len(part.shown) - 1}" value="{_start(part)}" step="1"></label><output class="title"></output></div>
<div class="panels">
<figure class="pair"><div class="stage"><canvas></canvas><svg class="over" preserveAspectRatio="none"></svg>
<span class="tag left">before</span><span class="tag right">restored</span>
<div class="split" role="slider" tabindex="0" aria-label="Boundary between before and restored" aria-valuemin="0"
aria-valuemax="100" aria-valuenow="50"></div></div>
<div class="scale grey"><span class="low"></span><i></i><span class="high"></span></div></figure>
<figure class="change"><div class="stage" tabindex="0" aria-label="Difference; arrow keys move the cross"><canvas>
</canvas><svg class="over" preserveAspectRatio="none"></svg><span class="tag left">restored − before</span></div>
<div class="scale colour"><span class="low"></span><i></i><span class="high"></span></div></figure>
</div>
<p class="readout" role="status"></p>
<div class="bar tools"><span class="group"><button type="button" data-split="100">before</button><button type="button"
data-split="50">half</button><button type="button" data-split="0">restored</button></span>
<span class="group">{windows}</span>
<label>black <input type="number" class="black" step="any"></label>
<label>white <input type="number" class="white" step="any"></label>
<label>difference ± <input type="number" class="limit" step="any" min="0"></label>
<label><input type="checkbox" class="invert"> inverted</label>
<label><input type="checkbox" class="marks" checked> regions</label>
<button type="button" class="largest">go to the largest change</button></div>
</div>
<div class="charts profiles"><figure>{rows}<figcaption>Along the row of the cross</figcaption></figure>
<figure>{columns}<figcaption>Along the column of the cross</figcaption></figure></div>
</section>"""


def _method() -> str:
    return f'<section class="method"><h3>How it was measured</h3>{_resource("method.html")}</section>'
