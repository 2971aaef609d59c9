from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.grid import Grid
from datprl_toolkit.remote_sensing.scene import Band, Scene


def _scene(*bands: tuple[str, str]) -> Scene:
    made = tuple(Band(number + 1, description, colour) for number, (description, colour) in enumerate(bands))
    return Scene(Path("scene.tif"), Grid(4, 4), made, np.dtype("uint8"))


def test_bands_that_were_asked_for_come_first() -> None:
    scene = _scene(("", "red"), ("", "green"), ("", "blue"), ("", "undefined"))
    assert choose_bands(scene, (4, 1, 2)).numbers == (4, 1, 2)


def test_colour_interpretation_decides_whatever_the_order() -> None:
    choice = choose_bands(_scene(("", "blue"), ("", "green"), ("", "red"), ("", "alpha")))
    assert choice.numbers == (3, 2, 1)
    assert choice.warning is None


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("blue", "green", "red", "nir"), (3, 2, 1)),
        (("B01", "B02", "B03", "B04", "B08"), (4, 3, 2)),
        (("Landsat Red", "Landsat Green", "Landsat Blue", "x"), (1, 2, 3)),
    ],
)
def test_names_decide_where_colours_do_not(names: tuple[str, ...], numbers: tuple[int, ...]) -> None:
    choice = choose_bands(_scene(*((name, "undefined") for name in names)))
    assert choice.numbers == numbers
    assert choice.warning is None


def test_landsat_numbers_are_no_names_since_they_differ_between_sensors() -> None:
    assert choose_bands(_scene(*((f"B{number}", "undefined") for number in range(1, 6)))).warning is not None


def test_red_edge_is_not_red() -> None:
    choice = choose_bands(_scene(("rededge", "undefined"), ("green", "undefined"), ("blue", "undefined")))
    assert choice.warning is not None


def test_a_single_band_is_grey_even_with_alpha_beside_it() -> None:
    choice = choose_bands(_scene(("", "gray"), ("", "alpha")))
    assert choice.numbers == (1,)
    assert choice.warning is None


def test_unknown_bands_are_guessed_with_a_warning_that_names_them() -> None:
    choice = choose_bands(_scene(*[("", "undefined")] * 5))
    assert choice.numbers == (1, 2, 3)
    assert choice.warning is not None
    assert choice.warning.startswith("W_BANDS_GUESSED: ")
    assert "1, 2, 3" in choice.warning


def test_two_unknown_bands_give_the_first_as_grey_with_a_warning() -> None:
    choice = choose_bands(_scene(("VV", "gray"), ("VH", "undefined")))
    assert choice.numbers == (1,)
    assert choice.warning is not None


@pytest.mark.parametrize("asked", [(0,), (5,), (1, 2, 9)])
def test_a_band_that_is_not_there_is_refused(asked: tuple[int, ...]) -> None:
    with pytest.raises(OptionError) as caught:
        choose_bands(_scene(*[("", "undefined")] * 4), asked)
    assert caught.value.code is ErrorCode.OPTION


def test_alpha_is_no_image() -> None:
    scene = _scene(("", "gray"), ("", "alpha"))
    with pytest.raises(OptionError):
        choose_bands(scene, (2,))
    with pytest.raises(InputError):
        choose_bands(replace(scene, bands=scene.bands[1:]))


def test_bands_are_asked_for_by_description_colour_or_word() -> None:
    scene = _scene(("B02 blue", "undefined"), ("B03", "undefined"), ("B04, 665 nm", "undefined"), ("", "red"))
    assert choose_bands(scene, ("b04", "B03", "blue")).numbers == (3, 2, 1)
    assert choose_bands(scene, ("red", 2, "b02 BLUE")).numbers == (4, 2, 1)


def test_a_name_that_no_band_or_several_have_is_refused_with_all_that_there_are() -> None:
    scene = _scene(("B08 near", "undefined"), ("B8A near", "undefined"), ("", "gray"))
    with pytest.raises(OptionError, match=r"no band has the name 'red'.*1 B08 near, 2 B8A near, 3 gray"):
        choose_bands(scene, ("red",))
    with pytest.raises(OptionError, match="several bands have the name 'near'"):
        choose_bands(scene, ("near",))
    with pytest.raises(OptionError, match="not different bands"):
        choose_bands(scene, ("B08", 1, 3))
