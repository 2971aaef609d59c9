from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom.dataset import FileDataset

from datprl_toolkit.errors import ErrorCode
from datprl_toolkit.medical.grouping import Series, group_series
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.testing import SPACING, synthetic_uid, write_synthetic_series

if TYPE_CHECKING:
    from pathlib import Path

Change = Callable[[FileDataset, int], None]


def grouped(folder: Path) -> list[Series]:
    return group_series(scan(folder).instances)


def heights(series: Series) -> list[float]:
    return [image.geometry.position[2] for image in series.volume.slices]


def set_attribute(keyword: str, value: Callable[[int], object]) -> Change:
    return lambda dataset, index: setattr(dataset, keyword, value(index))


def test_order_comes_from_positions_not_from_numbers_or_names(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, change=set_attribute("InstanceNumber", lambda index: [4, 1, 6, 2, 5, 3][index]))
    (series,) = grouped(tmp_path)
    assert heights(series) == [-100 + SPACING * index for index in range(6)]
    assert series.warnings == ()


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImageOrientationPatient", lambda i: [1, 0, 0, 0, 1, 0] if i % 2 else [0, 1, 0, -1, 0, 0]),
        ("PixelSpacing", lambda i: [2.5, 2.5] if i % 2 else [1.25, 1.25]),
        ("ImageType", lambda i: ["ORIGINAL", "PRIMARY", "M"] if i % 2 else ["ORIGINAL", "PRIMARY", "P"]),
        ("EchoTime", lambda i: "12" if i % 2 else "90"),
        ("TemporalPositionIdentifier", lambda i: i % 2 + 1),
        ("DiffusionBValue", lambda i: float(i % 2)),
        ("SeriesInstanceUID", lambda i: synthetic_uid("series", i % 2)),
    ],
)
def test_images_of_different_kinds_in_one_folder_are_different_volumes(
    keyword: str, value: Callable[[int], object], tmp_path: Path
) -> None:
    write_synthetic_series(tmp_path, "MR", change=set_attribute(keyword, value))
    found = grouped(tmp_path)
    assert [len(series.volume.slices) for series in found] == [3, 3]
    assert [series.index for series in found] == [1, 2]
    assert all(series.error is None for series in found)


def test_images_of_different_sizes_are_different_volumes(tmp_path: Path) -> None:
    def shrink(dataset: FileDataset, index: int) -> None:
        if index < 2:
            dataset.Rows = 20
            dataset.PixelData = dataset.PixelData[: 20 * dataset.Columns * 2]

    write_synthetic_series(tmp_path, change=shrink)
    assert sorted(series.volume.shape for series in grouped(tmp_path)) == [(2, 20, 48), (4, 40, 48)]


@pytest.mark.parametrize("keyword", ["TriggerTime", "AcquisitionTime", "AcquisitionNumber", "FrameReferenceTime"])
def test_attributes_that_vary_within_a_stack_split_it_only_where_positions_collide(
    keyword: str, tmp_path: Path
) -> None:
    value = {"AcquisitionTime": "10{:04d}"}.get(keyword, "{}")
    write_synthetic_series(tmp_path / "stack", "MR", change=set_attribute(keyword, lambda i: value.format(i + 1)))
    assert len(grouped(tmp_path / "stack")) == 1

    def two_phases(dataset: FileDataset, index: int) -> None:
        setattr(dataset, keyword, value.format(index // 3 + 1))
        dataset.ImagePositionPatient = [0.0, 0.0, float(index % 3)]

    write_synthetic_series(tmp_path / "phases", "MR", change=two_phases)
    found = grouped(tmp_path / "phases")
    assert [heights(series) for series in found] == [[0, 1, 2], [0, 1, 2]]


def test_exact_copies_are_left_out_with_a_word(tmp_path: Path) -> None:
    paths = write_synthetic_series(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    (series,) = grouped(tmp_path)
    assert len(series.volume.slices) == 6
    assert [line.split(":")[0] for line in series.warnings] == ["W_DUPLICATE"]


def test_a_copy_under_a_new_identifier_is_a_copy_all_the_same(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path)

    def rename(dataset: FileDataset, index: int) -> None:
        dataset.SOPInstanceUID = synthetic_uid("copy", index)
        dataset.SeriesInstanceUID = synthetic_uid("CT", "one")

    write_synthetic_series(tmp_path, series="copy", change=rename)
    (series,) = grouped(tmp_path)
    assert len(series.volume.slices) == 6
    assert "W_DUPLICATE: 6" in series.warnings[0]


def test_two_different_slices_at_one_place_are_an_error_that_names_both(tmp_path: Path) -> None:
    def collide(dataset: FileDataset, index: int) -> None:
        if index == 3:
            dataset.ImagePositionPatient = [-60.0, -50.0, -100.0 + SPACING * 2]

    paths = write_synthetic_series(tmp_path, change=collide)
    (series,) = grouped(tmp_path)
    assert series.error is not None
    assert series.error.code is ErrorCode.DUPLICATE
    assert paths[2].name in str(series.error)
    assert paths[3].name in str(series.error)


def test_vendor_notes_in_the_image_type_of_a_ct_do_not_split_it(tmp_path: Path) -> None:
    note = set_attribute("ImageType", lambda i: ["ORIGINAL", "PRIMARY", "AXIAL"] + (["ADD"] if i < 3 else []))
    write_synthetic_series(tmp_path, change=note)
    assert len(grouped(tmp_path)) == 1


def test_a_missing_slice_and_a_tilt_are_told_and_no_reason_to_stop(tmp_path: Path) -> None:
    def tilt(dataset: FileDataset, index: int) -> None:
        dataset.ImagePositionPatient = [0.0, 1.5 * index, SPACING * index]

    paths = write_synthetic_series(tmp_path, change=tilt)
    paths[3].unlink()
    (series,) = grouped(tmp_path)
    assert series.error is None
    assert [line.split(":")[0] for line in series.warnings] == ["W_MISSING_SLICE", "W_TILT"]


def test_a_small_rounding_of_direction_cosines_does_not_split_or_reorder(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def jitter(dataset: FileDataset, index: int) -> None:
        cosines = np.array([1.0, 0, 0, 0, 1, 0]) + generator.uniform(-2e-4, 2e-4, 6)
        dataset.ImageOrientationPatient = [f"{cosine:.6f}" for cosine in cosines]
        dataset.ImagePositionPatient = [-400.0, -400.0, 0.1 * index]

    write_synthetic_series(tmp_path, change=jitter)
    (series,) = grouped(tmp_path)
    assert heights(series) == pytest.approx([0.1 * index for index in range(6)])


def test_the_sample_of_a_volume_is_spread_over_it(tmp_path: Path) -> None:
    write_synthetic_series(tmp_path, slices=12)
    (series,) = grouped(tmp_path)
    sampled = [image.geometry.position[2] for image in series.volume.sample(4)]
    assert sampled == [heights(series)[index] for index in (1, 4, 7, 10)]
    assert series.volume.sample(50) == series.volume.slices
