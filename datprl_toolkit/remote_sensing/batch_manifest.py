"""The manifest of a batch: what became of each scene, one JSON object in each line, in the order of the events."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TextIO

from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.files import output_errors, staged_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Status = Literal["done", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What became of one scene.

    Parameters
    ----------
    name, source
        As in :class:`BatchScene`.
    status
        "done", "partial" if something could not be read and is no data now, or "failed": then there is no output.
    output
        Where it is, relative to the folder of the manifest; parts separated by "/".
    fingerprint
        Of the input, the weights and the options: equal ones make equal outputs.
    seconds
        How long it took.
    finished
        When it ended, in UTC (ISO 8601).
    summary, warnings
        As the job said.
    code, message
        Of the error, if it failed.
    """

    name: str
    source: str
    status: Status
    output: str
    fingerprint: str
    seconds: float
    finished: str
    summary: str = ""
    warnings: tuple[str, ...] = ()
    code: str = ""
    message: str = ""

    def as_line(self) -> str:
        """Return the record as one line of JSON; what is empty is left out."""
        return json.dumps({key: value for key, value in asdict(self).items() if value not in ("", ())})


class Manifest:
    """Appends records to a file and knows the last one of each scene.

    Each record is on the disk before the next scene begins. A line that was cut off when a machine went down is
    left out when the file is read again.
    """

    def __init__(self, path: Path, file: TextIO, records: dict[str, BatchRecord]) -> None:
        self.path = path
        self.records = records
        self._file = file

    def add(self, record: BatchRecord) -> None:
        """Write a record to the disk."""
        self.records[record.name] = record
        with output_errors(self.path):
            self._file.write(record.as_line() + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())


@contextmanager
def open_manifest(path: Path) -> Iterator[Manifest]:
    """Open the manifest of a batch, new or from an earlier run; one run at a time may have it.

    Raises
    ------
    OutputError
        ``E_OUTPUT`` if another run has it, if the file is no manifest, or if it cannot be written.
    """
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        _lock(file, path)
        file.seek(0)
        text = file.read()
        records = read_records(text, path)
        if text and not text.endswith("\n"):
            file.write("\n")  # a line that was cut off must not swallow the next one
        yield Manifest(path, file, records)


def read_records(text: str, path: Path) -> dict[str, BatchRecord]:
    """Return the last record of each scene, by name.

    Raises
    ------
    OutputError
        ``E_OUTPUT`` if a line other than a cut-off one is no record.
    """
    records: dict[str, BatchRecord] = {}
    known = {field.name for field in fields(BatchRecord)}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values: dict[str, Any] = json.loads(line)
            values["warnings"] = tuple(values.get("warnings", ()))
            record = BatchRecord(**{key: value for key, value in values.items() if key in known})
        except (ValueError, TypeError) as error:
            if not line.startswith("{") or line.rstrip().endswith("}"):
                raise OutputError(
                    ErrorCode.OUTPUT,
                    f"line {number} is no record of a batch",
                    where=path,
                    remedy="Give the batch another output, or move this file away",
                ) from error
            continue
        records[record.name] = record
    return records


def write_compact(manifest: Manifest, names: Iterable[str]) -> None:
    """Replace the file by one with a single line for each scene, those of `names` first and in this order."""
    order = [name for name in names if name in manifest.records]
    order += [name for name in manifest.records if name not in set(order)]
    with staged_file(manifest.path, overwrite=True) as temporary:
        temporary.write_text("".join(manifest.records[name].as_line() + "\n" for name in order), encoding="utf-8")


def _lock(file: TextIO, path: Path) -> None:
    """Hold the file for this run; the system lets go of it however the run ends."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing else that is left behind by a killed run would be better
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            ErrorCode.OUTPUT,
            "another run is writing this batch",
            where=path,
            remedy="Wait until it has ended, or choose another output",
        ) from error
