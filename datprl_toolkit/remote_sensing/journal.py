"""The journal of a scene that is being written: what is finished, so that a run that ended early can go on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datprl_toolkit.remote_sensing.writing import Piece, Written
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAME = "journal.jsonl"
_FORMAT = 1

Fingerprint = dict[str, str]
"""What decides the pixels of an output, each entry in words that a person can compare."""


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """One shard that is written, whole and on the disk.

    Parameters
    ----------
    window
        Where it lies in the target.
    written
        Its checksums and its files.
    unreadable
        Windows of the source that could not be read, and are no data in it.
    """

    window: Window
    written: Written
    unreadable: tuple[Window, ...] = ()


class Journal:
    """A file of one line for the job and one line for each finished shard, each forced to the disk at once.

    A line that a full disk or a kill cut short is not counted: its shard is computed again.

    Parameters
    ----------
    folder
        Where the journal lies, or will lie.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self.fingerprint: Fingerprint | None = None
        self.on_error = ""
        self.finished: dict[Window, FinishedShard] = {}
        self._read()

    def begin(self, fingerprint: Fingerprint, on_error: str) -> None:
        """Write the head, and what is finished already, in place of what the file held."""
        self.fingerprint, self.on_error = fingerprint, on_error
        head = {"format": _FORMAT, "fingerprint": fingerprint, "on_error": on_error}
        lines = [head, *(_as_entry(shard) for shard in self.finished.values())]
        temporary = self._path.with_suffix(".new")
        _write(temporary, lines, "w")
        temporary.replace(self._path)

    def record(self, shard: FinishedShard) -> None:
        """Note that a shard is finished; its files must be on the disk already."""
        _write(self._path, [_as_entry(shard)], "a")
        self.finished[shard.window] = shard

    def forget(self, windows: Iterable[Window]) -> None:
        """Let shards be computed again; :meth:`begin` writes that down."""
        for window in windows:
            self.finished.pop(window, None)

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        entries = [entry for line in lines if (entry := _parsed(line)) is not None]
        if not entries or entries[0].get("format") != _FORMAT:
            return
        self.fingerprint, self.on_error = entries[0]["fingerprint"], entries[0]["on_error"]
        for entry in entries[1:]:
            shard = _as_shard(entry)
            self.finished[shard.window] = shard


def _write(path: Path, entries: Iterable[dict[str, Any]], mode: str) -> None:
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _as_entry(shard: FinishedShard) -> dict[str, Any]:
    return {
        "window": as_numbers(shard.window),
        "pieces": [as_entry(piece) for piece in shard.written.pieces],
        "stored": shard.written.stored,
        "unreadable": [as_numbers(window) for window in shard.unreadable],
    }


def _as_shard(entry: dict[str, Any]) -> FinishedShard:
    return FinishedShard(
        window=Window(*entry["window"]),
        written=Written(tuple(as_piece(piece) for piece in entry["pieces"]), dict(entry["stored"])),
        unreadable=tuple(Window(*numbers) for numbers in entry["unreadable"]),
    )


def as_entry(piece: Piece) -> dict[str, Any]:
    """Return a piece as JSON holds it."""
    return {"array": piece.array, "window": as_numbers(piece.window), "sha256": piece.sha256}


def as_piece(entry: dict[str, Any]) -> Piece:
    """Return the piece that :func:`as_entry` made an entry of."""
    return Piece(entry["array"], Window(*entry["window"]), entry["sha256"])


def as_numbers(window: Window) -> list[int]:
    """Return top, bottom, left and right, as JSON holds a window."""
    return [window.top, window.bottom, window.left, window.right]
