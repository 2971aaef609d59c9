"""Which bands of a scene the network is to see as red, green and blue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.remote_sensing.scene import Scene

COLOURS = ("red", "green", "blue")

# Bands of Sentinel-2 and of HLS are numbered alike. "B4" is not taken for red: on Landsat 5 and 7 it is infrared.
_NAMES = {
    "red": re.compile(r"(?:^|[\W_])(?:red|b04)(?:$|[\W_])", re.IGNORECASE),
    "green": re.compile(r"(?:^|[\W_])(?:green|b03)(?:$|[\W_])", re.IGNORECASE),
    "blue": re.compile(r"(?:^|[\W_])(?:blue|b02)(?:$|[\W_])", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The bands to restore.

    Parameters
    ----------
    numbers
        One band, shown to the network as grey, or three, shown as red, green, blue; counted from 1.
    reason
        How they were found, for a person.
    warning
        One line with a stable code if the choice was a guess, else None.
    """

    numbers: tuple[int, ...]
    reason: str
    warning: str | None = None


def colours_by_name(descriptions: Sequence[str]) -> dict[str, int] | None:
    """Return the place of red, green and blue among descriptions of bands; None unless each is named once."""
    found = {
        colour: [place for place, text in enumerate(descriptions) if _NAMES[colour].search(text)] for colour in COLOURS
    }
    places = _unique(found)
    return None if places is None else dict(zip(COLOURS, places, strict=True))


def choose_bands(scene: Scene, asked: tuple[int | str, ...] | None = None) -> BandChoice:
    """Choose the bands to restore.

    In this order: those that were asked for, by number, description or colour interpretation; those whose colour
    interpretation is red, green, blue; those whose description names a colour or a Sentinel-2 band; a single band;
    the first three, with a warning.

    Raises
    ------
    OptionError
        ``E_OPTION`` if a band was asked for that the scene lacks or that is its alpha, or by a name that several have.
    InputError
        ``E_UNSUPPORTED`` if there is no band but alpha.
    """
    if asked is not None:
        return _asked(scene, asked)
    numbers = [band.number for band in scene.image_bands]
    if not numbers:
        raise InputError(ErrorCode.UNSUPPORTED, "the scene has an alpha band and no image", where=scene.path)
    by_colour = _unique({colour: _with_colour(scene, colour) for colour in COLOURS})
    if by_colour is not None:
        return BandChoice(by_colour, "by colour interpretation")
    by_name = _unique({colour: _with_name(scene, colour) for colour in COLOURS})
    if by_name is not None:
        return BandChoice(by_name, "by description")
    if len(numbers) == 1:
        return BandChoice((numbers[0],), "the only one")
    return _guessed(tuple(numbers))


def _asked(scene: Scene, asked: tuple[int | str, ...]) -> BandChoice:
    return BandChoice(band_numbers(scene, asked), "as asked")


def band_numbers(scene: Scene, asked: tuple[int | str, ...]) -> tuple[int, ...]:
    """Return the numbers of image bands that were asked for by number or by name.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a band that the scene lacks, that is its alpha, or that was asked for twice, and for a name
        that several have.
    """
    possible = {band.number for band in scene.image_bands}
    numbers = tuple(entry if isinstance(entry, int) else _number_of(scene, entry) for entry in asked)
    if len(set(numbers)) < len(numbers):
        raise OptionError(
            ErrorCode.OPTION,
            f"{', '.join(map(str, asked))} are not different bands",
            where=scene.path,
            remedy="Name each band once",
        )
    for number in numbers:
        if number not in possible:
            raise OptionError(
                ErrorCode.OPTION,
                f"there is no image band {number}",
                where=scene.path,
                remedy=f"The scene has the bands {', '.join(map(str, sorted(possible)))}",
            )
    return numbers


def _number_of(scene: Scene, name: str) -> int:
    """Return the number of the band of a name: its whole description, or its colour, or a word of its description."""
    wanted = name.casefold()
    word = re.compile(rf"(?:^|[\W_]){re.escape(wanted)}(?:$|[\W_])")
    bands = scene.image_bands
    for found in (
        [band for band in bands if band.description.casefold() == wanted],
        [band for band in bands if band.colour == wanted],
        [band for band in bands if word.search(band.description.casefold())],
    ):
        if len(found) == 1:
            return found[0].number
        if found:
            break
    known = ", ".join(f"{band.number} {band.description or band.colour}".rstrip() for band in bands)
    raise OptionError(
        ErrorCode.OPTION,
        f"{'several bands have' if found else 'no band has'} the name '{name}'",
        where=scene.path,
        remedy=f"The scene has the bands {known}; ask by number",
    )


def _guessed(numbers: tuple[int, ...]) -> BandChoice:
    chosen = numbers[:3] if len(numbers) >= len(COLOURS) else numbers[:1]
    names = "bands " + ", ".join(map(str, chosen)) if len(chosen) > 1 else f"band {chosen[0]}"
    how = "as red, green and blue" if len(chosen) > 1 else "as a grey image"
    warning = (
        f"W_BANDS_GUESSED: nothing in the scene says which bands are red, green and blue; {names} of "
        f"{len(numbers)} were restored {how}. Choose others with --bands R,G,B"
    )
    return BandChoice(chosen, "a guess", warning)


def _with_colour(scene: Scene, colour: str) -> list[int]:
    return [band.number for band in scene.image_bands if band.colour == colour]


def _with_name(scene: Scene, colour: str) -> list[int]:
    return [band.number for band in scene.image_bands if _NAMES[colour].search(band.description)]


def _unique(found: dict[str, list[int]]) -> tuple[int, ...] | None:
    """Return one band for each colour, or None unless there is exactly one for each."""
    if any(len(numbers) != 1 for numbers in found.values()):
        return None
    numbers = tuple(numbers[0] for numbers in found.values())
    return numbers if len(set(numbers)) == len(numbers) else None
