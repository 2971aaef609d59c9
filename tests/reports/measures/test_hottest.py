"""Uptake: hot spheres of known size and value are found and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.reports.measures import find_hottest, hot_region, uptake

if TYPE_CHECKING:
    from datprl_toolkit.reports.measures.hottest import FloatArray

SPACING = (2.0, 2.0, 2.0)


def sphere(radius: float, value: float, size: int = 31) -> FloatArray:
    axis = (np.arange(size) - size // 2) * SPACING[0]
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.where(z**2 + y**2 + x**2 <= radius**2, value, 0.5)


def test_a_uniform_sphere_has_one_value_for_all_three() -> None:
    box = sphere(14.0, 8.0)
    region = hot_region(box, (15, 15, 15))
    measured = uptake(box, region, SPACING)
    assert (measured.maximum, measured.mean, measured.peak) == pytest.approx((8.0, 8.0, 8.0))
    volume = region.mask.sum() * np.prod(SPACING)
    assert volume == pytest.approx(4 / 3 * np.pi * 14.0**3, rel=0.05)


def test_the_region_ends_at_41_percent_and_does_not_leap() -> None:
    box = sphere(8.0, 10.0)
    box[15, 15, 19] = 4.2
    box[15, 15, 20] = 4.0
    box[2, 2, 2] = 9.0
    region = hot_region(box, (15, 15, 15))
    assert region.mask[15, 15, 19]
    assert not region.mask[15, 15, 20]
    assert not region.mask[2, 2, 2]


def test_the_same_voxels_are_measured_after() -> None:
    before = sphere(14.0, 8.0)
    region = hot_region(before, (15, 15, 15))
    after = uptake(0.9 * before, region, SPACING)
    assert after.mean == pytest.approx(7.2)
    assert after.maximum == pytest.approx(7.2)


def test_one_hot_voxel_raises_the_maximum_more_than_the_peak() -> None:
    box = sphere(14.0, 8.0)
    region = hot_region(box, (15, 15, 15))
    box[15, 15, 15] = 80.0
    measured = uptake(box, region, SPACING)
    assert measured.maximum == 80.0
    assert 8.0 < measured.peak < 10.0


def test_a_peak_whose_sphere_leaves_the_box_is_not_made_up() -> None:
    box = np.full((3, 3, 3), 5.0)
    assert np.isnan(uptake(box, hot_region(box, (1, 1, 1)), SPACING).peak)


def test_the_hottest_voxels_are_chosen_apart_from_each_other() -> None:
    candidates = [(9.0, 0, 10, 10), (8.9, 0, 10, 11), (7.0, 5, 10, 10), (3.0, 0, 60, 60), (0.0, 1, 90, 90)]
    places = [3.0 * index for index in range(6)]
    chosen = find_hottest(candidates, places, (2.0, 2.0), apart=40.0, count=5)
    assert chosen == [(0, 10, 10), (0, 60, 60)]
    assert find_hottest(candidates, places, (2.0, 2.0), apart=10.0, count=2) == [(0, 10, 10), (5, 10, 10)]
