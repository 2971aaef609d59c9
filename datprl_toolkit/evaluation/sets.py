"""What is evaluated: one set named on the command line, or several in a YAML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, missing_package

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ("name", "restored", "truth", "input", "match")


@dataclass(frozen=True, slots=True)
class ImageSet:
    """One set of images to compare.

    Parameters
    ----------
    name
        For tables.
    restored, truth
        Folders of pictures or of one DICOM series each, or two files.
    degraded
        The images before they were restored, to say what restoring gained; None where they are not at hand.
    match
        How names are paired, see :func:`datprl_toolkit.pairing.pair_folders`.
    """

    name: str
    restored: Path
    truth: Path
    degraded: Path | None = None
    match: str | None = None


def read_sets(path: Path) -> list[ImageSet]:
    """Read sets from a YAML file.

    The file holds ``sets:``, a list of entries with ``name``, ``restored``, ``truth`` and, if wanted, ``input`` and
    ``match``. Paths are relative to the file's folder.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is no such file, ``E_CORRUPT`` if it holds anything else.
    """
    try:
        import yaml
    except ImportError as error:
        package = "pyyaml"
        raise missing_package(package, "cli", "to read sets from YAML") from error
    if not path.is_file():
        raise InputError(ErrorCode.MISSING, "there is no such file of sets", where=path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(ErrorCode.CORRUPT, f"the file is not YAML: {error}", where=path) from error
    entries = content.get("sets") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or set(content) != {"sets"}:
        raise _not_sets(path, "it must hold 'sets:' with a list of sets, and nothing else")
    sets = [_read_set(entry, number, path) for number, entry in enumerate(entries, start=1)]
    names = [each.name for each in sets]
    if len({*names}) < len(names):
        raise _not_sets(path, "two sets have the same name")
    return sets


def _read_set(entry: object, number: int, path: Path) -> ImageSet:
    if not isinstance(entry, dict):
        raise _not_sets(path, f"set {number} is no list of names with values")
    unknown = [str(key) for key in entry if key not in KEYS]
    missing = [key for key in KEYS[:3] if key not in entry]
    odd = [key for key in KEYS if key in entry and not isinstance(entry[key], str)]
    for what, keys in (("unknown", unknown), ("missing", missing), ("not text", odd)):
        if keys:
            raise _not_sets(path, f"set {number}: {what}: {', '.join(keys)}; the names are {', '.join(KEYS)}")
    folder = path.parent
    degraded = folder / entry["input"] if "input" in entry else None
    return ImageSet(entry["name"], folder / entry["restored"], folder / entry["truth"], degraded, entry.get("match"))


def _not_sets(path: Path, what: str) -> InputError:
    return InputError(ErrorCode.CORRUPT, f"the file does not describe sets: {what}", where=path)


def check_sets(sets: list[ImageSet], *, restoring: bool) -> None:
    """Raise for sets that cannot be evaluated as asked.

    Raises
    ------
    InputError
        ``E_MISSING`` for a folder that is not there.
    OptionError
        ``E_OPTION`` if degraded images are named although the first folder is restored here.
    """
    for each in sets:
        if restoring and each.degraded is not None:
            raise OptionError(
                ErrorCode.OPTION,
                "with weights the first folder holds the degraded images, so there is no other input",
                where=each.name,
                remedy="Leave out the input, or the weights",
            )
        for place in (each.restored, each.truth, *([each.degraded] if each.degraded else [])):
            if not place.exists():
                raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=place)
