"""DICOM series against the truth, in HU and SUV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.evaluation import ImageSet, evaluate
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydicom.dataset import FileDataset


def add_to_stored(amount: int) -> Callable[[FileDataset, int], None]:
    """Return a change that adds to every stored value but padding."""

    def change(dataset: FileDataset, _: int) -> None:
        kind = np.dtype("<i2" if dataset.PixelRepresentation else "<u2")
        stored = np.frombuffer(dataset.PixelData, kind)
        padding = dataset.get("PixelPaddingValue")
        shifted = np.where(stored == padding, stored, stored + amount) if padding is not None else stored + amount
        dataset.PixelData = shifted.astype(kind).tobytes()

    return change


def values(folder: Path) -> dict[float, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Read a series with pydicom alone: values by slice position, NaN for padding."""
    slices = {}
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        stored = dataset.pixel_array.astype(np.float64)
        physical = stored * float(dataset.get("RescaleSlope", 1)) + float(dataset.get("RescaleIntercept", 0))
        if "PixelPaddingValue" in dataset:
            physical[stored == dataset.PixelPaddingValue] = np.nan
        slices[float(dataset.ImagePositionPatient[2])] = physical
    return dict(sorted(slices.items()))


def test_a_shift_of_ten_hounsfield_units_is_found_everywhere_but_in_the_padding(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "truth", "CT")
    write_synthetic_series(tmp_path / "shifted", "CT", change=add_to_stored(10))
    (score,) = evaluate([ImageSet("ct", tmp_path / "shifted", tmp_path / "truth")]).sets
    assert score.unit == "HU"
    assert len(score.images) == 6
    for image in score.images:
        for metric in ("rmse", "rmse_window", "bias"):
            assert image.restored[metric] == pytest.approx(10.0, abs=1e-9)


def test_rmse_and_psnr_of_ct_agree_with_a_plain_computation_in_the_published_window(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "truth", "CT")
    write_synthetic_series(tmp_path / "other", "CT", change=add_to_stored(7))
    (score,) = evaluate([ImageSet("ct", tmp_path / "other", tmp_path / "truth")]).sets
    truth, other = values(tmp_path / "truth"), values(tmp_path / "other")
    for image, place in zip(score.images, truth, strict=True):
        # Values in [0, 1] are float32 everywhere; that decides ties when they are rounded to 8 bits.
        unit = [np.clip(np.nan_to_num((each[place] + 160) / 400), 0, 1).astype(np.float32) for each in (other, truth)]
        eight_bit = [np.rint(each.astype(np.float64) * 255) for each in unit]
        error = np.mean((eight_bit[0] - eight_bit[1]) ** 2)
        assert image.restored["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)


def test_activity_that_is_five_percent_too_high_is_a_bias_of_five_percent_of_suv(tmp_path: Path) -> None:
    def louder(dataset: FileDataset, _: int) -> None:
        dataset.RescaleSlope = f"{float(dataset.RescaleSlope) * 1.05:.9g}"

    write_synthetic_series(tmp_path / "truth", "PT")
    write_synthetic_series(tmp_path / "louder", "PT", change=louder)
    evaluation = evaluate([ImageSet("pet", tmp_path / "louder", tmp_path / "truth")])
    (score,) = evaluation.sets
    assert score.unit == "SUV"
    filled = [image for image in score.images if np.isfinite(image.restored["bias"])]
    assert len(filled) == 5  # the first slice is empty
    for image in filled:
        assert image.restored["bias_percent"] == pytest.approx(5.0, abs=1e-3)
        assert image.restored["bias"] > 0
    assert score.summary["bias_percent"].restored.mean == pytest.approx(5.0, abs=1e-3)


def test_without_a_suv_factor_errors_are_in_activity_and_said_so(tmp_path: Path) -> None:
    def without_weight(dataset: FileDataset, _: int) -> None:
        del dataset.PatientWeight

    write_synthetic_series(tmp_path / "truth", "PT", change=without_weight)
    evaluation = evaluate([ImageSet("pet", tmp_path / "truth", tmp_path / "truth")])
    assert evaluation.sets[0].unit == "Bq/ml"
    assert any(line.startswith("W_NO_SUV") for line in evaluation.warnings)


def test_weights_restore_a_series_before_it_is_compared(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path / "truth", "CT")
    write_synthetic_series(tmp_path / "given", "CT", change=add_to_stored(10))
    images = ImageSet("ct", tmp_path / "given", tmp_path / "truth")
    (same,) = evaluate([images], restorer=identity_restorer()).sets
    for image in same.images:
        assert image.restored == pytest.approx(image.degraded)
    (changed,) = evaluate([images], restorer=tiny_restorer()).sets
    assert changed.images[0].restored["psnr"] != changed.images[0].degraded["psnr"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "truth"]


def test_series_that_do_not_lie_on_each_other_are_refused_in_one_line(tmp_path: Path) -> None:
    def elsewhere(dataset: FileDataset, index: int) -> None:
        dataset.ImagePositionPatient = [-60.0, -50.0, -99.0 + 3.0 * index]

    write_synthetic_series(tmp_path / "truth", "CT")
    write_synthetic_series(tmp_path / "elsewhere", "CT", change=elsewhere)
    write_synthetic_series(tmp_path / "short", "CT", 5)
    write_synthetic_series(tmp_path / "mr", "MR")
    write_synthetic_series(tmp_path / "two", "CT")
    write_synthetic_series(tmp_path / "two", "CT", series="other")
    cases = {
        "elsewhere": "does not lie where",
        "short": "5 slices of 48x40 and its truth 6 slices",
        "mr": "a MR series is compared with a CT series",
        "two": "2 series were found",
    }
    for name, message in cases.items():
        with pytest.raises(DatprlError) as raised:
            evaluate([ImageSet("ct", tmp_path / name, tmp_path / "truth")])
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
