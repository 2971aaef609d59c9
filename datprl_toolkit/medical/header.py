"""Attributes of a DICOM header, read without trusting them: a broken value is an absent value, never a traceback."""

from __future__ import annotations

import logging
import math
import os
import re
import struct
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pydicom
from pydicom import config
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from datprl_toolkit.errors import ErrorCode, InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREAMBLE_LENGTH = 128
STANDARD_UID_ROOT = "1.2.840.10008."
PIXEL_DATA_TAGS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # (7FE0,0010), little and big endian
FIRST_GROUPS = (b"\x02\x00", b"\x00\x02", b"\x08\x00", b"\x00\x08")  # little and big endian
SEARCH_CHUNK = 1 << 20
SHORTEST_NAME = 3  # letters; shorter parts of a name would be found in many words
WITHHELD = "(withheld: it names the patient)"


_tolerant: ContextVar[bool] = ContextVar("tolerant", default=False)


@contextmanager
def tolerant_pydicom() -> Iterator[None]:
    """Let pydicom read and carry over what scanners wrote, without warnings on the screen.

    Real headers break rules of the standard (a decimal string of 17 characters, a misspelt code). They are kept as
    they are; what this package adds is checked by its own tests. Entering it again inside itself costs nothing.
    """
    if _tolerant.get():
        yield
        return
    logger = logging.getLogger("pydicom")
    disabled = logger.disabled
    token = _tolerant.set(True)
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        # Not its level: to change that clears the caches of every logger of the process.
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = disabled
            _tolerant.reset(token)


def has_preamble(path: Path) -> bool:
    """Return whether a file starts with the 128 bytes and "DICM" of PS3.10 section 7.1."""
    try:
        with path.open("rb") as file:
            return file.read(PREAMBLE_LENGTH + 4)[PREAMBLE_LENGTH:] == b"DICM"
    except OSError:
        return False


def may_lack_preamble(path: Path) -> bool:
    """Return whether a file starts with an attribute of group 0002 or 0008, as one without preamble does.

    The test is cheap, and keeps the parser away from large files of other formats, whose bytes it would take for
    lengths.
    """
    try:
        with path.open("rb") as file:
            return file.read(2) in FIRST_GROUPS
    except OSError:
        return False


def read_dataset(path: Path, *, pixels: bool) -> FileDataset:
    """Read one DICOM file, with or without its pixel data.

    Files without the preamble, as some archives write them, are read if they name a SOP class of the standard.

    Raises
    ------
    InputError
        ``E_UNKNOWN_FORMAT`` if the file is not DICOM; ``E_TRUNCATED`` if it ends inside its header;
        ``E_CORRUPT`` if it cannot be read.
    """
    forced = not has_preamble(path)
    if forced and os.access(path, os.R_OK) and not may_lack_preamble(path):
        raise _not_dicom(path)
    try:
        with tolerant_pydicom():
            dataset = pydicom.dcmread(path, stop_before_pixels=not pixels, force=forced)
            _complete_file_meta(dataset)
    except OSError as error:
        raise unreadable(path, error) from error
    except InvalidDicomError as error:
        raise _not_dicom(path) from error
    except (EOFError, struct.error) as error:
        code = ErrorCode.UNKNOWN_FORMAT if forced else ErrorCode.TRUNCATED
        raise InputError(code, "the file ends inside its DICOM header", where=path) from error
    # pydicom raises whatever its parser trips over; at this border every one of them means the same.
    except Exception as error:
        if forced:
            raise _not_dicom(path) from error
        raise InputError(
            ErrorCode.CORRUPT, f"the DICOM header cannot be read ({type(error).__name__})", where=path
        ) from error
    if forced and not text(dataset, "SOPClassUID").startswith(STANDARD_UID_ROOT):
        raise _not_dicom(path)
    return dataset


def _not_dicom(path: Path) -> InputError:
    return InputError(ErrorCode.UNKNOWN_FORMAT, "the file is not DICOM", where=path)


def _complete_file_meta(dataset: FileDataset) -> None:
    """Name the transfer syntax of a file without file meta information by how its header was encoded."""
    if not hasattr(dataset, "file_meta") or dataset.file_meta is None:
        dataset.file_meta = FileMetaDataset()
    if not text(dataset.file_meta, "TransferSyntaxUID"):
        implicit, little_endian = dataset.original_encoding
        if implicit:
            syntax = ImplicitVRLittleEndian
        else:
            syntax = ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = syntax


def transfer_syntax(dataset: FileDataset) -> UID:
    """Return the transfer syntax in which the file of `dataset` is written."""
    with tolerant_pydicom():
        return UID(text(dataset.file_meta, "TransferSyntaxUID"))


def holds_pixel_data(path: Path) -> bool:
    """Return whether a file has at least the beginning of pixel data, even if pydicom could read none."""
    overlap = b""
    with path.open("rb") as file:
        while chunk := file.read(SEARCH_CHUNK):
            if any(tag in overlap + chunk for tag in PIXEL_DATA_TAGS):
                return True
            overlap = chunk[-3:]
    return False


def value(dataset: Dataset, keyword: str) -> Any:
    """Return the value of an attribute, or None if it is absent, empty or cannot be decoded."""
    try:
        with tolerant_pydicom():
            found = dataset.get(keyword)
    # Values are decoded when they are asked for, and a broken one may raise anything.
    except Exception:
        return None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


def private_value(dataset: Dataset, group: int, creator: str, element: int) -> Any:
    """Return the value of a private attribute of a creator's block (PS3.5 section 7.8.1), or None as :func:`value`."""
    try:
        with tolerant_pydicom():
            return dataset.private_block(group, creator)[element].value
    except Exception:
        return None


def text(dataset: Dataset, keyword: str) -> str:
    """Return a text attribute without surrounding blanks; the empty string if it is absent or broken."""
    found = value(dataset, keyword)
    if found is None:
        return ""
    if isinstance(found, (list, tuple)) or type(found).__name__ == "MultiValue":
        found = found[0]
    return str(found).strip(" \0")


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Return all values of a text attribute, without surrounding blanks."""
    found = value(dataset, keyword)
    if found is None:
        return ()
    if isinstance(found, str) or not hasattr(found, "__iter__"):
        found = [found]
    return tuple(str(item).strip(" \0") for item in found)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return all values of a numeric attribute as finite floats; empty if absent or if one of them is not finite."""
    found = value(dataset, keyword)
    if found is None or isinstance(found, (Dataset, bytes)):
        return ()
    items = found if hasattr(found, "__iter__") and not isinstance(found, str) else [found]
    try:
        result = tuple(float(item) for item in items)
    except (TypeError, ValueError, OverflowError):
        return ()
    return result if all(math.isfinite(item) for item in result) else ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return a numeric attribute of one value, or None if it is absent, broken or not finite."""
    found = numbers(dataset, keyword)
    return found[0] if len(found) == 1 else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return an integer attribute of one value, or None if it is absent or broken."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence; empty if it is absent or broken."""
    found = value(dataset, keyword)
    if found is None or isinstance(found, (str, bytes)) or not hasattr(found, "__iter__"):
        return ()
    return tuple(item for item in found if isinstance(item, Dataset))


def describe_series(dataset: Dataset) -> str:
    """Return Series Description (0008,103E), by which people tell series apart, unless it names the patient.

    It is free text that PS3.15 table E.1-1 allows to keep once it is cleaned. Names, identifiers and dates are shown
    nowhere; here they are looked for, since some sites type them into it.
    """
    written = text(dataset, "SeriesDescription")
    names = re.split(r"[\^=\s]+", text(dataset, "PatientName"))
    secrets = [*names, text(dataset, "PatientID"), text(dataset, "PatientBirthDate")]
    named = any(len(part) >= SHORTEST_NAME and part.casefold() in written.casefold() for part in secrets)
    return WITHHELD if named else written
