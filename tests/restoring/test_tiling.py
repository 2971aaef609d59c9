"""Tiles: every pixel in exactly one core, on the grid, with its halo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import OptionError
from datprl_toolkit.restoring.tiling import Window, plan_tiles, sample_windows

sizes = st.integers(1, 300)
grids = st.sampled_from([1, 8, 16])


@given(sizes, sizes, st.integers(1, 128), st.integers(0, 64), grids)
def test_cores_cover_every_pixel_once(height: int, width: int, tile: int, halo: int, grid: int) -> None:
    area = Window(0, height, 0, width)
    covered = np.zeros((height, width), dtype=int)
    for each in plan_tiles(area, area, tile=tile, halo=halo, grid=grid):
        covered[each.core.slices] += 1
    assert (covered == 1).all()


@given(sizes, sizes, st.integers(1, 128), st.integers(0, 64), grids)
def test_every_tile_starts_on_the_grid_and_has_its_halo(
    height: int, width: int, tile: int, halo: int, grid: int
) -> None:
    area = Window(0, height, 0, width)
    for each in plan_tiles(area, area, tile=tile, halo=halo, grid=grid):
        assert each.read.top % grid == 0
        assert each.read.left % grid == 0
        assert each.core.top - each.read.top >= min(halo, each.core.top)
        assert each.read.bottom - each.core.bottom >= min(halo, height - each.core.bottom)
        assert each.core.left - each.read.left >= min(halo, each.core.left)
        assert each.read.right - each.core.right >= min(halo, width - each.core.right)


@pytest.mark.parametrize(("tile", "halo"), [(0, 8), (64, -1)])
def test_impossible_tiles_are_refused(tile: int, halo: int) -> None:
    area = Window(0, 10, 0, 10)
    with pytest.raises(OptionError, match="E_OPTION"):
        plan_tiles(area, area, tile=tile, halo=halo, grid=8)


@given(sizes, sizes, st.integers(1, 64), st.integers(1, 20), grids)
def test_a_sample_lies_inside_and_is_not_larger_than_asked(
    height: int, width: int, size: int, count: int, grid: int
) -> None:
    windows = sample_windows(height, width, size=size, count=count, grid=grid)
    assert 1 <= len(windows) <= count
    for window in windows:
        assert window.top % grid == 0
        assert window.left % grid == 0
        assert 0 <= window.top < window.bottom <= height
        assert 0 <= window.left < window.right <= width
    assert len({(window.height, window.width) for window in windows}) == 1


def test_a_sample_reaches_both_ends() -> None:
    windows = sample_windows(1000, 1000, size=100, count=9)
    assert len(windows) == 9
    assert {window.top for window in windows} == {0, 450, 900}
