from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pydicom
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.deidentifying import deidentify
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.profiles import volume_suv_factor
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


def suv_factor(folder: Path) -> float:
    (series,) = group_series(scan(folder).instances)
    return volume_suv_factor(series.volume, series.earliest)


def test_source_and_result_stay_linked_and_keep_their_suv(tmp_path: Path, tiny: Restorer) -> None:
    pytest.importorskip("dicognito")

    def own_text(dataset: pydicom.FileDataset, index: int) -> None:
        block = dataset.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", "20200102101500")
        dataset.BurnedInAnnotation = "YES"

    write_synthetic_series(tmp_path / "in", "PT", 3, change=own_text)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny)
    made = deidentify([tmp_path / "in", tmp_path / "out"], tmp_path / "copies")
    assert made.summary == "6 files de-identified"
    assert [line.split(":")[0] for line in made.warnings] == ["W_FREE_TEXT", "W_BURNED_IN"]
    before, after = tmp_path / "copies" / "01", tmp_path / "copies" / "02"
    assert suv_factor(before) == suv_factor(after) == suv_factor(tmp_path / "in")
    (part,) = make_report(before, after).parts
    assert [check.name for check in part.checks if check.holds is False] == []
    originals = {path.read_bytes() for path in (tmp_path / "in").iterdir()}
    for path in (*before.iterdir(), *after.iterdir()):
        dataset = pydicom.dcmread(path)
        written = str(dataset)
        assert "Phantom" not in written
        assert "PHANTOM" not in written
        assert "20200102" not in written
        assert "DICOGNITO" in dataset.DeidentificationMethod
        assert path.read_bytes() not in originals
    assert dataset.PatientWeight == 75
    assert len({pydicom.dcmread(path).StudyInstanceUID for path in (*before.iterdir(), *after.iterdir())}) == 1


def test_nothing_is_written_where_suv_would_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, identity: Restorer
) -> None:
    handlers = pytest.importorskip("dicognito.datetimeanonymizer")
    write_synthetic_series(tmp_path / "in", "PT", 2)
    original = handlers.DateTimeAnonymizer
    monkeypatch.setattr(handlers, "DateTimeAnonymizer", lambda hours: original(hours - 3))
    with pytest.raises(DatprlError, match="factors to SUV would change") as caught:
        deidentify([tmp_path / "in"], tmp_path / "copies")
    assert caught.value.code is ErrorCode.QUANTITY
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_files_without_a_preamble_are_copied_and_others_are_counted(tmp_path: Path) -> None:
    first, _ = write_synthetic_series(tmp_path / "in", "CT", 2)
    first.write_bytes(first.read_bytes()[132:])
    (tmp_path / "in" / "notes.txt").write_text("not an image", encoding="utf-8")
    done = deidentify([tmp_path / "in"], tmp_path / "copies")
    assert len(list((tmp_path / "copies").glob("*.dcm"))) == 2
    assert any("W_SKIPPED_KIND: 1 x file that is not DICOM" in line for line in done.warnings)


def test_what_cannot_be_deidentified_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 1)
    (tmp_path / "empty").mkdir()
    cases = [
        ([tmp_path / "none"], tmp_path / "copies", ErrorCode.MISSING),
        ([tmp_path / "empty"], tmp_path / "copies", ErrorCode.EMPTY),
        ([tmp_path / "in"], tmp_path / "in" / "copies", ErrorCode.OPTION),
        ([tmp_path / "in"], tmp_path / "empty", ErrorCode.EXISTS),
    ]
    for sources, target, code in cases:
        with pytest.raises(DatprlError) as caught:
            deidentify(sources, target)
        assert caught.value.code is code
    monkeypatch.setitem(sys.modules, "dicognito.anonymizer", None)
    with pytest.raises(DatprlError) as caught:
        deidentify([tmp_path / "in"], tmp_path / "copies")
    assert caught.value.code is ErrorCode.DEPENDENCY
