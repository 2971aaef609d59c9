"""Changed ground: white, snowy, of a desert, of one or of other colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.training.ground import (
    AS_IT_IS,
    GroundChanges,
    as_desert,
    of_one_colour,
    recoloured,
    under_snow,
    whitened,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.training import PreparedData


def brighter_in_the_middle() -> npt.NDArray[np.float32]:
    ground = np.random.default_rng(1).uniform(0.1, 0.5, (48, 48, 3)).astype(np.float32)
    ground[12:36, 12:36] += 0.3
    return ground


def test_ground_that_is_not_to_be_changed_is_the_crop_of_the_scene(data: PreparedData) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]
    for changes in (AS_IT_IS, GroundChanges(untouched=1.0, desert=1.0, snowy=1.0)):
        ground, is_bright_desert = changes.draw(source, 0, 16, sky, np.random.default_rng(3))
        assert not is_bright_desert
        values = (255 * ground).round().astype(np.uint8)
        corners = np.argwhere((source["clean"][0] == values[0, 0]).all(axis=2))
        assert any(np.array_equal(source["clean"][0][y : y + 16, x : x + 16], values) for y, x in corners)


def test_a_desert_is_told_from_a_dark_one(data: PreparedData) -> None:
    source, sky = data.sources["remote_roads"], data.sources["sky_fields"]
    changes = GroundChanges(desert=1.0, dark_desert=0.5)
    drawn = [changes.draw(source, 0, 16, sky, np.random.default_rng(number)) for number in range(40)]
    bright, dark = ([ground.mean() for ground, is_bright in drawn if is_bright == wanted] for wanted in (True, False))
    assert 10 < len(dark) < 30
    assert np.median(dark) < 0.65 * np.median(bright)


def test_other_colours_keep_what_was_brighter_brighter_in_each_band() -> None:
    ramp = np.repeat(np.linspace(0.1, 0.4, 16, dtype=np.float32)[:, None, None], 3, axis=2)
    for number in range(12):
        image = recoloured(ramp, 1.0, np.random.default_rng(number))
        assert (np.diff(image, axis=0) > 0).all()


def test_a_part_of_the_ground_becomes_white_with_a_sharp_edge(data: PreparedData) -> None:
    sky = data.sources["sky_fields"]
    ground = np.full((48, 48, 3), 0.2, np.float32)
    for number in range(24):
        white = whitened(ground, sky, 1.0, np.random.default_rng(number))
        assert set(np.unique(white.mean(axis=2) > 0.5)) == {False, True}
        assert np.allclose(white[white.mean(axis=2) < 0.5], 0.2)
        assert white[white.mean(axis=2) > 0.5].min() > 0.8
        assert white.max() <= 1.0
    assert whitened(ground, sky, 0.0, np.random.default_rng(0)) is ground


def test_snow_lies_on_what_is_bright_and_leaves_the_rest_no_brighter() -> None:
    ground = np.full((48, 48, 3), 0.1, np.float32)
    ground[:, 20:] = 0.35
    ground[::2, 40:] += 0.1
    for number in range(24):
        image = under_snow(ground, 1.0, np.random.default_rng(number))
        assert 0.0 <= image.min() <= image.max() <= 1.0
        assert image[:, :8].max() <= 0.1
        assert image[:, 45].max() > 0.7
    assert under_snow(ground, 0.0, np.random.default_rng(0)) is ground


def test_a_desert_has_the_shapes_of_the_ground_in_warm_and_bright_colours() -> None:
    ground = brighter_in_the_middle()
    for number in range(24):
        desert = as_desert(ground, 1.0, np.random.default_rng(number))
        assert 0.0 <= desert.min() <= desert.max() <= 1.0
        red, green, blue = desert.mean(axis=(0, 1))
        assert red > green > blue
        assert red > 0.35
        assert desert[12:36, 12:36].mean() > desert[:10].mean() + 0.05  # what was brighter still is
    assert as_desert(ground, 0.0, np.random.default_rng(0)) is ground


def test_ground_of_one_colour_keeps_its_shapes_in_one_hue_that_is_not_grey() -> None:
    ground = brighter_in_the_middle()
    for number in range(24):
        plain = of_one_colour(ground, 1.0, np.random.default_rng(number))
        assert 0.0 <= plain.min() <= plain.max() <= 1.0
        assert plain.mean(axis=(0, 1)).min() < 0.81 * plain.mean(axis=(0, 1)).max()  # saturation 0.2 or more
        within = plain[(plain > 0).all(axis=2) & (plain < 1).all(axis=2)]
        assert np.allclose(within / within.sum(axis=1, keepdims=True), within.mean(axis=0) / within.mean(axis=0).sum())
        assert plain[12:36, 12:36].mean() > plain[:10].mean()  # what was brighter still is
    assert of_one_colour(ground, 0.0, np.random.default_rng(0)) is ground
