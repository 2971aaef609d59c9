"""The store: what steps made, under keys that follow from everything that decides about it.

A result appears by rename when it is complete, so that a run that was killed leaves finished steps and no half ones.
A result whose files were changed or removed since is as good as absent.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_nodes.digests import content_digest
from datprl_nodes.values import KINDS, Reference, files_of, plain_json, type_of
from datprl_toolkit.errors import ErrorCode, OutputError
from datprl_toolkit.files import TEMPORARY_PREFIX, output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RECORD = "result.json"
DEFAULT_FOLDER = ".datprl-store"


@dataclass(frozen=True, slots=True)
class Result:
    """What a step made.

    Parameters
    ----------
    key
        Under which it is kept.
    outputs
        By port the type and the reference of the value.
    digest
        Checksum of the content, the same for the same work wherever it was done.
    warnings
        Lines that a person should know.
    started, seconds
        When it began (UTC, ISO 8601), and how long it took.
    """

    key: str
    outputs: Mapping[str, tuple[str, Reference]]
    digest: str
    warnings: tuple[str, ...]
    started: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of results."""

    folder: Path

    def place(self, key: str) -> Path:
        """Return the folder of a result."""
        return self.folder / key[:2] / key

    def find(self, key: str) -> Result | None:
        """Return a result that is complete and as it was made; None otherwise."""
        place = self.place(key)
        try:
            record = json.loads((place / RECORD).read_text(encoding="utf-8"))
            if any(_stamp(place / name) != stamp for name, stamp in record["files"].items()):
                return None
            outputs = {port: (kind, reference) for port, (kind, reference) in record["outputs"].items()}
            notes = (tuple(record["warnings"]), record["started"], record["seconds"])
            return Result(key, outputs, record["digest"], *notes)
        except (OSError, ValueError, KeyError):
            return None

    def value(self, key: str, port: str) -> Any:
        """Open the value of an output port.

        Raises
        ------
        OutputError
            ``E_OUTPUT`` if the result is gone.
        """
        result = self.find(key)
        if result is None:
            raise OutputError(
                ErrorCode.OUTPUT, "a result was removed from the store while it was needed", remedy="Run again"
            )
        kind, reference = result.outputs[port]
        return KINDS[kind].recall(reference, self.place(key))

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """Give an empty folder on the disk of the store, which goes when the block ends."""
        with output_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(
        self, key: str, folder: Path, outputs: Mapping[str, Any], warnings: Sequence[str], started: datetime
    ) -> Result:
        """Put what a step made, with the files in its folder, into the store.

        Parameters
        ----------
        folder
            From :meth:`workplace`; it is moved.
        outputs
            Values by port.
        warnings, started
            As in :class:`Result`, the time with its zone.
        """
        seconds = round((datetime.now(UTC) - started).total_seconds(), 3)
        begun = started.isoformat(timespec="milliseconds")
        with output_errors(self.folder):
            kinds = {port: type_of(value) for port, value in outputs.items()}
            kept = {port: (kind, KINDS[kind].keep(outputs[port], folder)) for port, kind in kinds.items()}
            names = [file.relative_to(folder).as_posix() for file in files_of(folder)]
            # A result that is nothing but originals is told apart by its key, which follows from their content.
            digest = content_digest(folder, names, outputs) if names else key
            stamps = {name: _stamp(folder / name) for name in names}
            notes = {"digest": digest, "warnings": list(warnings), "started": begun, "seconds": seconds}
            record = {"outputs": kept, "files": stamps, **notes}
            (folder / RECORD).write_text(plain_json(record), encoding="utf-8")
            place = self.place(key)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            try:
                folder.rename(place)
            except OSError:
                # Another run may have finished the same step a moment ago.
                if self.find(key) is None:
                    raise
        return Result(key, kept, digest, tuple(warnings), begun, seconds)

    def digest_of(self, path: Path, files: Sequence[Path] | None = None) -> str:
        """Return the checksum of the content of a file or folder that a person named.

        What was computed once is remembered for as long as size and time of change stay.

        Parameters
        ----------
        files
            All files that belong to it; None for the file, or what lies in the folder.
        """
        memory = self.folder / "sources" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}.json"
        try:
            known = json.loads(memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        entries = {}
        for file in files_of(path) if files is None else sorted(files):
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            stamp = _stamp(file)
            old = known.get(name)
            entries[name] = old if old and old[0] == stamp else [stamp, _sha256(file)]
        if entries != known:
            self._remember(memory, plain_json(entries))
        # The name of a single file says nothing about its content, but the names within a folder do.
        parts = [f"{name if len(entries) > 1 or path.is_dir() else ''} {sha}" for name, (_, sha) in entries.items()]
        return hashlib.sha256("\n".join([path.suffix.lower(), *parts]).encode()).hexdigest()

    def _remember(self, path: Path, text: str) -> None:
        with output_errors(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
                file.write(text)
            Path(file.name).replace(path)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
