"""Outputs that appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OutputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

TEMPORARY_PREFIX = ".datprl-partial-"

_SIDECARS = (".aux.xml", ".msk", ".ovr")  # what GDAL reads beside a raster: metadata, mask and overviews
_HEAD = 1 << 18  # bytes in which the mark of a file lies; long sequences of references may come before it
_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_ZARR_METADATA = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})
_ZARR_CHUNK = re.compile(r"c|\d+(\.\d+)*")
# How files begin, with the place of that in bytes, and what is found further on in those of this package.
_MARKS: tuple[tuple[int, tuple[bytes, ...], tuple[bytes, ...]], ...] = (
    (128, (b"DICM",), (b"DATPRL_TOOLKIT", b"datprl-toolkit", b"DICOGNITO")),  # the last is in de-identified copies
    (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), (b"DATPRL_",)),
    (344, (b"n+1\0",), (b"datprl-toolkit",)),
    (4, (b"n+2\0",), (b"datprl-toolkit",)),
    (0, (b"\x89PNG",), (b"Matplotlib",)),
    (0, (b"<!DOCTYPE html",), (b"script-src 'unsafe-inline'; img-src data:",)),
    (0, (b"{",), (b'"datprl-',)),
)


def check_absent(path: Path, *, overwrite: bool) -> None:
    """Raise ``E_EXISTS`` if an output, or what would be read as a part of it, is there and may not be replaced."""
    with output_errors(path):
        there = path.exists() or path.is_symlink()
        beside = _sidecars(path)
    if not overwrite and (there or beside):
        raise OutputError(
            ErrorCode.EXISTS,
            "the output exists already" if there else "a file that readers would take for a part of the output exists",
            where=path if there else beside[0],
            remedy="Choose another name, or add --overwrite to replace it",
        )


def check_apart(source: Path, output: Path) -> None:
    """Raise ``E_OPTION`` if writing `output` would replace `source` or a folder that holds it, by whatever name."""
    original, target = source.resolve(), output.resolve()
    with output_errors(output):
        same = source.exists() and output.exists() and source.samefile(output)
    if same or original.is_relative_to(target):
        raise OutputError(
            ErrorCode.OPTION,
            "the output would replace the input, which is never modified",
            where=output,
            remedy="Choose another output",
        )


def check_replaceable(path: Path, names: Collection[str] = (), *, by_folder: bool = True) -> None:
    """Raise ``E_EXISTS`` if replacing `path` would delete what this package cannot have written.

    Parameters
    ----------
    path
        A folder in which every file must be recognised by its content: DICOM, NIfTI and GeoTIFF by who made them, Zarr
        stores, previews, reports and tables. What is empty, or only a link to elsewhere, can always be replaced.
    names
        Files, relative to `path` and with slashes, that may be replaced whatever they hold.
    by_folder
        Whether a folder will stand there; a file may be replaced by a file, as its name was given.
    """
    if path.is_symlink() or not path.exists() or (path.is_file() and not by_folder):
        return
    with output_errors(path):
        foreign = _first_foreign(path, frozenset(names))
    if foreign is not None:
        raise OutputError(
            ErrorCode.EXISTS,
            "what is to be replaced holds a file that this program did not write",
            where=foreign,
            remedy="Choose another output, or delete it yourself",
        )


def check_place(path: Path) -> None:
    """Raise ``E_OUTPUT`` if nothing can be written under the name `path`, before the work for it is done."""
    with output_errors(path):
        folder = path.absolute().parent
        while not folder.exists():
            folder = folder.parent
        # Permissions say too little: of the superuser, of file systems that are read-only, of quotas.
        Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder)).rmdir()


def check_file_place(path: Path) -> None:
    """Raise ``E_EXISTS`` or ``E_OUTPUT`` if no file can be written as `path`, before the work for it is done."""
    with output_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        raise OutputError(
            ErrorCode.EXISTS,
            "a folder is in the place of a file to be written",
            where=path,
            remedy="Choose another name",
        )
    check_place(path)


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
    check_replaceable(path, by_folder=False)
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
def staged_folder(path: Path, *, overwrite: bool = False, recognised: bool = False) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; rename it to `path` when the block ends without an error.

    An existing folder is replaced as a whole, never merged into, so that no file of an earlier run remains. It is kept
    if it holds a file that :func:`check_replaceable` does not recognise and that the new folder does not hold too.

    Parameters
    ----------
    path
        The folder.
    overwrite
        Whether it may be replaced.
    recognised
        Whether all that is written can be recognised: then what is in the way is refused before the block runs, and
        files of the same name are no exception.

    Raises
    ------
    OutputError
        As for :func:`staged_file`; ``E_EXISTS`` also for a folder that must not be replaced.
    """
    check_absent(path, overwrite=overwrite)
    if recognised:
        check_replaceable(path)
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
    """Rename a finished file or folder to `path`, in place of what stands there; its own folder must be ours.

    What lies beside an older TIFF and describes it goes with it.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if that would delete files of others; see :func:`check_replaceable`.
    """
    if new.is_dir():
        check_replaceable(path, {file.relative_to(new).as_posix() for file in _entries(new)})
        _replace_folder(new, path)
        return
    check_replaceable(path, by_folder=False)
    _synchronise(new)
    new.chmod(0o666 & ~_umask())
    with _without_sidecars(path, new.parent):
        if path.is_dir() and not path.is_symlink():
            _replace_folder(new, path)
        else:
            os.replace(new, path)  # noqa: PTH105 (replaces atomically; Path.replace is the same call)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's error while writing `path` into an :class:`OutputError` of one line.

    An input that is read meanwhile and may not be is an :class:`InputError`.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if _is_disk_full(error):
            raise disk_full(path) from error
        if isinstance(error, PermissionError) and not _is_of_output(error.filename, path):
            raise unreadable(error.filename, error) from error
        raise OutputError(
            ErrorCode.OUTPUT,
            f"the output cannot be written: {_first_line(error)}",
            where=path,
            remedy="Check the folder and its permissions",
        ) from error


def _is_of_output(name: object, path: Path) -> bool:
    """Tell whether the file that an error names is one of those that writing `path` makes or replaces."""
    if not isinstance(name, str):
        return True
    file = Path(name)
    if file in (path, *path.parents) or path in file.parents:
        return True
    beside = file.parent == path.parent and file.name.startswith((path.stem, f".{path.name}"))
    return beside or any(part.startswith(TEMPORARY_PREFIX) for part in file.parts)


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


def _sidecars(path: Path) -> list[Path]:
    """Return the files that GDAL would read as parts of a TIFF of this name."""
    if path.suffix.lower() not in {".tif", ".tiff"}:
        return []
    named = [path.with_name(path.name + ending) for ending in _SIDECARS]
    return [file for file in named if file.is_file() or file.is_symlink()]


@contextmanager
def _without_sidecars(path: Path, folder: Path) -> Iterator[None]:
    """Move what describes an older raster into our own folder, and back if the block fails."""
    moved: list[Path] = []
    try:
        for file in _sidecars(path):
            file.rename(folder / f"replaced{len(moved)}")
            moved.append(file)
        yield
    except BaseException:
        for place, file in enumerate(moved):
            (folder / f"replaced{place}").rename(file)
        raise
    for place in range(len(moved)):
        (folder / f"replaced{place}").unlink()


def _replace_folder(new: Path, path: Path) -> None:
    """Put `new` in the place of `path`, whatever stands there, with no moment at which half of it is seen."""
    if path.exists() or path.is_symlink():
        old = new.parent / "replaced"
        path.rename(old)
        new.rename(path)
    else:
        new.rename(path)


def _first_foreign(path: Path, names: frozenset[str]) -> Path | None:
    """Return the first entry under a folder, or a file itself, that is neither recognised nor one of `names`."""
    if path.is_file():
        return None if _is_made_here(path) else path
    stores: dict[Path, bool] = {}

    def in_store(folder: Path) -> bool:
        """Tell whether a folder is or lies in a Zarr group or array, at most as far up as `path`."""
        if folder not in stores:
            here = any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))
            stores[folder] = here or (folder != path and in_store(folder.parent))
        return stores[folder]

    for file in _entries(path):
        if file.relative_to(path).as_posix() not in names and not _is_known(file, in_store):
            return file
    return None


def _is_known(file: Path, in_store: Callable[[Path], bool]) -> bool:
    if file.name in _SYSTEM_FILES:
        return True
    if (file.name in _ZARR_METADATA or _ZARR_CHUNK.fullmatch(file.name)) and in_store(file.parent):
        return not file.is_symlink()
    return _is_made_here(file)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield all that is under a folder but folders, in a fixed order; links are not followed."""
    for directory, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        links = [name for name in folders if (Path(directory) / name).is_symlink()]
        yield from (Path(directory) / name for name in sorted((*files, *links)))


def _raise(error: OSError) -> None:
    # A folder that cannot be looked into may hold anything.
    raise error


def _is_made_here(file: Path) -> bool:
    """Tell by its first bytes whether this package can have written a file; nothing is lost with an empty one."""
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(31).decompress(head, _HEAD)
        except zlib.error:
            return False
    return not head or any(
        head.startswith(starts, place) and any(mark in head for mark in marks) for place, starts, marks in _MARKS
    )


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
