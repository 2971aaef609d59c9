"""One volume as a value: chosen by modality, found again by its images, cut to some slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.opening import find_series, open_volume, select_slices, series_of
from datprl_toolkit.medical.restore import restore_volume
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_synthetic_series(tmp_path / "study" / "a", "CT", 4)
    write_synthetic_series(tmp_path / "study" / "b", "PT", 3)
    return tmp_path / "study"


def test_a_modality_chooses_among_the_series_of_a_study(study: Path) -> None:
    assert open_volume(study, modality="CT").volume.shape[0] == 4
    assert open_volume(study, modality="PT").volume.unit == "Bq/ml"


def test_what_cannot_be_chosen_is_said_with_what_there_is(study: Path) -> None:
    with pytest.raises(DatprlError, match="E_AMBIGUOUS: 2 series were found"):
        open_volume(study)
    with pytest.raises(DatprlError, match=r"E_EMPTY: there is no MR series, only 1: "):
        open_volume(study, modality="MR")


def test_a_volume_is_found_again_by_its_images(study: Path) -> None:
    volume = open_volume(study, modality="CT").volume
    part = select_slices(volume, 2, 3)
    again = find_series((image.path, image.frame) for image in part.slices).volume
    assert again == part
    assert series_of(part).earliest is not None


def test_a_volume_whose_image_is_gone_or_no_longer_fits_is_refused(study: Path) -> None:
    volume = open_volume(study, modality="CT").volume
    volume.slices[1].path.write_bytes(volume.slices[0].path.read_bytes())
    with pytest.raises(DatprlError, match="E_AMBIGUOUS"):
        series_of(volume)
    volume.slices[0].path.unlink()
    with pytest.raises(DatprlError, match="E_MISSING"):
        series_of(volume)


@pytest.mark.parametrize(("first", "last"), [(0, 2), (3, 2), (1, 5)])
def test_slices_that_are_not_there_cannot_be_kept(study: Path, first: int, last: int) -> None:
    with pytest.raises(DatprlError, match=f"slices {first} to {last} are not among 4"):
        select_slices(open_volume(study, modality="CT").volume, first, last)


def test_a_volume_is_restored_as_its_folder_is(study: Path, tiny: Restorer, tmp_path: Path) -> None:
    folder = restore_dicom(study / "a", tmp_path / "folder", tiny).output
    value = restore_volume(open_volume(study, modality="CT").volume, tmp_path / "value", tiny).output
    first, second = (open_volume(path).volume for path in (folder, value))
    for one, other in zip(first.slices, second.slices, strict=True):
        assert one.sop_instance_uid == other.sop_instance_uid
        np.testing.assert_array_equal(one.read_stored(), other.read_stored())


def test_a_volume_is_never_restored_onto_its_own_files(study: Path, tiny: Restorer) -> None:
    from datprl_toolkit.medical import DicomOptions

    with pytest.raises(DatprlError, match="would replace the input"):
        restore_volume(open_volume(study, modality="CT").volume, study / "a", tiny, DicomOptions(overwrite=True))
