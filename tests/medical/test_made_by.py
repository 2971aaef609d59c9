"""What a restored image says about how it was made is read back as it was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.made_by import read_made_by
from datprl_toolkit.medical.matching import match_series
from datprl_toolkit.medical.provenance import Provenance
from datprl_toolkit.medical.testing import write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path


@given(
    low=st.floats(-1e5, 1e5),
    width=st.floats(0.01, 1e6),
    strength=st.floats(0, 1),
    unit=st.sampled_from(["HU", "Bq/ml", "SUV", "1"]),
    name=st.sampled_from(["small", "md-9t (ours), v2; best", "w, sha256 trap"]),
    earlier=st.sampled_from(["", "MPR of 1; "]),
    arithmetic=st.sampled_from(["float32", "bfloat16", "onnxruntime"]),
    mean=st.booleans(),
)
def test_a_description_is_read_back(
    low: float, width: float, strength: float, unit: str, name: str, earlier: str, arithmetic: str, mean: bool
) -> None:
    profile = IntensityProfile("pet-suv", low, low + width, unit)
    made = Provenance(name, "ab" * 32, "ct_denoising", profile, strength, "", "CT", datetime(2026, 1, 2))
    made = replace(made, arithmetic=arithmetic, self_ensemble=mean)
    dataset = Dataset()
    dataset.DerivationDescription = earlier + made.description()
    found = read_made_by(dataset)
    assert found is not None
    assert (found.weights, found.weights_sha256, found.task) == (name, "ab" * 32, "ct_denoising")
    assert found.low == pytest.approx(low, rel=1e-5, abs=1e-30)
    assert found.high == pytest.approx(low + width, rel=1e-5, abs=1e-30)
    assert found.strength == pytest.approx(strength, rel=1e-5, abs=1e-30)
    assert (found.profile, found.unit, found.self_ensemble) == ("pet-suv", unit, mean)


@pytest.mark.parametrize("text", ["", "MIP", "Restored by datprl-toolkit", "Restored by datprl-toolkit 1 (DATPRL-IR"])
def test_another_description_names_nothing(text: str) -> None:
    dataset = Dataset()
    dataset.DerivationDescription = text
    assert read_made_by(dataset) is None


def test_slices_without_a_named_source_are_paired_by_position(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "a", "CT", 5)
    write_synthetic_series(
        tmp_path / "b", "CT", 5, series="two",
        change=lambda d, i: setattr(d, "ImagePositionPatient", [-60.2, -50, -100 + 3 * i]),
    )  # fmt: skip
    (pair,) = match_series(tmp_path / "a", tmp_path / "b")
    assert pair.linked == 0
    assert pair.made_by is None
    places = [[image.geometry.position[2] for image in volume.slices] for volume in (pair.before, pair.after)]
    assert places[0] == places[1]
