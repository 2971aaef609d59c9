"""The charts of a page, drawn from what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.reports.charts import Axis, Line, fit_axis, line_chart

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.reports.measures import EdgeSpread, NoisePower
    from datprl_toolkit.reports.report import EdgePair, Histogram, Part, Shown

FINE = 201


def profile_charts(part: Part, shown: Shown) -> tuple[str, str]:
    """Return the profiles along the middle row and the middle column of an image; a script moves them."""
    before, after = _grey(shown.before), _grey(shown.after)
    rows, columns = before.shape
    value = Axis(f"value, {part.unit}", part.low, part.high)
    charts = []
    for name, first, second, step, count in (
        ("row", before[rows // 2], after[rows // 2], part.spacing[1], columns),
        ("column", before[:, columns // 2], after[:, columns // 2], part.spacing[0], rows),
    ):
        distance = np.arange(count) * step
        lines = [Line("before", distance, first, "before"), Line("restored", distance, second, "after")]
        axis = Axis(f"distance along the {name}, {part.length}", 0.0, max(step * (count - 1), step))
        charts.append(line_chart(lines, axis, value, name=f"profile along the {name}", identifier=name))
    return charts[0], charts[1]


def _grey(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    values = image.astype(np.float64)
    return values.mean(axis=-1) if values.ndim == 3 else values


def histogram_chart(histogram: Histogram, unit: str) -> str:
    """Return how often values occur before and after, on a logarithmic scale."""
    middle = 0.5 * (histogram.edges[:-1] + histogram.edges[1:])
    count = fit_axis("pixels", [histogram.before, histogram.after], logarithmic=True)
    lines = [Line("before", middle, histogram.before, "before"), Line("restored", middle, histogram.after, "after")]
    axis = Axis(f"value, {unit}", float(histogram.edges[0]), float(histogram.edges[-1]))
    return line_chart(lines, axis, count, name="histogram before and after")


def noise_chart(before: NoisePower, after: NoisePower, unit: str, length: str) -> str:
    """Return the noise power spectra."""
    frequency = Axis(f"spatial frequency, 1/{length}", 0.0, float(before.frequency[-1]))
    power = fit_axis(f"noise power, ({unit})² {length}²", [before.power, after.power], zero=True)
    lines = [
        Line("before", before.frequency, before.power, "before"),
        Line("restored", after.frequency, after.power, "after"),
    ]
    return line_chart(lines, frequency, power, name="noise power spectrum before and after")


def edge_chart(pair: EdgePair, unit: str, length: str) -> str:
    """Return the edge spread functions of one edge with their fits."""
    both = [pair.before.distance, pair.after.distance]
    distance = fit_axis(f"distance across the edge, {length}", both)
    value = fit_axis(f"value, {unit}", [pair.before.value, pair.after.value])
    lines = []
    for name, spread in (("before", pair.before), ("after", pair.after)):
        label = "before" if name == "before" else "restored"
        fine, fitted = _fine(spread)
        points = Line("", spread.distance, spread.value, "before points" if name == "before" else "after points")
        lines += [points, Line(label, fine, fitted, "before" if name == "before" else "after")]
    return line_chart(lines, distance, value, name="edge spread before and after")


def _fine(spread: EdgeSpread) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    fine = np.linspace(float(spread.distance[0]), float(spread.distance[-1]), FINE)
    return fine, spread.fitted(fine)


def steps_chart(part: Part) -> str:
    """Return the inter-slice difference before and after, slice by slice."""
    steps = part.measured.steps
    if steps is None:
        return ""
    before, after = np.array(steps.before), np.array(steps.after)
    number = np.arange(1.0, len(before) + 1)
    axis = Axis("slice", 1.0, float(max(2, len(before))))
    value = fit_axis(f"mean |next − this|, {part.unit}", [before, after], zero=True)
    lines = [Line("before", number, before, "before"), Line("restored", number, after, "after")]
    return line_chart(lines, axis, value, name="difference between neighbouring slices")


def level_chart(part: Part) -> str:
    """Return the mean change of each slice: what flickers, shows here."""
    steps = part.measured.steps
    if steps is None:
        return ""
    levels = np.array(steps.levels)
    number = np.arange(1.0, len(levels) + 1)
    axis = Axis("slice", 1.0, float(max(2, len(levels))))
    value = fit_axis(f"mean change, {part.unit}", [levels, np.zeros(1)])
    return line_chart([Line("", number, levels, "after")], axis, value, name="mean change of each slice")
