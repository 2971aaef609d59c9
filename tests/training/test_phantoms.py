"""PET slices of simulated uptake: of the anatomy that is given, in SUV, and the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.training.phantoms import SIDE, draw_uptake, pet_phantoms
from datprl_toolkit.training.preparation import PET_FRACTIONS
from datprl_toolkit.training.prepared import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from datprl_toolkit.training.phantoms import Simulated

ROWS, COLUMNS = np.mgrid[-48:48, -48:48]
DISC = ROWS**2 + COLUMNS**2 < 40**2
LEFT = DISC & (COLUMNS < 0)
CT = Source("ct", {"clean": [np.where(DISC, np.where(LEFT, 40, 300), -1000).astype(np.int16)]})
MR = Source("mri", {"clean": [np.where(DISC, np.where(LEFT, 50000, 20000), 0).astype(np.uint16)]})


def test_uptake_lies_inside_the_body_and_its_mean_is_near_one() -> None:
    means = []
    for number in range(20):
        uptake = draw_uptake(np.where(LEFT, 0.8, 0.3), DISC, np.random.default_rng(number))
        assert uptake.shape == (SIDE, SIDE)
        assert uptake.min() >= 0.0
        assert uptake[:4].max() < 0.2, "the edge of the field holds nothing"
        means.append(float(uptake[uptake > 0.05].mean()))
    assert 0.5 < min(means) < max(means) < 2.0


def test_parts_of_another_grey_value_have_another_uptake_and_not_always_the_higher_one() -> None:
    signs = set()
    for number in range(20):
        generator = np.random.default_rng(number)
        uptake = draw_uptake(np.where(LEFT, 0.95, 0.5), DISC, generator)
        halves = [np.median(half[half > 0.1]) for half in (uptake[:, : SIDE // 2], uptake[:, SIDE // 2 :])]
        signs.add(bool(halves[0] > halves[1]))
    assert signs == {True, False}


def test_phantoms_have_versions_with_fewer_counts_that_are_noisier() -> None:
    made = pet_phantoms(CT, MR, seed=3, count=2)
    assert made.name == "pet_phantoms"
    assert len(made) == 2
    for truth, versions in zip(made["clean"], made["degraded"], strict=True):
        assert truth.dtype == versions.dtype == np.float32
        assert versions.shape == (len(PET_FRACTIONS), 3, SIDE, SIDE)
        errors = [float(np.sqrt(np.mean((version - truth) ** 2))) for version in versions]
        assert errors[0] > errors[2]
        assert versions[2].mean() == pytest.approx(truth.mean(), rel=0.1), "no activity is lost"


def test_phantoms_come_out_the_same_each_time_however_they_are_called() -> None:
    def backwards(function: Callable[[Any], Simulated], given: Iterable[Any]) -> list[Simulated]:
        return [function(each) for each in reversed(list(given))][::-1]

    first, again = pet_phantoms(CT, MR, seed=3, count=2), pet_phantoms(CT, MR, seed=3, count=2, each=backwards)
    for field in ("clean", "degraded"):
        assert all(np.array_equal(one, other) for one, other in zip(first[field], again[field], strict=True))
    other = pet_phantoms(CT, MR, seed=4, count=1)
    assert not np.array_equal(other["clean"][0], first["clean"][0])
