"""NIfTI from DICOM, judged by SimpleITK, which reads both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from datprl_toolkit.medical.nifti_export import write_nifti
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.medical.testing import Modality


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_values_and_places_are_those_that_another_reader_finds_in_the_dicom_files(
    tmp_path: Path, modality: Modality
) -> None:
    paths = write_synthetic_series(tmp_path / "series", modality, 4)
    write_nifti(open_volume(tmp_path / "series").volume, tmp_path / "volume.nii.gz")
    written: Any = sitk.ReadImage(str(tmp_path / "volume.nii.gz"))
    for index, path in enumerate(paths):
        source: Any = sitk.ReadImage(str(path))
        row, column = 7, 11
        point = source.TransformIndexToPhysicalPoint((column, row, 0))
        place = written.TransformPhysicalPointToIndex(point)
        assert written.GetPixel(place) == pytest.approx(source.GetPixel(column, row, 0), rel=1e-6), index
        assert np.allclose(written.TransformIndexToPhysicalPoint(place), point, atol=1e-3)
