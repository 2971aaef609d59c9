"""Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OutputError
from datprl_toolkit.files import (
    check_absent,
    check_file_place,
    check_replaceable,
    output_errors,
    staged_file,
    staged_folder,
)

SLICE = b"\0" * 128 + b"DICM" + b"DATPRL_TOOLKIT"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


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


def test_what_would_be_read_as_a_part_of_a_raster_is_replaced_on_request_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    (tmp_path / "a.tif.aux.xml").write_bytes(b"old")
    with pytest.raises(OutputError, match=r"E_EXISTS: .*a\.tif\.aux\.xml"), staged_file(path):
        pass
    assert names(tmp_path) == ["a.tif.aux.xml"]
    with staged_file(path, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert names(tmp_path) == ["a.tif"]


def test_a_replacement_that_fails_at_the_end_keeps_what_belongs_to_the_old_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "a.tif").write_bytes(b"old")
    (tmp_path / "a.tif.msk").write_bytes(b"mask")
    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OutputError, match="E_OUTPUT"), staged_file(tmp_path / "a.tif", overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.tif": b"old", "a.tif.msk": b"mask"}


def test_a_folder_that_may_not_be_looked_into_is_an_error_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(OutputError, match=r"E_OUTPUT: .*Permission denied"):
        check_absent(tmp_path / "a.tif", overwrite=False)


def test_an_input_that_may_not_be_read_while_an_output_is_written_is_no_error_of_the_output(tmp_path: Path) -> None:
    line = r"E_CORRUPT: .*Permission denied \(/data/scan\.tif\)"
    with pytest.raises(InputError, match=line), output_errors(tmp_path / "a.tif"):
        raise PermissionError(errno.EACCES, "Permission denied", "/data/scan.tif")


@pytest.mark.parametrize("name", ["a.tif", "", "a.tif.aux.xml", ".datprl-partial-1/a.tif", ".a.tif.scenes"])
def test_a_place_that_may_not_be_written_to_is_an_error_of_the_output(tmp_path: Path, name: str) -> None:
    line = r"E_OUTPUT: .*Permission denied \(.*a\.tif\)"
    with pytest.raises(OutputError, match=line), output_errors(tmp_path / "a.tif"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / name))


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
    written(target / "sub" / "old.dcm", SLICE)
    (target / "empty").mkdir()
    (target / "broken.dcm").touch()
    with staged_folder(target, overwrite=True, recognised=True) as folder:
        (folder / "new").write_text("2")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["series"]


@pytest.mark.parametrize(
    "content", [b"words", b"datprl-toolkit", b"\0" * 128 + b"DICM" + b"another maker", b"\x1f\x8bno"]
)
def test_a_folder_with_a_file_of_others_is_not_replaced_and_no_work_is_done(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "keep"
    written(target / "1.dcm", SLICE)
    written(target / "other" / "2.dcm", content)
    with (
        pytest.raises(OutputError, match=r"E_EXISTS: .* did not write \(.*keep/other/2\.dcm\)\. Choose") as error,
        staged_folder(target, overwrite=True, recognised=True),
    ):
        pytest.fail("the block must not run")
    assert "\n" not in str(error.value)
    assert (target / "other" / "2.dcm").read_bytes() == content
    assert names(tmp_path) == ["keep"]


def test_files_that_carry_no_mark_are_replaced_by_files_of_the_same_name_alone(tmp_path: Path) -> None:
    target = tmp_path / "pictures"
    written(target / "sub" / "a.png", b"old")
    with staged_folder(target, overwrite=True) as folder:
        written(folder / "sub" / "a.png", b"new")
    written(target / "mine.png", b"mine")
    with pytest.raises(OutputError, match=r"pictures/mine\.png"), staged_folder(target, overwrite=True) as folder:
        written(folder / "sub" / "a.png", b"newer")
    assert (target / "mine.png").read_bytes() == b"mine"
    assert (target / "sub" / "a.png").read_bytes() == b"new"
    assert names(tmp_path) == ["pictures"]


def test_a_link_is_replaced_but_not_what_it_leads_to_and_one_within_a_folder_is_foreign(tmp_path: Path) -> None:
    written(tmp_path / "originals" / "a.dcm", b"original")
    (tmp_path / "link").symlink_to(tmp_path / "originals")
    with staged_folder(tmp_path / "link", overwrite=True, recognised=True) as folder:
        written(folder / "1.dcm", SLICE)
    (tmp_path / "link" / "inner").symlink_to(tmp_path / "originals")
    with pytest.raises(OutputError, match="link/inner"):
        check_replaceable(tmp_path / "link")
    assert (tmp_path / "originals" / "a.dcm").read_bytes() == b"original"


def test_a_folder_of_others_is_not_replaced_by_a_file_nor_a_file_of_others_by_a_folder(tmp_path: Path) -> None:
    written(tmp_path / "folder.png" / "notes.txt", b"notes")
    with pytest.raises(OutputError, match="E_EXISTS"), staged_file(tmp_path / "folder.png", overwrite=True):
        pytest.fail("the block must not run")
    written(tmp_path / "notes", b"notes")
    with pytest.raises(OutputError, match="E_EXISTS"), staged_folder(tmp_path / "notes", overwrite=True):
        pass
    assert (tmp_path / "folder.png" / "notes.txt").exists()
    assert (tmp_path / "notes").read_bytes() == b"notes"


def test_a_zarr_store_is_replaced_unless_it_holds_what_is_not_zarr(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    for name in ("zarr.json", "band/zarr.json", "band/c/0/0", "old/.zarray", "old/0.0"):
        written(store / name, b"\1")
    check_replaceable(store)
    written(store / "band" / "notes.txt", b"notes")
    with pytest.raises(OutputError, match=r"a\.zarr/band/notes\.txt"):
        check_replaceable(store)
    written(tmp_path / "series" / "0001", b"a file without a suffix")
    with pytest.raises(OutputError, match="series/0001"):
        check_replaceable(tmp_path / "series")


def test_a_place_where_nothing_can_be_written_is_known_before(tmp_path: Path) -> None:
    written(tmp_path / "file", b"")
    with pytest.raises(OutputError, match="E_OUTPUT"):
        check_file_place(tmp_path / "file" / "sub" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="E_EXISTS: a folder"):
        check_file_place(tmp_path / "folder.png")
    check_file_place(tmp_path / "new" / "sub" / "a.png")
    assert names(tmp_path) == ["file", "folder.png"]


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
