"""Simulated series: valid, derived, labelled as what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pydicom
import pytest

from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.simulation import simulate_volume
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.medical.testing import Modality


def brighter(_: int, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return values + 5.0


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_a_simulated_series_has_the_new_values_a_new_identity_and_says_how_it_was_made(
    tmp_path: Path, modality: Modality, dciodvfy_errors: Callable[[Path], frozenset[str]]
) -> None:
    sources = write_synthetic_series(tmp_path / "source", modality, 3)
    volume = open_volume(tmp_path / "source").volume
    made = simulate_volume(volume, tmp_path / "made", brighter, "five more, seed 1")
    for before, after, path in zip(volume.slices, made.slices, sources, strict=True):
        stored = before.read_stored()
        padding = before.pixel_format.padding_mask(stored)
        expected = np.where(padding, before.read(), before.read() + 5.0)
        step = max(after.rescale.slope, 1e-12)
        np.testing.assert_allclose(after.read(), expected, atol=step / 2 * (1 + 1e-6))
        header, source = pydicom.dcmread(after.path), pydicom.dcmread(path)
        assert header.SOPInstanceUID != source.SOPInstanceUID
        assert header.SeriesInstanceUID != source.SeriesInstanceUID
        assert header.StudyInstanceUID == source.StudyInstanceUID
        assert header.ImageType[0] == "DERIVED"
        assert header.DerivationDescription.startswith("Simulated by datprl-toolkit")
        assert "five more, seed 1. Not for diagnostic use." in header.DerivationDescription
        assert header.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert header.ImagePositionPatient == source.ImagePositionPatient
        assert dciodvfy_errors(after.path) <= dciodvfy_errors(path)


def test_the_same_simulation_has_the_same_identity_and_another_has_another(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "source", "CT", 2)
    volume = open_volume(tmp_path / "source").volume
    made = [
        simulate_volume(volume, tmp_path / name, brighter, method)
        for name, method in (("a", "seed 1"), ("b", "seed 1"), ("c", "seed 2"))
    ]
    assert made[0].series_instance_uid == made[1].series_instance_uid != made[2].series_instance_uid
    assert made[0].slices[0].sop_instance_uid == made[1].slices[0].sop_instance_uid
