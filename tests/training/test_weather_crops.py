"""Simulated haze and clouds: over any ground, and enough of them to learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.degradations import cloud_opacity
from datprl_toolkit.training.crops import transmission_of
from datprl_toolkit.training.ground import AS_IT_IS, GroundChanges
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.weather_crops import (
    DESERT_AIRLIGHT,
    DenseClouds,
    EvenHaze,
    SimulatedClouds,
    SimulatedHaze,
    piece_of_sky,
)

if TYPE_CHECKING:
    from datprl_toolkit.training import PreparedData
    from datprl_toolkit.training.crops import Pair


def test_simulated_haze_is_brighter_than_the_ground_or_not_where_that_is_brightened(data: PreparedData) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]

    def crops(brightened: float) -> list[Pair]:
        maker = SimulatedHaze(source, sky, brightened=brightened)
        return [maker.make(number % len(source), 16, np.random.default_rng(number)) for number in range(60)]

    plain, bright = crops(0.0), crops(1.0)
    for one, other in zip(plain, bright, strict=True):
        assert other.clean.mean() > one.clean.mean()
        assert other.degraded.min() >= 0.0
        assert other.degraded.max() <= 1.0
    darker = [[pair.degraded.mean() < pair.clean.mean() for pair in pairs] for pairs in (plain, bright)]
    assert sum(darker[1]) > sum(darker[0])


@pytest.mark.parametrize("maker", [SimulatedHaze, SimulatedClouds])
def test_ground_of_other_colours_lies_under_the_haze_and_the_clouds_of_both_versions(
    data: PreparedData, maker: type[SimulatedHaze | SimulatedClouds]
) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]
    changed = 0
    for number in range(12):
        plain, other = (
            maker(source, sky, GroundChanges(recoloured=share)).make(
                number % len(source), 16, np.random.default_rng(number)
            )
            for share in (0.0, 1.0)
        )
        assert 0.0 <= other.clean.min() <= other.clean.max() <= 1.0
        changed += not np.allclose(plain.clean, other.clean, atol=0.02)
    assert changed >= 10


def test_dense_clouds_stay_and_the_haze_under_them_does_not(data: PreparedData) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]
    airless = replace(sky, fields={**sky.fields, "depth": [np.zeros_like(field) for field in sky["depth"]]})
    for number in range(8):
        makers = (DenseClouds(source, sky), DenseClouds(source, airless))
        hazy, clear = (maker.make(number % len(source), 16, np.random.default_rng(number)) for maker in makers)
        np.testing.assert_array_equal(clear.degraded, clear.clean)
        np.testing.assert_array_equal(hazy.clean, clear.clean)
        assert not np.array_equal(hazy.degraded, hazy.clean)
        assert hazy.degraded.min() >= 0.0
        assert hazy.degraded.max() <= 1.0
        assert hazy.degraded.dtype == hazy.clean.dtype == np.float32


def test_visible_clouds_cover_a_good_part_of_a_crop_and_others_often_next_to_nothing() -> None:
    # Clouds in one corner of a wide sky.
    opacity = np.zeros((200, 200), np.uint8)
    opacity[:80, :80] = 255
    sky = Source("sky_fields", {"clean": [opacity], "opacity": [opacity], "depth": [opacity]})
    ground = Source("roads", {"clean": [np.full((32, 32, 3), 40, np.uint8)]})

    def changed(visible: float) -> list[float]:
        maker = SimulatedClouds(ground, sky, visible=visible)
        pairs = [maker.make(0, 32, np.random.default_rng(number)) for number in range(40)]
        return [float(np.mean(pair.degraded > pair.clean + 0.05)) for pair in pairs]

    anywhere, visible = changed(0.0), changed(1.0)
    assert np.median(anywhere) == 0.0
    assert np.mean([share > 0.1 for share in visible]) > 0.9


def test_sparse_clouds_are_few_and_are_there() -> None:
    fields = [cloud_opacity((160, 160), np.random.default_rng(number), cover=0.4, softness=0.4) for number in range(6)]
    opacity = [np.round(255 * field).astype(np.uint8) for field in fields]
    sky = Source("sky_fields", {"clean": opacity, "opacity": opacity, "depth": opacity})
    ground = Source("roads", {"clean": [np.zeros((48, 48, 3), np.uint8)]})

    def covers(*, sparse: float) -> list[float]:
        """Over black ground what is seen is opacity, times the brightness of the clouds."""
        maker = SimulatedClouds(ground, sky, sparse=sparse, visible=1.0)
        return [float(maker.make(0, 48, np.random.default_rng(number)).degraded.mean()) for number in range(60)]

    few, many = covers(sparse=1.0), covers(sparse=0.0)
    assert np.mean([0.005 < cover < 0.15 for cover in few]) > 0.85
    assert np.quantile(few, 0.9) > 3 * np.quantile(few, 0.1), "not all alike"
    assert np.mean(many) > 3 * np.mean(few)


def test_a_wide_sky_shows_a_crop_more_of_what_a_field_holds() -> None:
    ramp = np.repeat(np.linspace(0, 255, 160).astype(np.uint8)[None], 160, axis=0)

    def ranges(wide: float) -> list[float]:
        return [float(np.ptp(piece_of_sky([ramp], 16, np.random.default_rng(number), wide))) for number in range(40)]

    near, wide = ranges(0.0), ranges(1.0)
    assert max(near) < 0.12
    assert min(wide) > 0.08
    assert max(wide) > 0.8


def test_even_haze_is_grey_and_of_one_strength_all_over(data: PreparedData) -> None:
    source = data.sources["rice1"]
    darkened = 0
    for number in range(24):
        pair = EvenHaze(source).make(number % len(source), 16, np.random.default_rng(number))
        transmission = transmission_of(pair.degraded, pair.clean)
        airlight = (pair.degraded - transmission * pair.clean) / (1 - transmission)
        assert 0.34 < transmission < 0.76
        assert 0.38 < airlight.min() <= airlight.max() < 0.64
        assert np.ptp(airlight) < 0.05
        darkened += pair.degraded.mean() < pair.clean.mean()
    assert 0 < darkened < 24, "bright ground becomes darker and dark ground brighter"


def even_haze(
    data: PreparedData, changes: GroundChanges = AS_IT_IS, *, thick: float = 0.0
) -> tuple[list[float], list[float], list[float]]:
    """Airlight, transmission and brightness of the ground of 40 crops in haze that is even."""
    sky = Source("sky_fields", {"depth": [np.full((64, 64), 128, np.uint8)]})
    maker = SimulatedHaze(data.sources["remote_roads"], sky, changes, thick=thick)
    airlights, transmissions, brightness = [], [], []
    for number in range(40):
        pair = maker.make(0, 16, np.random.default_rng(number))
        # Each band is a line of what it was.
        lines = [np.polyfit(pair.clean[..., band].ravel(), pair.degraded[..., band].ravel(), 1) for band in range(3)]
        airlights.append(float(np.mean([intercept / (1 - slope) for slope, intercept in lines])))
        transmissions.append(float(np.mean([slope for slope, _ in lines])))
        brightness.append(float(pair.clean.mean()))
    return airlights, transmissions, brightness


def test_haze_over_a_bright_desert_is_never_so_light_that_it_looks_like_snow(data: PreparedData) -> None:
    airlights, _, _ = even_haze(data, GroundChanges(desert=1.0))
    assert max(airlights) < DESERT_AIRLIGHT + 0.05
    assert min(airlights) < 0.5


def test_a_dark_desert_lies_under_haze_as_light_as_any(data: PreparedData) -> None:
    airlights, _, brightness = even_haze(data, GroundChanges(desert=1.0, dark_desert=1.0))
    _, _, bright = even_haze(data, GroundChanges(desert=1.0))
    assert max(airlights) > 0.9
    assert min(airlights) > 0.5
    assert np.median(brightness) < 0.65 * np.median(bright)


def test_thick_haze_has_an_optical_depth_of_one_to_two(data: PreparedData) -> None:
    # Of the ground e^-1 is seen at the most: the depth varies around the middle of this even field.
    _, transmissions, _ = even_haze(data, thick=1.0)
    assert max(transmissions) < np.exp(-1.0) + 0.02
    assert min(transmissions) < 0.2
    _, others, _ = even_haze(data)
    assert max(others) > 0.5


@pytest.mark.parametrize("weather", [SimulatedHaze, SimulatedClouds])
def test_a_share_of_the_ground_is_left_as_it_is(weather: type[SimulatedHaze | SimulatedClouds]) -> None:
    # Even ground, so that a crop of it tells whether it was changed.
    source = Source("remote_roads", {"clean": [np.full((32, 32, 3), (40, 80, 120), np.uint8)]})
    sky = Source("sky_fields", {name: [np.full((64, 64), 128, np.uint8)] for name in ("depth", "opacity")})

    def unchanged(untouched: float) -> int:
        maker = weather(source, sky, GroundChanges(recoloured=1.0, untouched=untouched))
        crops = [maker.make(0, 16, np.random.default_rng(number)).clean for number in range(40)]
        return sum(np.allclose(crop * 255, (40, 80, 120), atol=0.5) for crop in crops)

    assert unchanged(0.0) == 0
    assert 10 < unchanged(0.5) < 30
    assert unchanged(1.0) == 40


@pytest.mark.parametrize("ground", ["whitened", "snowy"])
def test_white_ground_lies_under_the_haze_and_the_clouds_of_both_versions(data: PreparedData, ground: str) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]
    changes = GroundChanges(**{ground: 1.0})
    for maker in (SimulatedHaze(source, sky, changes), SimulatedClouds(source, sky, changes)):
        whites = [maker.make(n % len(source), 16, np.random.default_rng(n)).clean.max() for n in range(12)]
        assert min(whites) > 0.7
