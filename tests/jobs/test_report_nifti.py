"""The report of NIfTI volumes: as strict as that of a series, by what NIfTI holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.reports import Part


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with series, their NIfTI files and what was restored, each with its report."""
    folder = tmp_path_factory.mktemp("nifti")
    for modality in ("CT", "PT"):
        write_synthetic_series(folder / modality, modality)
    restorer = tiny_restorer()
    restore(folder / "CT", folder / "ct.nii.gz", restorer, RestoreOptions(report=folder / "from_dicom.html"))
    restore(folder / "PT", folder / "pet.nii", restorer, RestoreOptions(report=folder / "pet.html"))
    restore(folder / "PT", folder / "suv.nii", restorer, RestoreOptions(suv="bw", strength=0))
    for name, quantity in (("ct.nii.gz", "hu"), ("suv.nii", "suv")):
        options = RestoreOptions(quantity=quantity, report=folder / f"{quantity}.html")  # type: ignore[arg-type]
        restore(folder / name, folder / f"{quantity}.nii.gz", restorer, options)
    return folder


def failed(part: Part) -> set[str]:
    return {check.name for check in part.failed}


@pytest.mark.parametrize("page", ["from_dicom", "pet", "hu", "suv"])
def test_a_restored_volume_passes_every_check(page: str, place: Path) -> None:
    text = (place / f"{page}.html").read_text(encoding="utf-8")
    assert "All checks passed" in text
    assert str(place) not in text
    assert "Restored again from the source" in text
    assert "Phantom" not in text


def test_the_unit_is_what_the_file_says(place: Path) -> None:
    (part,) = make_report(place / "suv.nii", place / "suv.nii.gz").parts
    assert part.unit == "SUV"
    assert part.measured.hottest
    (part,) = make_report(place / "ct.nii.gz", place / "hu.nii.gz").parts
    assert part.unit == "HU"


def tampered(place: Path, tmp_path: Path, change: Any) -> Path:
    image: Any = nibabel.load(place / "hu.nii.gz")
    values, affine = np.asarray(image.dataobj).copy(), image.affine.copy()
    change(values, affine)
    make: Any = nibabel.Nifti1Image
    changed = make(values, affine, image.header)
    changed.header.extensions.extend(each for each in image.header.extensions if each not in changed.header.extensions)
    nibabel.save(changed, tmp_path / "tampered.nii.gz")
    return tmp_path / "tampered.nii.gz"


def test_a_changed_voxel_outside_the_window_and_a_moved_volume_fail(place: Path, tmp_path: Path) -> None:
    def touch(values: Any, affine: Any) -> None:
        values[tuple(np.argwhere(values > 400)[0])] += 1

    def move(values: Any, affine: Any) -> None:
        affine[0, 3] += 0.5

    (part,) = make_report(place / "ct.nii.gz", tampered(place, tmp_path, touch)).parts
    assert "Pixels outside the window untouched" in failed(part)
    (part,) = make_report(place / "ct.nii.gz", tampered(place, tmp_path, move)).parts
    assert {"Position of every slice", "Header fields"} <= failed(part)


def test_what_does_not_belong_together_is_refused(place: Path) -> None:
    for before, after in (("PT", "ct.nii.gz"), ("suv.nii", "hu.nii.gz"), ("hu.nii.gz", "CT")):
        with pytest.raises(DatprlError) as caught:
            make_report(place / before, place / after)
        assert caught.value.code is ErrorCode.MISMATCH
        assert "\n" not in str(caught.value)


def test_a_report_in_two_units_is_refused_before_any_work(place: Path, tmp_path: Path) -> None:
    options = RestoreOptions(suv="bw", report=tmp_path / "page.html")
    with pytest.raises(DatprlError, match="E_OPTION"):
        restore(place / "PT", tmp_path / "out.nii", tiny_restorer(), options)
    assert list(tmp_path.iterdir()) == []
