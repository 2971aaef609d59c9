"""Wide CT: several windows of the width that the weights know, each restored by itself, added up without a seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.jobs.report import make_report
from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, CT_WIDE
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.restoring.stack import StackRestorer

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

WIDE = DicomOptions(ct_window="wide")


def hounsfield(folder: Path) -> npt.NDArray[np.int16]:
    files = sorted(map(pydicom.dcmread, folder.iterdir()), key=lambda each: float(each.ImagePositionPatient[2]))
    return np.stack([each.pixel_array for each in files])


def test_the_weights_of_the_windows_add_up_to_one_between_the_outermost_tapers() -> None:
    values = np.linspace(-1260, 1340, 5001)
    total = sum(window.weight(values) for window in CT_WIDE.windows)
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert not any(window.weight(np.array([-1360.1, 1440.1])).any() for window in CT_WIDE.windows)


def test_soft_tissue_is_one_of_the_windows_so_that_its_middle_is_restored_alike() -> None:
    middle = CT_WIDE.windows[4]
    assert (middle.low, middle.high) == (CT_SOFT_TISSUE.low, CT_SOFT_TISSUE.high)


def test_every_value_lies_farther_inside_one_of_the_windows_than_noise_reaches() -> None:
    values = np.linspace(-1250, 1300, 2551)
    inside = [np.minimum(values - window.low, window.high - values) for window in CT_WIDE.windows]
    assert np.max(inside, axis=0).min() >= 50.0


def test_every_tissue_is_restored_and_padding_and_what_lies_beyond_stay(tmp_path: Path, dimmer: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT")
    restore_dicom(tmp_path / "in", tmp_path / "narrow", dimmer)
    restore_dicom(tmp_path / "in", tmp_path / "wide", dimmer, WIDE)
    before, narrow, wide = (hounsfield(tmp_path / name) for name in ("in", "narrow", "wide"))
    inside = (before > -60) & (before < 140)
    np.testing.assert_array_equal(wide[inside], narrow[inside])
    outside = (before < -160) | (before > 240)
    assert (wide[outside] != before[outside]).any()
    assert (narrow[outside] == before[outside]).all()
    np.testing.assert_array_equal(wide[before == -2000], -2000)


def test_an_image_that_is_left_alone_comes_back_bit_by_bit(identity: Restorer) -> None:
    values = np.random.default_rng(0).uniform(-1500, 1600, (3, 16, 16))
    stack = StackRestorer.of_volume(lambda index: values[index], 3, identity, CT_WIDE)
    np.testing.assert_array_equal(stack.restore(values), values)


def test_it_says_how_it_was_made_and_comes_out_the_same_again(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "CT", 3)
    restore_dicom(tmp_path / "in", tmp_path / "out", tiny, WIDE)
    image = pydicom.dcmread(next((tmp_path / "out").iterdir()))
    assert "intensity profile ct-wide, -1360 to 1440 HU" in image.DerivationDescription
    (part,) = make_report(tmp_path / "in", tmp_path / "out", restorer=tiny).parts
    assert not part.failed
    assert "Restored again from the source" in {check.name for check in part.checks}
    assert (part.low, part.high) == (-160.0, 240.0)


def test_a_window_of_ct_is_refused_where_there_is_none(tmp_path: Path, tiny: Restorer) -> None:
    write_synthetic_series(tmp_path / "in", "MR", 2)
    for destination in ("out", "out.nii"):
        with pytest.raises(DatprlError) as caught:
            restore(tmp_path / "in", tmp_path / destination, tiny, RestoreOptions(ct_window="wide"))
        assert caught.value.code is ErrorCode.OPTION
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
