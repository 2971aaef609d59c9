from __future__ import annotations

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from datprl_toolkit.remote_sensing.grid import Grid

numbers = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda number: abs(number) > 1e-3)


def _ground(transform: Affine | None, column: float, row: float) -> tuple[float, float]:
    assert transform is not None
    a, b, c, d, e, f = transform[:6]
    return a * column + b * row + c, d * column + e * row + f


@given(st.tuples(*[numbers] * 6), st.sampled_from([1, 2, 3, 4]), st.integers(1, 99), st.integers(1, 99))
def test_an_enlarged_grid_covers_exactly_the_same_ground(
    terms: tuple[float, ...], factor: int, height: int, width: int
) -> None:
    grid = Grid(height, width, CRS.from_epsg(32633), Affine(*terms))
    larger = grid.enlarged(factor)
    assert larger.shape == (height * factor, width * factor)
    assert larger.crs == grid.crs
    for row, column in ((0, 0), (height, 0), (0, width), (height, width)):
        before = _ground(grid.transform, column, row)
        after = _ground(larger.transform, column * factor, row * factor)
        assert after == pytest.approx(before, rel=1e-9, abs=1e-6)


def test_the_corner_of_the_scene_does_not_move_at_all() -> None:
    grid = Grid(3, 3, None, Affine(10, 1, 500_000, -1, -10, 5_000_000)).enlarged(3)
    assert grid.transform is not None
    assert (grid.transform.c, grid.transform.f) == (500_000, 5_000_000)


def test_control_points_are_counted_from_the_corner() -> None:
    point = GroundControlPoint(row=2.5, col=4, x=1, y=2, z=3, id="a", info="b")
    larger = Grid(8, 8, control_points=(point,)).enlarged(2).control_points[0]
    assert (larger.row, larger.col) == (5, 8)
    assert (larger.x, larger.y, larger.z, larger.id, larger.info) == (1, 2, 3, "a", "b")


def test_rational_polynomials_are_counted_from_the_centre_of_the_first_pixel() -> None:
    terms = [0.0] * 20
    rpcs = RPC(0, 1, 0, 1, terms, terms, 100.0, 50.0, 0, 1, terms, terms, 7.5, 20.0)
    larger = Grid(8, 8, rpcs=rpcs).enlarged(4).rpcs
    assert larger is not None
    assert (larger.line_off, larger.line_scale) == ((100 + 0.5) * 4 - 0.5, 200)
    assert (larger.samp_off, larger.samp_scale) == ((7.5 + 0.5) * 4 - 0.5, 80)
    assert larger.lat_off == rpcs.lat_off


def test_a_scene_without_a_georeference_stays_without() -> None:
    larger = Grid(2, 3).enlarged(2)
    assert larger.transform is None
    assert larger.shape == (4, 6)
