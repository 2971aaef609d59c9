"""Outputs that appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY_PREFIX = ".datprl-partial-"


def check_absent(path: Path, *, overwrite: bool) -> None:
    """Raise ``E_EXISTS`` if an output is there already and may not be replaced."""
    if not overwrite and (path.exists() or path.is_symlink()):
        raise OutputError(
            ErrorCode.EXISTS,
            "the output exists already",
            where=path,
            remedy="Choose another name, or add --overwrite to replace it",
        )


def check_apart(source: Path, output: Path) -> None:
    """Raise ``E_OPTION`` if writing `output` would replace `source` or a folder that holds it, by whatever name."""
    original, target = source.resolve(), output.resolve()
    same = source.exists() and output.exists() and source.samefile(output)
    if same or original.is_relative_to(target):
        raise OutputError(
            ErrorCode.OPTION,
            "the output would replace the input, which is never modified",
            where=output,
            remedy="Choose another output",
        )


@contextmanager
def staged_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary file name beside `path`; rename it to `path` when the block ends without an error.

    The temporary name keeps the suffix, since many writers choose their format by it.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if `path` exists and `overwrite` is false; ``E_DISK_FULL`` or ``E_OUTPUT`` if the block
        could not write. Nothing is left behind in either case.
    """
    check_absent(path, overwrite=overwrite)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
        try:
            temporary = folder / path.name
            yield temporary
            put_in_place(temporary, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def staged_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; rename it to `path` when the block ends without an error.

    An existing folder is replaced as a whole, never merged into, so that no file of an earlier run remains.

    Raises
    ------
    OutputError
        As for :func:`staged_file`.
    """
    check_absent(path, overwrite=overwrite)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
        try:
            content = folder / path.name
            content.mkdir()
            yield content
            put_in_place(content, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def put_in_place(new: Path, path: Path) -> None:
    """Rename a finished file or folder to `path`, in place of whatever stands there; its own folder must be ours."""
    if new.is_dir():
        _replace_folder(new, path)
        return
    _synchronise(new)
    new.chmod(0o666 & ~_umask())
    if path.is_dir() and not path.is_symlink():
        _replace_folder(new, path)
    else:
        os.replace(new, path)  # noqa: PTH105 (replaces atomically; Path.replace is the same call)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error while writing `path` into an :class:`OutputError` of one line."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if _is_disk_full(error):
            raise disk_full(path) from error
        raise OutputError(
            ErrorCode.OUTPUT,
            f"the output cannot be written: {_first_line(error)}",
            where=path,
            remedy="Check the folder and its permissions",
        ) from error


def disk_full(path: Path) -> OutputError:
    """Return the error for a disk without space, for those who write with a library that does not say so."""
    return OutputError(
        ErrorCode.DISK_FULL,
        "no space is left on the disk of the output; nothing was kept",
        where=path,
        remedy="Free some space or choose another disk",
    )


def _is_disk_full(error: BaseException | None) -> bool:
    """Tell whether a full disk is behind an error; libraries that write may wrap it in one of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: OSError) -> str:
    return error.strerror or (str(error).splitlines() or [type(error).__name__])[0]


def _replace_folder(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`, whatever stands there, with no moment at which half of it is seen."""
    if path.exists() or path.is_symlink():
        old = new.parent / "replaced"
        path.rename(old)
        new.rename(path)
    else:
        new.rename(path)


def _umask() -> int:
    """Return the permissions that new files do not get; some writers make files for their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _synchronise(path: Path) -> None:
    """Force a finished file to the disk, so that the rename cannot overtake its content."""
    if path.is_file():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
