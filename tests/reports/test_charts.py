"""Charts: a value is drawn where the axis says that it is."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datprl_toolkit.reports.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Line, fit_axis, line_chart


def points(svg: str, style: str) -> list[tuple[float, float]]:
    path = re.search(rf'<path class="{style}" d="(M[^"]*L[^"]*)"', svg)
    assert path is not None
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path[1])]


def test_the_corners_of_a_line_are_those_of_the_frame() -> None:
    x, y = Axis("distance, mm", 0, 10), Axis("value, HU", -100, 300)
    svg = line_chart([Line("before", np.array([0.0, 10.0]), np.array([-100.0, 300.0]), "before")], x, y, name="profile")
    assert points(svg, "before") == [(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP)]
    assert "value, HU" in svg
    assert 'aria-label="profile"' in svg


def test_a_logarithmic_axis_places_powers_evenly_and_leaves_zeros_out() -> None:
    counts = np.array([1.0, 0.0, 10.0, 100.0])
    y = fit_axis("pixels", [counts], logarithmic=True)
    svg = line_chart([Line("", np.arange(4.0), counts, "after")], Axis("v", 0, 3), y, name="n")
    heights = [int(each) for each in re.findall(r'class="tick" x="57" y="(\d+)', svg)]
    assert len(set(np.diff(heights))) <= 2
    assert svg.count("L") == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0, 10, [0, 2, 4, 6, 8, 10]), (-160, 240, [-100, 0, 100, 200]), (0, 0.5, None)]
)
def test_ticks_are_round(low: float, high: float, expected: list[float] | None) -> None:
    ticks = Axis("v", low, high).ticks()
    assert 3 <= len(ticks) <= 8
    if expected is not None:
        assert ticks == pytest.approx(expected)


@pytest.mark.parametrize("values", [[np.zeros(0)], [np.full(3, np.nan)], [np.full(4, 7.0)], [np.zeros(2)]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_any_values_give_an_axis(values: list[np.ndarray], logarithmic: bool) -> None:
    axis = fit_axis("v", values, logarithmic=logarithmic)
    assert axis.low < axis.high
    assert np.isfinite(axis.ticks()).all()


def test_labels_cannot_break_the_page() -> None:
    svg = line_chart([Line("<b>", np.zeros(2), np.zeros(2), "before")], Axis("<i>", 0, 1), Axis("&", 0, 1), name='"')
    assert "<b>" not in svg
    assert "<i>" not in svg
