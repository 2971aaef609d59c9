"""Line charts as SVG: sharp at any size and in print, coloured by the page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Style = Literal["before", "after", "before points", "after points", "before faint", "after faint"]

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 28, 46
TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; the page gives it colour and dash by its style."""

    label: str
    x: npt.NDArray[np.floating]
    y: npt.NDArray[np.floating]
    style: Style


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart.

    Parameters
    ----------
    label
        With its unit.
    low, high
        Its ends.
    logarithmic
        Whether it rises by powers of ten; both ends are then above 0.
    """

    label: str
    low: float
    high: float
    logarithmic: bool = False

    def share(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return where values lie along the axis, 0 to 1; values beyond its ends lie at them."""
        low, high, inside = self.low, self.high, np.clip(values.astype(np.float64), self.low, self.high)
        if self.logarithmic:
            low, high, inside = float(np.log10(low)), float(np.log10(high)), np.log10(inside)
        shares: npt.NDArray[np.float64] = (inside - low) / (high - low)
        return shares

    def ticks(self) -> npt.NDArray[np.float64]:
        """Return round values at which the axis is marked."""
        if self.logarithmic:
            powers = np.arange(np.ceil(np.log10(self.low) - 1e-9), np.floor(np.log10(self.high) + 1e-9) + 1)
            thinned: npt.NDArray[np.float64] = 10.0 ** powers[:: max(1, -(-len(powers) // (TICKS + 1)))]
            return thinned
        rough = (self.high - self.low) / TICKS
        magnitude = 10.0 ** np.floor(np.log10(rough))
        step = magnitude * next(round_step for round_step in (1, 2, 2.5, 5, 10) if rough <= round_step * magnitude)
        first = np.ceil(self.low / step - 1e-9)
        marks: npt.NDArray[np.float64] = step * np.arange(first, np.floor(self.high / step + 1e-9) + 1)
        return marks


def fit_axis(
    label: str, values: Sequence[npt.NDArray[np.floating]], *, zero: bool = False, logarithmic: bool = False
) -> Axis:
    """Return an axis on which all finite values fit.

    Parameters
    ----------
    label
        With its unit.
    values
        What is drawn.
    zero
        Whether the axis begins at 0.
    logarithmic
        Whether it rises by powers of ten; values of 0 or below are then left out.
    """
    joined = np.concatenate([np.asarray(each, dtype=np.float64).ravel() for each in values])
    joined = joined[np.isfinite(joined) & ((joined > 0) | (not logarithmic))]
    if joined.size == 0:
        return Axis(label, 0.1 if logarithmic else 0.0, 1.0, logarithmic)
    low, high = float(joined.min()), float(joined.max())
    if logarithmic:
        return Axis(label, 10 ** np.floor(np.log10(low)), 10 ** (np.floor(np.log10(high)) + 1), logarithmic=True)
    low = 0.0 if zero else low
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return Axis(label, low if zero else low - margin, high + margin)


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, *, name: str, identifier: str = "") -> str:
    """Return a chart as an SVG element.

    Parameters
    ----------
    lines
        What is drawn, each with an entry in the legend unless its label is empty.
    x, y
        The axes.
    name
        What the chart shows, for those who do not see it.
    identifier
        Value of its ``data-chart`` attribute, by which a script finds it.
    """
    body = [_grid(x, y), *(_line(line, x, y) for line in lines), _legend(lines)]
    found = f' data-chart="{escape(identifier)}"' if identifier else ""
    ends = f'data-low="{y.low:.9g}" data-high="{y.high:.9g}" data-x-low="{x.low:.9g}" data-x-high="{x.high:.9g}"'
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}"{found} '
        f'data-frame="{LEFT} {TOP} {WIDTH - LEFT - RIGHT} {HEIGHT - TOP - BOTTOM}" {ends}>{"".join(body)}</svg>'
    )


def _across(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _down(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)


def _grid(x: Axis, y: Axis) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value, place in zip(y.ticks(), _down(y.share(y.ticks())), strict=True):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 7}" y="{place + 4:.1f}" text-anchor="end">{_number(value, y)}</text>'
        )
    for value, place in zip(x.ticks(), _across(x.share(x.ticks())), strict=True):
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{place:.1f}" y="{bottom + 17}" text-anchor="middle">{_number(value, x)}</text>'
        )
    middle, height = (LEFT + right) / 2, (TOP + bottom) / 2
    parts.append(
        f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.label)}</text>'
        f'<text class="axis" transform="translate(15 {height}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )
    return "".join(parts)


def _number(value: float, axis: Axis) -> str:
    """Write a tick as short as it can be read."""
    if abs(value) < 1e-9 * (axis.high - axis.low):
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:,.6g}".replace("-", "−")
    power = int(np.floor(np.log10(abs(value))))
    digits = f"{value / 10.0**power:.3g}".replace("-", "−")
    return f"{digits}e{power}".replace("-", "−")


def _line(line: Line, x: Axis, y: Axis) -> str:
    known = np.isfinite(line.x) & np.isfinite(line.y)
    if y.logarithmic:
        known &= line.y > 0
    across, down = _across(x.share(np.where(known, line.x, x.low))), _down(y.share(np.where(known, line.y, y.high)))
    if line.style.endswith("points"):
        points = "".join(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="2.2"/>'
            for px, py, drawn in zip(across, down, known, strict=True)
            if drawn
        )
        return f'<g class="{line.style}">{points}</g>'
    words, pen_down = [], False
    for px, py, drawn in zip(across, down, known, strict=True):
        if drawn:
            words.append(f"{'L' if pen_down else 'M'}{px:.1f} {py:.1f}")
        pen_down = bool(drawn)
    return f'<path class="{line.style}" d="{"".join(words)}"/>'


def _legend(lines: Sequence[Line]) -> str:
    named = [line for line in lines if line.label]
    parts = []
    for number, line in enumerate(named):
        start = LEFT + 110 * number
        parts.append(
            f'<path class="{line.style.split()[0]}" d="M{start} {TOP - 14}h22"/>'
            f'<text class="key" x="{start + 28}" y="{TOP - 10}">{escape(line.label)}</text>'
        )
    return f'<g class="legend">{"".join(parts)}</g>'
