"""Which files are NIfTI: told from their first bytes, through gzip or not, without opening them."""

from __future__ import annotations

import gzip
import importlib
import zlib
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import missing_package

if TYPE_CHECKING:
    from pathlib import Path

# "magic" of NIfTI-1 at byte 344 and of NIfTI-2 at byte 4; the last two belong to the header of a pair of files.
_MAGIC_1 = (b"n+1\0", b"ni1\0")
_MAGIC_2 = (b"n+2\0", b"ni2\0")
_GZIP = b"\x1f\x8b"


def has_nifti_content(path: Path) -> bool:
    """Tell whether a file begins as NIfTI-1 or NIfTI-2 does."""
    start = _first_bytes(path)
    return start[344:348] in _MAGIC_1 or start[4:8] in _MAGIC_2


def is_nifti_name(path: Path) -> bool:
    """Tell whether a name promises one NIfTI file."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if file.read(2) != _GZIP:
                file.seek(0)
                return file.read(348)
        with gzip.open(path) as content:
            return content.read(348)
    except (OSError, EOFError, zlib.error):
        return b""


def load_nibabel() -> Any:  # much of it has no types
    """Return the package that reads and writes NIfTI.

    Raises
    ------
    ResourceError
        ``E_DEPENDENCY`` if it is not installed.
    """
    try:
        return importlib.import_module("nibabel")
    except ImportError as error:
        package = "nibabel"
        raise missing_package(package, "medical", "to read and write NIfTI") from error
