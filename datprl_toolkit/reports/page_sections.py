"""The sections of a page: key figures, noise and edges, uptake, values, the network's choice, the certificate."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.reports.page_charts import edge_chart, histogram_chart, level_chart, noise_chart, steps_chart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datprl_toolkit.reports.report import Network, Part

MARKED_EDGES = 6
FEWEST_EDGES = 3  # whose median is worth a headline
ROWS = 8  # of a table before the rest is folded away


def number(value: float, digits: int = 4) -> str:
    """Write a number for a person."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.{digits}g}" if abs(value) < 1e6 else f"{value:.{digits}g}"
    return text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign."""
    return number(value, digits) if value < 0 or not np.isfinite(value) else f"+{number(value, digits)}"


def percent(before: float, after: float) -> str:
    """Write the relative change of a value."""
    return "–" if before == 0 or not np.isfinite(before) else f"{signed(100 * (after / before - 1))} %"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, labels: int = 1) -> str:
    """Return a table whose first columns are words and whose others are numbers; a long one is folded."""
    lines = [
        "<tr>" + "".join(_cell(cell, word=place < labels) for place, cell in enumerate(row)) + "</tr>" for row in rows
    ]
    head = "".join(f'<th scope="col"{_word(place < labels)}>{escape(each)}</th>' for place, each in enumerate(heads))

    def part(some: Sequence[str]) -> str:
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(some)}</tbody></table></div>'

    if len(lines) <= ROWS + 2:
        return part(lines)
    return f"{part(lines[:ROWS])}<details><summary>{len(lines) - ROWS} more</summary>{part(lines[ROWS:])}</details>"


def _cell(text: str, *, word: bool) -> str:
    return f"<td{_word(word)}>{escape(text)}</td>"


def _word(is_word: bool) -> str:
    return ' class="word"' if is_word else ""


def figure(content: str, caption: str) -> str:
    """Return a figure of markup with a caption of plain text."""
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(part: Part) -> str:
    """Return the key figures as cards: label, value, what it rests on."""
    measured, unit = part.measured, part.unit
    cards = []
    if measured.regions:
        noise = [(each.noise_before, each.noise_after) for each in measured.regions]
        before, after = (float(np.median(column)) for column in zip(*noise, strict=True))
        bias = float(np.median([each.mean_after - each.mean_before for each in measured.regions]))
        count = f"median of {len(measured.regions)} flat regions"
        cards += [
            ("noise", percent(before, after), f"{number(before, 3)} to {number(after, 3)} {unit}, {count}"),
            ("bias", f"{signed(bias, 2)} {unit}", count),
        ]
    if len(measured.edges) >= FEWEST_EDGES:
        widths = [(each.before.width, each.after.width) for each in measured.edges]
        before, after = (float(np.median(column)) for column in zip(*widths, strict=True))
        note = f"{number(before, 3)} to {number(after, 3)} {part.length}, 10–90 %, median of {len(widths)} edges"
        cards.append(("edge width", percent(before, after), note))
    if measured.hottest:
        changes = [percent(each.before.maximum, each.after.maximum) for each in measured.hottest]
        ratios = [abs(each.after.maximum / each.before.maximum - 1) for each in measured.hottest]
        note = f"the largest change of {len(changes)} hottest regions"
        cards.append((f"{unit} max", changes[int(np.argmax(ratios))], note))
    if measured.steps is not None and np.isfinite(measured.steps.ratio):
        cards.append(("slice to slice", f"x {number(measured.steps.ratio, 3)}", "inter-slice difference ratio"))
    change = measured.change
    cards.append(("changed", f"{100 * change.changed / max(1, change.pixels):.3g} %", f"of {change.pixels:,} pixels"))
    cards.append(
        ("largest change", f"{signed(change.largest)} {unit}", f"root mean square {number(change.rms, 3)} {unit}")
    )
    items = "".join(
        f"<li><span>{escape(label)}</span><b>{escape(value)}</b><small>{escape(note)}</small></li>"
        for label, value, note in cards
    )
    return f'<ul class="figures">{items}</ul>'


def noise_section(part: Part) -> str:
    """Return noise, bias and edges, with where each was measured."""
    measured, unit, length = part.measured, part.unit, part.length
    pieces = []
    if measured.noise is not None:
        before, after = measured.noise
        caption = (
            f"Noise power spectrum of {len(measured.regions)} flat regions. Its integral, the variance, goes from "
            f"{number(before.variance)} to {number(after.variance)} ({unit})², its mean frequency from "
            f"{number(before.mean_frequency, 3)} to {number(after.mean_frequency, 3)} per {length}."
        )
        pieces.append(figure(noise_chart(before, after, unit, length), caption))
    if measured.edges:
        pair = measured.edges[0]
        caption = (
            f"Edge spread at {pair.place}. Width from 10 to 90 %: {number(pair.before.width, 3)} before, "
            f"{number(pair.after.width, 3)} {length} after."
        )
        pieces.append(figure(edge_chart(pair, unit, length), caption))
    charts = f'<div class="charts">{"".join(pieces)}</div>' if pieces else ""
    return f"<section><h3>Noise, bias and edges</h3>{charts}{_region_table(part)}{_edge_table(part)}</section>"


def _region_table(part: Part) -> str:
    if not part.measured.regions:
        return '<p class="none">No region was found that is flat enough to measure noise in.</p>'
    unit = part.unit
    size = part.measured.regions[0].region.size
    rows = [
        (
            f"R{place}", each.place, number(each.mean_before), number(each.mean_after),
            signed(each.mean_after - each.mean_before, 2), number(each.noise_before, 3), number(each.noise_after, 3),
            percent(each.noise_before, each.noise_after),
        )
        for place, each in enumerate(part.measured.regions, start=1)
    ]  # fmt: skip
    heads = (
        "", "middle of the region", f"mean before, {unit}", f"mean after, {unit}", f"bias, {unit}",
        f"noise before, {unit}", f"noise after, {unit}", "noise",
    )  # fmt: skip
    caption = f"<p>Flat regions of {size} x {size} pixels, found automatically, the flattest first.</p>"
    return caption + table(heads, rows, labels=2)


def _edge_table(part: Part) -> str:
    if not part.measured.edges:
        return '<p class="none">No edge was found that lies inside the window with flat sides.</p>'
    length = part.length
    rows = [
        (
            f"E{place}", each.place, f"{number(each.before.low, 3)} to {number(each.before.high, 3)}",
            number(each.before.width, 3), number(each.after.width, 3), percent(each.before.width, each.after.width),
            number(each.before.mtf50, 3), number(each.after.mtf50, 3),
        )
        for place, each in enumerate(part.measured.edges, start=1)
    ]  # fmt: skip
    heads = (
        "", "middle of the edge", f"step, {part.unit}", f"width before, {length}", f"width after, {length}", "width",
        f"MTF50 before, 1/{length}", f"MTF50 after, 1/{length}",
    )  # fmt: skip
    return "<p>Edges inside the window, found automatically, the best fitted first.</p>" + table(heads, rows, labels=2)


def region_marks(part: Part) -> list[dict[str, Any]]:
    """Return the squares that are drawn on the images: flat regions and edges."""
    marks = [
        {
            "frame": each.region.frame, "row": each.region.row, "column": each.region.column,
            "size": each.region.size, "name": f"R{place}",
        }
        for place, each in enumerate(part.measured.regions, start=1)
    ]  # fmt: skip
    for place, pair in enumerate(part.measured.edges[:MARKED_EDGES], start=1):
        edge = pair.edge
        row, column = edge.row - edge.size // 2, edge.column - edge.size // 2
        marks.append({"frame": edge.frame, "row": row, "column": column, "size": edge.size, "name": f"E{place}"})
    return marks


def uptake_section(part: Part) -> str:
    """Return uptake in the hottest regions of a PET."""
    if not part.measured.hottest:
        return ""
    name = part.unit
    rows = [
        (
            f"H{place}", each.place, number(each.volume, 3),
            *(
                cell
                for measure in ("maximum", "peak", "mean")
                for cell in _uptake_cells(getattr(each.before, measure), getattr(each.after, measure))
            ),
        )
        for place, each in enumerate(part.measured.hottest, start=1)
    ]  # fmt: skip
    heads = ["", "hottest voxel", "volume, ml"]
    for measure in ("max", "peak", "mean"):
        heads += [f"{name} {measure} before", f"{name} {measure} after", f"{name} {measure}"]
    return (
        "<section><h3>Uptake in the hottest regions</h3><p>Regions of at least 41 % of their hottest voxel, drawn on "
        "the image before and used on both. Peak is the largest mean over a sphere of 1 ml.</p>"
        f"{table(heads, rows, labels=2)}</section>"
    )


def _uptake_cells(before: float, after: float) -> tuple[str, str, str]:
    return number(before, 3), number(after, 3), percent(before, after)


def values_section(part: Part) -> str:
    """Return the histogram, what happens from slice to slice, and what changed in each band."""
    caption = "Histogram over all pixels that are image; the outermost bins hold what lies beyond."
    pieces = [figure(histogram_chart(part.measured.histogram, part.unit), caption)]
    steps = part.measured.steps
    if steps is not None:
        caption = f"Difference between neighbouring slices; restored to before {number(steps.ratio, 4)}."
        pieces.append(figure(steps_chart(part), caption))
        caption = (
            f"Mean change of each slice. It steps by {number(steps.level_step, 3)} {part.unit} from slice to slice; "
            "flicker would show here."
        )
        pieces.append(figure(level_chart(part), caption))
    heading = "Values, and from slice to slice" if steps is not None else "Values"
    return f'<section><h3>{heading}</h3><div class="charts">{"".join(pieces)}</div>{_band_table(part)}</section>'


def _band_table(part: Part) -> str:
    if not part.measured.bands:
        return ""
    rows = [
        (
            each.name, "restored" if each.restored else "copied", number(each.mean_before), number(each.mean_after),
            signed(each.mean_after - each.mean_before, 2), number(each.deviation_before, 3),
            number(each.deviation_after, 3), number(each.rms, 3), signed(each.largest), number(each.gain, 4),
            signed(each.offset, 3),
        )
        for each in part.measured.bands
    ]  # fmt: skip
    unit = part.unit
    heads = (
        "band", "", f"mean before, {unit}", f"mean after, {unit}", f"bias, {unit}", "SD before", "SD after",
        "RMS change", "largest change", "gain of blocks", "offset of blocks",
    )  # fmt: skip
    return table(heads, rows, labels=2)


def network_section(part: Part) -> str:
    """Return what the network chose."""
    network = part.network
    if network is None:
        return (
            '<section><h3>What the network chose</h3><p class="none">The files do not hold it; a report made with the '
            "weights does.</p></section>"
        )
    pools = ""
    for pool in network.prompts:
        heading = f"{pool.pool.capitalize()} prompts, {len(pool.chosen)} of {pool.size}: share, similarity to the query"
        pools += figure(_bars(pool.chosen), heading)
    gates = [(name, prompt, f"{100 * prompt:.1f} %") for name, _, prompt in network.gates]
    shares = figure(_shares(gates), "Gates: share of the prompt in each block") if gates else ""
    return (
        f"<section><h3>What the network chose</h3><p>One context for all, from {escape(network.sampled)}.</p>"
        f'<div class="charts">{pools}{shares}</div>{_consistency(network, part)}</section>'
    )


def _bars(chosen: tuple[tuple[int, float, float], ...]) -> str:
    return _shares(
        [
            (f"prompt {index}", share, f"{100 * share:.1f} %, {number(similarity, 2)}")
            for index, share, similarity in chosen
        ]
    )


def _shares(rows: Sequence[tuple[str, float, str]]) -> str:
    items = "".join(
        f'<li><span>{escape(label)}</span><i><b style="width:{100 * share:.2f}%"></b></i><em>{escape(text)}</em></li>'
        for label, share, text in rows
    )
    return f'<ul class="shares">{items}</ul>'


def _consistency(network: Network, part: Part) -> str:
    if network.shared is None or network.own is None:
        return ""
    rows = [
        (name, number(steps.ratio, 4), number(steps.level_step, 3))
        for name, steps in (("one context for all slices (as written)", network.shared), ("each its own", network.own))
    ]
    heads = ("context", "inter-slice difference ratio", f"step of the mean change, {part.unit}")
    return f"<p>{escape(network.run.capitalize())} were restored again in both ways.</p>" + table(heads, rows)


def certificate(part: Part) -> str:
    """Return every check with its number."""
    words = {True: ("good", "holds"), False: ("bad", "does not hold"), None: ("open", "not checked")}
    rows = "".join(
        f'<tr class="{words[check.holds][0]}"><td class="mark">{words[check.holds][1]}</td>'
        f'<td class="word">{escape(check.name)}</td><td class="word">{escape(check.found)}</td></tr>'
        for check in part.checks
    )
    return (
        '<section class="certificate"><h3>Certificate</h3><p>Checked by reading the files before and after, not by '
        'trusting the program that wrote them.</p><div class="wide"><table><tbody>'
        f"{rows}</tbody></table></div></section>"
    )
