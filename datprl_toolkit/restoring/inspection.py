"""What is known of an input before anything is done to it, in one form for every domain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datprl_toolkit.errors import DatprlError

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Severity = Literal["error", "warning", "reader"]

FORM = 1
"""Version of the form that :meth:`Inspection.as_json` gives; keys are only ever added to a version."""

_SEVERITIES: dict[str, Severity] = {"E": "error", "W": "warning", "R": "reader"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so, or that will be done.

    Parameters
    ----------
    key
        Its stable name for programs.
    label, text
        Its name and value for a person.
    value
        Its value for programs; numbers are in the unit that the key names.
    """

    key: str
    label: str
    text: str
    value: Json


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know.

    Parameters
    ----------
    code
        Stable: ``E_...`` keeps the input or a part of it from being restored; ``W_...`` is restored but unusual;
        ``R_...`` is right here and goes wrong in another reader.
    text
        What it is, with its numbers, and what to do.
    where
        The file that it concerns, relative to what was inspected; None for the whole.
    """

    code: str
    text: str
    where: str | None = None

    @property
    def severity(self) -> Severity:
        """What the first letter of the code says."""
        return _SEVERITIES[self.code[0]]

    @classmethod
    def of_error(cls, error: DatprlError, root: Path) -> Finding:
        """Make a finding of an error; a file below `root` is named relative to it, so that no folder is told."""
        where = None if error.where is None else relative(Path(error.where), root)
        text = ". ".join(part for part in (error.what, error.remedy) if part)
        return cls(str(error.code), " ".join(text.split()), where)

    @classmethod
    def of_line(cls, line: str) -> Finding:
        """Make a finding of a line such as "W_TILT: the slices are sheared"."""
        code, _, text = line.partition(": ")
        return cls(code, text)

    def as_json(self) -> dict[str, Json]:
        """Return it for programs."""
        return {"code": self.code, "severity": self.severity, "text": self.text, "where": self.where}


@dataclass(frozen=True, slots=True)
class Inspected:
    """One volume, scene or picture.

    Parameters
    ----------
    number
        Its place among those found, from 1; for DICOM, what ``--series`` takes.
    kind
        "dicom", "nifti", "raster" or "images".
    title
        What it is in a few words.
    restorable
        Whether ``datprl restore`` restores it as it is.
    facts
        What it is.
    treatment
        How it would be restored with the options left alone.
    problems
        What keeps it from being restored, or is unusual about it.
    other_readers
        What other readers get wrong in it.
    """

    number: int
    kind: str
    title: str
    restorable: bool
    facts: tuple[Fact, ...]
    treatment: tuple[Fact, ...] = ()
    problems: tuple[Finding, ...] = ()
    other_readers: tuple[Finding, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return it for programs."""
        return {
            "number": self.number,
            "kind": self.kind,
            "title": self.title,
            "restorable": self.restorable,
            "facts": {fact.key: fact.value for fact in self.facts},
            "treatment": {fact.key: fact.value for fact in self.treatment},
            "problems": [finding.as_json() for finding in self.problems],
            "other_readers": [finding.as_json() for finding in self.other_readers],
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything that was found under a path.

    Parameters
    ----------
    source
        The path as it was given.
    items
        What can be described, at least one.
    problems
        Files that belong to none of these, or cannot be read.
    skipped
        How many files of each other kind there are.
    """

    source: Path
    items: tuple[Inspected, ...]
    problems: tuple[Finding, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """Return it for programs, with keys that stay; see :data:`FORM`."""
        return {
            "form": FORM,
            "source": str(self.source),
            "items": [item.as_json() for item in self.items],
            "problems": [finding.as_json() for finding in self.problems],
            "skipped": dict(self.skipped),
        }


def relative(path: Path, root: Path) -> str | None:
    """Return the name of a file as seen from `root`; its bare name if it lies elsewhere; None for `root` itself."""
    folder = root if root.is_dir() else root.parent
    if path == folder:
        return None
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Bring findings that say the same of several files together in one."""
    places: dict[tuple[str, str], list[str | None]] = defaultdict(list)
    for finding in findings:
        places[finding.code, finding.text].append(finding.where)
    return tuple(
        Finding(code, text if len(where) == 1 else f"{text} (so in {len(where)} files)", where[0])
        for (code, text), where in places.items()
    )
