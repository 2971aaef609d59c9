"""Which files of two folders belong together, by their names alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class NamedPair:
    """Two files that belong together.

    Parameters
    ----------
    name
        What they have in common, for tables: the path inside the second folder without its suffix.
    first, second
        The files.
    """

    name: str
    first: Path
    second: Path


def files_with_suffix(folder: Path, suffixes: Collection[str] = PICTURE_SUFFIXES) -> list[Path]:
    """Return the files below a folder whose suffix, in small letters, is one of `suffixes`; hidden ones left out.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(ErrorCode.MISSING, "there is no such folder", where=folder)
    found = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def pair_folders(
    first: Path, second: Path, *, suffixes: Collection[str] = PICTURE_SUFFIXES, match: str | None = None
) -> list[NamedPair]:
    r"""Pair the files of two folders, in the order of their names.

    Parameters
    ----------
    first, second
        Two folders, or two files that are a pair whatever their names.
    suffixes
        Of the files that count.
    match
        A regular expression that is searched in the path inside the folder without suffix; files whose first group
        (or whole match) is equal belong together, such as ``(\d+)`` for ``rain-001`` and ``norain-001``. By
        default the paths themselves must be equal.

    Raises
    ------
    InputError
        ``E_MISSING`` for a folder or partner that is not there, ``E_EMPTY`` for a folder without such files,
        ``E_AMBIGUOUS`` if two files of one folder have the same key.
    OptionError
        ``E_OPTION`` if `match` is no regular expression or finds nothing in a name.
    """
    if first.is_file() and second.is_file():
        return [NamedPair(second.stem, first, second)]
    pattern = _compile(match)
    left, right = (_by_key(folder, suffixes, pattern) for folder in (first, second))
    _check_partners(left, right, first, second)
    return [
        NamedPair(path.relative_to(second).with_suffix("").as_posix(), left[key], path)
        for key, path in sorted(right.items(), key=lambda item: item[1])
    ]


def _compile(match: str | None) -> re.Pattern[str] | None:
    if match is None:
        return None
    try:
        return re.compile(match)
    except re.error as error:
        raise OptionError(
            ErrorCode.OPTION, f"this is no regular expression: {error}", where=match, remedy="Try '(\\d+)'"
        ) from error


def _by_key(folder: Path, suffixes: Collection[str], pattern: re.Pattern[str] | None) -> dict[str, Path]:
    """Return the files of a folder by what their partner's name must share."""
    paths = files_with_suffix(folder, suffixes)
    if not paths:
        kinds = ", ".join(suffixes)
        raise InputError(ErrorCode.EMPTY, f"the folder holds no image ({kinds})", where=folder)
    found: dict[str, Path] = {}
    for path in paths:
        key = _key(path.relative_to(folder).with_suffix("").as_posix(), pattern)
        if key in found:
            raise InputError(
                ErrorCode.AMBIGUOUS,
                f"{found[key].name} and {path.name} both count as '{key}'",
                where=folder,
                remedy="Remove one, or say what pairs them with a match such as '(\\d+)$'",
            )
        found[key] = path
    return found


def _key(name: str, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:
        return name
    found = pattern.search(name)
    if found is None:
        raise OptionError(
            ErrorCode.OPTION, f"'{pattern.pattern}' finds nothing in '{name}'", remedy="Choose a match that fits all"
        )
    return found.group(1) if pattern.groups else found.group(0)


def _check_partners(left: dict[str, Path], right: dict[str, Path], first: Path, second: Path) -> None:
    for mine, others, here, there in ((left, right, first, second), (right, left, second, first)):
        alone = sorted(mine.keys() - others.keys())
        if alone:
            named = ", ".join(mine[key].name for key in alone[:MOST_NAMED])
            more = f" and {len(alone) - MOST_NAMED} more" if len(alone) > MOST_NAMED else ""
            raise InputError(
                ErrorCode.MISSING,
                f"{len(alone)} of {len(mine)} images of '{here.name}' have no partner in '{there.name}': {named}{more}",
                where=there,
                remedy="Give both the same names, or say what pairs them with a match such as '(\\d+)'",
            )
