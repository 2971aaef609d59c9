"""Whatever goes wrong is one line with a code."""

from __future__ import annotations

import errno

import pytest

from datprl_toolkit.errors import ErrorCode, InputError, explained


def test_an_error_of_ours_is_explained_by_itself() -> None:
    error = InputError(ErrorCode.EMPTY, "nothing is in it")
    assert explained(error) is error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "scan.dcm"),
            "E_CORRUPT: it cannot be read: Permission denied (scan.dcm). Check its permissions and the disk.",
        ),
        (MemoryError(), "E_MEMORY: memory does not suffice. Close other programs, or do less."),
        (
            ZeroDivisionError("division\nby zero"),
            (
                "E_INTERNAL: ZeroDivisionError: division by zero. This is a fault of datprl-toolkit; please report it "
                "with what DATPRL_DEBUG=1 adds."
            ),
        ),
    ],
)
def test_an_error_of_another_kind_is_explained_in_one_line(error: Exception, line: str) -> None:
    assert str(explained(error)) == line
