"""Where an output lies until it is whole: under a name that the next run finds, so that it can go on."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError, OutputError
from datprl_toolkit.files import TEMPORARY_PREFIX, output_errors, put_in_place
from datprl_toolkit.remote_sensing.fingerprint import differences
from datprl_toolkit.remote_sensing.journal import Fingerprint, Journal
from datprl_toolkit.restoring.frozen_context import load_context, save_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from datprl_toolkit.restoring import Context

_CONTEXT = "context.safetensors"
_LOCK = "lock"
_PIECES = "pieces"


@dataclass(slots=True)
class Stage:
    """The folder in which an output is being made.

    Parameters
    ----------
    folder
        Holds the output under its own name, the journal and the context.
    destination
        Where the output will stand.
    journal
        What is finished.
    shards
        How many shards there are in all, once the job has started.
    """

    folder: Path
    destination: Path
    journal: Journal
    shards: int = 0

    @property
    def output(self) -> Path:
        """The file or store that will be renamed."""
        return self.folder / self.destination.name

    @property
    def store(self) -> Path:
        """The folder into which shards are written: the output itself if it is one."""
        return self.output if self.destination.suffix.lower() == ".zarr" else self.folder / _PIECES

    def start(
        self,
        fingerprint: Fingerprint,
        on_error: str,
        shards: int,
        context: Callable[[], Context | None],
        create: Callable[[], None],
    ) -> Context | None:
        """Begin, or go on with what is finished.

        Parameters
        ----------
        fingerprint, on_error
            Of this run.
        shards
            How many there are in all.
        context
            Computes the context; not called where that of an earlier run is there.
        create
            Makes what must be there before the first shard; not called where an earlier run made it.

        Returns
        -------
        The context, on the CPU, the same for the first run and for all that go on with it.

        Raises
        ------
        OptionError
            ``E_OPTION`` if the earlier run was another job; what it finished is left as it is.
        """
        journal = self.journal
        if journal.finished and journal.fingerprint is not None:
            check_same_job(journal, fingerprint, self.destination)
            self._forget_unsound(on_error)
        if not journal.finished:
            self._clear()
            save_context(context(), self.folder / _CONTEXT)
            synchronised_size(self.folder / _CONTEXT)
            create()
        else:
            for leftover in self.store.rglob("*.partial"):
                leftover.unlink()
        journal.begin(fingerprint, on_error)
        self.shards = shards
        return load_context(self.folder / _CONTEXT)

    def describe_kept(self) -> str:
        """Say how much of an output that was not finished is kept, and how to go on."""
        return f"{len(self.journal.finished)} of {self.shards} shards are kept: add --resume to go on"

    def _forget_unsound(self, on_error: str) -> None:
        """Drop shards whose files changed, and those that another treatment of unreadable blocks made."""
        journal, there = self.journal, self.store.exists()
        changed = [
            shard.window
            for shard in journal.finished.values()
            if not there
            or any(_size(self.store / name) != size for name, size in shard.written.stored.items())
            or (shard.unreadable and journal.on_error != on_error)
        ]
        for window in changed:
            for name in journal.finished[window].written.stored:
                (self.store / name).unlink(missing_ok=True)  # a store may want to read what it writes over
        journal.forget(changed)

    def _clear(self) -> None:
        for entry in self.folder.iterdir():
            if entry.name != _LOCK:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@contextmanager
def staged_output(destination: Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[Stage]:
    """Give the folder in which `destination` is made; when the block ends without an error, put it in its place.

    After an error, an interruption or a kill, what is finished stays in the folder, whose name follows from that of
    `destination`; if nothing is finished, the folder goes.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if another run is making the same output, or if an unfinished one is there and neither `resume`
        nor `overwrite` says what to do with it; ``E_DISK_FULL`` or ``E_OUTPUT`` if the block could not write.
    """
    folder = stage_folder(destination)
    with output_errors(destination):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder / _LOCK, destination)
    placed = False
    try:
        check_unfinished(destination, resume=resume, overwrite=overwrite)
        journal = Journal(folder)
        if not resume:
            journal.forget(list(journal.finished))
        stage = Stage(folder, destination, journal)
        with _kept_is_said(stage), output_errors(destination):
            yield stage
            put_in_place(stage.output, destination)
        placed = True
    finally:
        if placed or not Journal(folder).finished:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def check_same_job(journal: Journal, fingerprint: Fingerprint, destination: Path) -> None:
    """Raise ``E_OPTION`` if what is finished of an output is that of another job."""
    other = "" if journal.fingerprint is None else differences(journal.fingerprint, fingerprint)
    if journal.finished and other:
        raise OptionError(
            ErrorCode.OPTION,
            f"the unfinished output is that of another job and cannot be resumed: {other}",
            where=destination,
            remedy="Give the same input and options, or --overwrite without --resume to begin again",
        )


def stage_folder(destination: Path) -> Path:
    """Return the folder in which an output is made."""
    return destination.parent / f"{TEMPORARY_PREFIX}{destination.name}"


def check_unfinished(destination: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise ``E_EXISTS`` if an unfinished output is there and nothing says what to do with it."""
    finished = len(Journal(stage_folder(destination)).finished)
    if finished and not (resume or overwrite):
        raise OutputError(
            ErrorCode.EXISTS,
            f"an earlier run ended before its time, and {finished} finished shards of it are kept",
            where=destination,
            remedy="Add --resume to go on, or --overwrite to begin again",
        )


@contextmanager
def _kept_is_said(stage: Stage) -> Iterator[None]:
    """Add to an error what of the output is kept."""
    try:
        yield
    except BaseException as error:
        if not (stage.shards and stage.journal.finished):
            raise
        kept = stage.describe_kept()
        if isinstance(error, DatprlError):
            what = error.what.removesuffix("; nothing was kept")
            remedy = f"{error.remedy}. {kept}" if error.remedy else kept
            raise type(error)(error.code, what, where=error.where, remedy=remedy) from error
        error.add_note(kept)
        raise


def _locked(path: Path, destination: Path) -> int:
    """Open and lock a file; the system frees the lock when the process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        import fcntl
    except ImportError:  # Windows
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OutputError(
            ErrorCode.EXISTS,
            "another run is making this output now",
            where=destination,
            remedy="Wait for it, or choose another name",
        ) from None
    except OSError:
        pass  # a file system without locks
    return handle


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def synchronised_size(path: Path) -> int | None:
    """Force a file to the disk and return its size in bytes; None if there is none."""
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
