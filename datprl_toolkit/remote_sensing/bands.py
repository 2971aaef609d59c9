"""Which bands of a scene the network is to see as red, green and blue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
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


def choose_bands(scene: Scene, asked: tuple[int, ...] | None = None) -> BandChoice:
    """Choose the bands to restore.

    In this order: those that were asked for; those whose colour interpretation is red, green, blue; those whose
    description names a colour or a Sentinel-2 band; a single band; the first three, with a warning.

    Raises
    ------
    OptionError
        ``E_OPTION`` if a band was asked for that the scene lacks or that is its alpha.
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


def _asked(scene: Scene, asked: tuple[int, ...]) -> BandChoice:
    possible = {band.number for band in scene.image_bands}
    for number in asked:
        if number not in possible:
            raise OptionError(
                ErrorCode.OPTION,
                f"there is no image band {number}",
                where=scene.path,
                remedy=f"The scene has the bands {', '.join(map(str, sorted(possible)))}",
            )
    return BandChoice(asked, "as asked")


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
