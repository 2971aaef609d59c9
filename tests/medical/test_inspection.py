"""Inspecting DICOM: every odd thing is named by its code, and nothing about the patient is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical.hostile_series import HOSTILE_SERIES, HostileSeries
from datprl_toolkit.medical.inspection import inspect_dicom
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring.inspection import Inspected, Inspection

# What is said of each kind of odd series, besides R_PADDING, which every synthetic CT earns.
EXPECTED = {
    "shuffled": {"W_INSTANCE_NUMBER", "R_INSTANCE_NUMBER"},
    "no-numbers": {"W_INSTANCE_NUMBER", "R_INSTANCE_NUMBER"},
    "missing": {"W_MISSING_SLICE", "R_UNEVEN_SPACING"},
    "uneven": {"W_UNEVEN_SPACING", "R_UNEVEN_SPACING"},
    "tilted": {"W_TILT", "R_SHEAR"},
    "copy": {"W_DUPLICATE", "R_DUPLICATE"},
    "collision": {"E_DUPLICATE", "R_DUPLICATE"},
    "orientations": {"W_SERIES_SPLIT", "R_MIXED_ORIENTATION"},
    "sizes": {"W_SERIES_SPLIT"},
    "two-series": {"R_MIXED_FOLDER"},
    "localizer": set(),
    "structures": set(),
    "thickness": {"R_SLICE_THICKNESS"},
    "pet-slopes": {"W_EACH_SLICE_RESCALE", "W_EMPTY_SLICE", "R_FIRST_SLOPE", "R_FIRST_SLICE_TYPE"},
    "pet-late": {"W_SERIES_TIME", "R_SERIES_TIME", "W_EACH_SLICE_RESCALE", "W_EMPTY_SLICE", "R_FIRST_SLOPE"},
    "pet-weight": {"W_NO_SUV", "W_EACH_SLICE_RESCALE", "W_EMPTY_SLICE", "R_FIRST_SLOPE", "R_FIRST_SLICE_TYPE"},
    "monochrome1": {"W_MONOCHROME1", "R_INVERTED"},
    "enhanced": {"W_EACH_SLICE_RESCALE", "R_FIRST_SLOPE", "R_ENHANCED", "R_FRAME_ORDER", "R_FRAME_RESCALE"},
    "truncated": {"E_TRUNCATED"},
    "empty-file": set(),
}


def codes(item: Inspected) -> set[str]:
    return {finding.code for finding in (*item.problems, *item.other_readers)} - {"R_PADDING"}


def only(found: Inspection) -> Inspected:
    assert len(found.items) == 1
    return found.items[0]


@pytest.mark.parametrize("kind", HOSTILE_SERIES, ids=[kind.name for kind in HOSTILE_SERIES])
def test_every_odd_series_is_told_by_its_codes(kind: HostileSeries, tmp_path: Path) -> None:
    kind.write(tmp_path / "in")
    item = inspect_dicom(tmp_path / "in").items[0]
    extra = codes(item) - EXPECTED[kind.name]
    assert EXPECTED[kind.name] <= codes(item)
    assert extra <= ({"R_FIRST_SLICE_TYPE"} if kind.name == "pet-late" else set())
    assert item.restorable == (kind.name not in ("collision", "truncated"))


def test_a_plain_series_has_no_problem(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 5)
    item = only(inspect_dicom(tmp_path / "in"))
    assert item.restorable
    assert codes(item) == set()
    assert [finding.code for finding in item.other_readers] == ["R_PADDING"]


def test_facts_are_those_of_the_headers_and_pixels(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 5)
    facts = {fact.key: fact.value for fact in only(inspect_dicom(tmp_path / "in")).facts}
    assert facts["modality"] == "CT"
    assert facts["size"] == {"slices": 5, "rows": 40, "columns": 48}
    assert facts["pixel_spacing_mm"] == {"columns": 2.5, "rows": 2.5}
    assert facts["slice_spacing_mm"] == {"smallest": 3.0, "median": 3.0, "largest": 3.0}
    assert facts["orientation"] == "axial"
    assert facts["affine_lps"] == [[2.5, 0, 0, -60], [0, 2.5, 0, -50], [0, 0, 3, -100], [0, 0, 0, 1]]
    assert facts["values"] == {"smallest": pytest.approx(-1000, abs=100), "largest": 700.0}  # padding is left out


def test_the_treatment_is_what_restoring_does(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "ct", "CT", 5)
    write_synthetic_series(tmp_path / "pet", "PT", 6)
    write_synthetic_series(tmp_path / "mr", "MR", 4)
    treated = {
        name: {fact.key: fact.value for fact in only(inspect_dicom(tmp_path / name)).treatment}
        for name in ("ct", "pet", "mr")
    }
    profiles: dict[str, Any] = {name: facts["profile"] for name, facts in treated.items()}
    assert (profiles["ct"]["low"], profiles["ct"]["high"], profiles["ct"]["taper_low"]) == (-160.0, 240.0, 20.0)
    assert [profiles[name]["name"] for name in profiles] == ["ct-soft-tissue", "pet-suv", "mr-percentile"]
    factor: Any = treated["pet"]["suv_factor"]
    assert profiles["pet"]["high"] * factor == pytest.approx(20.0)
    assert treated["ct"]["context_slices"] == [1, 2, 3, 4, 5]


def test_quick_reads_headers_alone_and_says_what_is_not_known(tmp_path: Path) -> None:
    next(kind for kind in HOSTILE_SERIES if kind.name == "truncated").write(tmp_path / "in")
    item = only(inspect_dicom(tmp_path / "in", quick=True))
    assert "values" not in {fact.key for fact in item.facts}
    assert "E_TRUNCATED" not in codes(item)
    write_synthetic_series(tmp_path / "mr", "MR", 3)
    treatment = {fact.key: fact for fact in only(inspect_dicom(tmp_path / "mr", quick=True)).treatment}
    assert treatment["profile"].value is None
    assert "not looked at" in treatment["profile"].text


def test_nothing_about_the_patient_is_told(tmp_path: Path) -> None:
    def identify(dataset: FileDataset, index: int) -> None:
        dataset.PatientName, dataset.PatientID = "Quixote^Alonso", "LM-1605-XX"
        dataset.SeriesDescription = "CT chest QUIXOTE"
        dataset.InstitutionName, dataset.ReferringPhysicianName = "La Mancha", "Panza^Sancho"

    write_synthetic_series(tmp_path / "in", "CT", 3, change=identify)
    found = inspect_dicom(tmp_path / "in")
    # The folder was named by the person who asks.
    told = json.dumps([item.as_json() for item in found.items]) + json.dumps(dict(found.skipped))
    for secret in ("quixote", "alonso", "1605", "mancha", "panza", "19700101", "20200102", "1.2.826"):
        assert secret not in told.casefold()
    assert "withheld" in told


def test_files_that_cannot_be_read_are_listed_and_do_no_harm(tmp_path: Path) -> None:
    paths = write_synthetic_series(tmp_path / "in", "CT", 4)
    paths[3].write_bytes(paths[3].read_bytes()[:150])
    (tmp_path / "in" / "notes.txt").write_text("no image")
    found = inspect_dicom(tmp_path / "in")
    assert only(found).restorable
    assert {finding.code for finding in found.problems} <= {"E_TRUNCATED", "E_CORRUPT"}
    assert found.skipped or found.problems
    assert all(finding.where is None or str(tmp_path) not in finding.where for finding in found.problems)


def test_nothing_usable_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no image")
    with pytest.raises(DatprlError) as error:
        inspect_dicom(tmp_path / "in")
    assert "\n" not in str(error.value)


@pytest.mark.shared
def test_real_series_are_described_as_they_are(shared_data: Path) -> None:
    tilted = only(inspect_dicom(shared_data / "dicom_format" / "ct_gantry_tilt_nonuniform_ge"))
    assert {"W_UNEVEN_SPACING", "W_TILT", "R_SHEAR", "R_UNEVEN_SPACING"} <= codes(tilted)
    split = inspect_dicom(shared_data / "dicom_format" / "multi_orientation_localizer", quick=True)
    assert len(split.items) == 3
    assert all({"W_SERIES_SPLIT", "R_MIXED_ORIENTATION"} <= codes(item) for item in split.items)
