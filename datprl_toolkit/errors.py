"""Typed errors: one line that says what is wrong, where, and what to do.

Every error that a user can cause has a stable :class:`ErrorCode`, so that scripts can act on it, and no error
of this kind is shown with a traceback.
"""

from __future__ import annotations

from enum import StrEnum

DEBUG_VARIABLE = "DATPRL_DEBUG"


class ErrorCode(StrEnum):
    """Stable names of everything that can go wrong with what a user gives us."""

    MISSING = "E_MISSING"  # a path does not exist
    EMPTY = "E_EMPTY"  # a folder, file or series without anything to restore
    UNKNOWN_FORMAT = "E_UNKNOWN_FORMAT"  # a file whose content is none of the formats we read
    CORRUPT = "E_CORRUPT"  # a file that cannot be read, or not be decoded although its format is known
    TRUNCATED = "E_TRUNCATED"  # a file that ends before its data do
    CODEC = "E_CODEC"  # compressed data whose decoder is not installed
    UNSUPPORTED = "E_UNSUPPORTED"  # valid input of a kind that must not or cannot be restored
    DUPLICATE = "E_DUPLICATE"  # two different slices at one position
    AMBIGUOUS = "E_AMBIGUOUS"  # several candidates where one is needed
    GEOMETRY = "E_GEOMETRY"  # position, orientation or spacing absent or contradictory
    MISMATCH = "E_MISMATCH"  # two inputs that do not belong together
    QUANTITY = "E_QUANTITY"  # a value needed for a physical unit is absent or absurd
    EXISTS = "E_EXISTS"  # the output is there already
    OUTPUT = "E_OUTPUT"  # the output cannot be written
    DISK_FULL = "E_DISK_FULL"  # no space left while writing
    WEIGHTS = "E_WEIGHTS"  # weights that are unknown, damaged or of another network
    WEIGHTS_TASK = "E_WEIGHTS_TASK"  # weights that were not trained for what is asked
    OPTION = "E_OPTION"  # an option with a value that cannot be used
    DEVICE = "E_DEVICE"  # a device that is not there
    MEMORY = "E_MEMORY"  # not enough memory even for the smallest batch
    INTERNAL = "E_INTERNAL"  # a fault of ours
    DIVERGED = "E_DIVERGED"  # a training run whose loss is no longer finite
    DEPENDENCY = "E_DEPENDENCY"  # an optional package that is needed here is not installed
    WORKFLOW = "E_WORKFLOW"  # a workflow whose parts do not fit together
    NODE = "E_NODE"  # a workflow node that cannot be loaded or that failed in a way of its own


class DatprlError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    code
        Stable name of the kind of error.
    what
        What is wrong, as a sentence without a full stop.
    where
        The file, option or value that it concerns, as the user named it.
    remedy
        What to do about it, as a sentence without a full stop.
    """

    def __init__(self, code: ErrorCode, what: str, *, where: object = None, remedy: str = "") -> None:
        self.code = code
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(code, what, self.where, remedy)

    def __str__(self) -> str:
        location = "" if self.where is None else f" ({self.where})"
        remedy = f". {self.remedy}" if self.remedy else ""
        line = f"{self.code}: {self.what}{location}{remedy}."
        return " ".join(line.split())

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.what, self.where, self.remedy)


def _rebuild(kind: type[DatprlError], code: ErrorCode, what: str, where: str | None, remedy: str) -> DatprlError:
    """Rebuild an error on the other side of a process boundary."""
    return kind(code, what, where=where, remedy=remedy)


class InputError(DatprlError, ValueError):
    """What was given to be restored cannot be."""


class OutputError(DatprlError, OSError):
    """The result cannot be written."""

    # OSError formats itself from its arguments; ours is the one line.
    __str__ = DatprlError.__str__


class WeightsError(DatprlError, ValueError):
    """Weights cannot be found, read, or used for what is asked."""


class OptionError(DatprlError, ValueError):
    """An option has a value that cannot be used."""


class ResourceError(DatprlError, RuntimeError):
    """The machine lacks what is needed: a device, memory or a package."""


def unreadable(where: object, error: OSError) -> InputError:
    """Return the error for an input that the operating system does not let us read."""
    return InputError(
        ErrorCode.CORRUPT,
        f"it cannot be read: {error.strerror or error}",
        where=where,
        remedy="Check its permissions and the disk",
    )


def explained(error: BaseException) -> DatprlError:
    """Return an error of ours as it is, and any other as the one line that a person can act on.

    Parameters
    ----------
    error
        What was caught where nothing more is known of it.

    Returns
    -------
    ``E_CORRUPT`` for a file that may not be read, ``E_MEMORY``, or else ``E_INTERNAL``.
    """
    if isinstance(error, DatprlError):
        return error
    if isinstance(error, PermissionError) and error.filename is not None:
        return unreadable(error.filename, error)
    if isinstance(error, MemoryError):
        return ResourceError(ErrorCode.MEMORY, "memory does not suffice", remedy="Close other programs, or do less")
    line = " ".join(str(error).split())
    return DatprlError(
        ErrorCode.INTERNAL,
        f"{type(error).__name__}: {line}",
        remedy=f"This is a fault of datprl-toolkit; please report it with what {DEBUG_VARIABLE}=1 adds",
    )


def missing_package(package: str, extra: str, purpose: str) -> ResourceError:
    """Return the error for an optional package that is needed and not installed."""
    return ResourceError(
        ErrorCode.DEPENDENCY,
        f"the package '{package}' is needed {purpose} and is not installed",
        remedy=f"Install it with: pip install 'datprl-toolkit[{extra}]'",
    )
