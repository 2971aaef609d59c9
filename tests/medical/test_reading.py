from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.data import get_testdata_file

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import header, is_dicom
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import synthetic_slice, write_synthetic_series

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset


def bundled(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def test_a_file_a_folder_and_a_folder_of_folders_are_known_as_dicom(tmp_path: Path) -> None:
    (path,) = write_synthetic_series(tmp_path / "deep" / "deeper", slices=1)
    assert is_dicom(path)
    assert is_dicom(tmp_path)


def test_a_file_without_preamble_is_known_by_its_sop_class() -> None:
    assert is_dicom(bundled("ExplVR_LitEndNoMeta.dcm"))
    assert is_dicom(bundled("ExplVR_BigEndNoMeta.dcm"))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(200), bytes(1000), b"II*\0" * 99])
def test_other_files_are_not_taken_for_dicom(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    assert not is_dicom(path)
    assert not is_dicom(tmp_path)
    assert not is_dicom(tmp_path / "absent")


def test_a_missing_path_and_an_empty_folder_have_their_own_codes(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        scan(tmp_path / "absent")
    assert caught.value.code is ErrorCode.MISSING
    with pytest.raises(InputError) as caught:
        scan(tmp_path)
    assert caught.value.code is ErrorCode.EMPTY


def test_what_is_no_slice_is_skipped_and_counted(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, slices=2)
    for name in ("rtstruct.dcm", "reportsi.dcm", "SC_rgb_rle.dcm", "rtplan.dcm"):
        shutil.copy(bundled(name), tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "zero.dcm").touch()
    write_synthetic_series(tmp_path, slices=1, series="scout", change=make_localizer)
    found = scan(tmp_path)
    assert len(found.instances) == 2
    assert found.problems == []
    assert found.skipped["localizer"] == 1
    assert found.skipped["empty file"] == 1
    assert found.skipped["file that is not DICOM"] == 1
    assert found.skipped["RT Structure Set Storage"] == 1
    assert found.skipped["Secondary Capture Image Storage"] == 1
    assert sum(found.skipped.values()) == 7


def make_localizer(dataset: FileDataset, index: int) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def test_a_dicomdir_leads_to_its_images_and_names_those_that_are_gone(tmp_path: Path) -> None:
    source = bundled("DICOMDIR").parent
    shutil.copytree(source, tmp_path / "disc")
    whole = scan(tmp_path / "disc" / "DICOMDIR")
    assert len(whole.instances) > 20
    assert whole.problems == []
    gone = whole.instances[0].image.path
    gone.unlink()
    found = scan(tmp_path / "disc" / "DICOMDIR")
    assert len(found.instances) == len(whole.instances) - 1
    assert [problem.error.code for problem in found.problems] == [ErrorCode.MISSING]
    assert gone.name in str(found.problems[0].error)


def test_a_dicomdir_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, slices=1)
    (tmp_path / "disc").mkdir()
    with header.tolerant_pydicom():
        directory = pydicom.dcmread(bundled("DICOMDIR"))
        for record in directory.DirectoryRecordSequence:
            if "ReferencedFileID" in record:
                record.ReferencedFileID = ["..", next(tmp_path.glob("*.dcm")).name]
        directory.save_as(tmp_path / "disc" / "DICOMDIR")
    found = scan(tmp_path / "disc" / "DICOMDIR")
    assert found.instances == []
    assert {problem.error.code for problem in found.problems} == {ErrorCode.CORRUPT}


@pytest.mark.parametrize("length", [135, 200, 400, 700, 1200])
def test_a_file_that_ends_in_its_header_is_truncated_not_something_else(length: int, tmp_path: Path) -> None:
    dataset = synthetic_slice("CT", 0)
    path = tmp_path / "cut.dcm"
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[:length])
    found = scan(tmp_path)
    codes = [problem.error.code for problem in found.problems]
    # Before the file says what it is, nothing more can be said than that it holds nothing known.
    assert codes == [ErrorCode.TRUNCATED] or (length < 300 and found.skipped["file without SOP class"] == 1)
    assert found.instances == []


def test_a_missing_identifier_is_corrupt(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, slices=1, change=lambda d, _: delattr(d, "SeriesInstanceUID"))
    found = scan(tmp_path)
    assert [problem.error.code for problem in found.problems] == [ErrorCode.CORRUPT]
