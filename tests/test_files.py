"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OutputError
from datprl_toolkit.files import staged_file, staged_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_finished(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "a.txt"
    with staged_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "whole"
    assert names(tmp_path / "sub") == ["a.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_whatever_happens_nothing_half_written_remains(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), staged_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("ha")
        raise failure
    with pytest.raises(failure), staged_folder(tmp_path / "b") as folder:
        (folder / "one").write_text("1")
        raise failure
    assert names(tmp_path) == []


def test_an_existing_output_is_kept_unless_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(OutputError, match="--overwrite") as error, staged_file(target):
        pytest.fail("the block must not run")
    assert error.value.code == ErrorCode.EXISTS
    assert target.read_text() == "old"
    with staged_file(target, overwrite=True) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_a_failed_replacement_keeps_the_old_output(tmp_path: Path) -> None:
    target = tmp_path / "series"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(RuntimeError), staged_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("2")
        raise RuntimeError
    assert names(target) == ["old"]


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "series"
    target.mkdir()
    (target / "old").write_text("1")
    with staged_folder(target, overwrite=True) as folder:
        (folder / "new").write_text("2")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["series"]


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as error, staged_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("ha")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.code == ErrorCode.DISK_FULL
    assert "\n" not in str(error.value)
    assert names(tmp_path) == []


def test_a_full_disk_is_recognised_inside_the_error_of_a_library(tmp_path: Path) -> None:
    cause = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match="E_DISK_FULL"), staged_file(tmp_path / "a.dcm"):
        raise OSError("With tag got exception\nTraceback (most recent call last)") from cause


def test_an_error_about_the_input_is_not_mistaken_for_one_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="E_TRUNCATED"), staged_file(tmp_path / "a.txt"):
        raise InputError(ErrorCode.TRUNCATED, "the file ends too early", where="in.dcm")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="E_OUTPUT"), staged_file(tmp_path / "file" / "a.txt"):
        pytest.fail("the block must not run")


def test_an_error_says_what_where_and_what_to_do_in_one_line_and_survives_a_process_boundary() -> None:
    error = InputError(ErrorCode.CODEC, "no decoder\nfor this", where=Path("a.dcm"), remedy="Install one")
    assert str(error) == "E_CODEC: no decoder for this (a.dcm). Install one."
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.code) == (InputError, str(error), ErrorCode.CODEC)
    assert isinstance(copy, DatprlError)
    assert isinstance(copy, ValueError)
