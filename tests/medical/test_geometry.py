from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.geometry import SliceGeometry, describe_stack, distances, read_geometry

UPRIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def stack(*heights: float, shear: float = 0.0) -> list[SliceGeometry]:
    return [SliceGeometry((0.0, shear * height, height), UPRIGHT, (1.0, 1.0)) for height in heights]


def codes(lines: tuple[str, ...]) -> list[str]:
    return [line.split(":")[0] for line in lines]


def test_an_even_upright_stack_needs_no_word() -> None:
    assert describe_stack(stack(0, 3, 6, 9)) == ()


def test_a_missing_slice_is_named_by_its_position() -> None:
    (line,) = describe_stack(stack(0, 3, 9, 12))
    assert line.startswith("W_MISSING_SLICE")
    assert "6.00 mm" in line


def test_uneven_spacing_is_not_taken_for_missing_slices() -> None:
    assert codes(describe_stack(stack(0, 8.44, 16.88, 22.24, 37.0, 51.76))) == ["W_UNEVEN_SPACING"]


def test_a_gantry_tilt_is_told_with_its_angle() -> None:
    (line,) = describe_stack(stack(0, 3, 6, shear=np.tan(np.radians(15))))
    assert line.startswith("W_TILT")
    assert "15.00 degrees" in line


@given(
    angle=st.floats(-np.pi, np.pi),
    heights=st.lists(st.floats(-500, 500), min_size=3, max_size=12, unique=True),
)
def test_distances_follow_the_normal_of_a_stack_that_is_turned_any_way(angle: float, heights: list[float]) -> None:
    row = np.array([np.cos(angle), np.sin(angle), 0.0])
    column = np.array([0.0, 0.0, -1.0])
    normal = np.cross(row, column)
    turned = [
        SliceGeometry(
            tuple(normal * height + 3 * row),
            (*row, *column),
            (1.0, 1.0),
        )
        for height in heights
    ]
    np.testing.assert_allclose(distances(turned), heights, atol=1e-9)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", None),
        ("ImagePositionPatient", [0.0, 1.0]),
        ("ImagePositionPatient", [0.0, 1.0, 1e30]),
        ("ImageOrientationPatient", [0.0] * 6),
        ("ImageOrientationPatient", [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]),
        ("PixelSpacing", [0.0, 1.0]),
        ("PixelSpacing", [-1.0, 1.0]),
        ("PixelSpacing", None),
    ],
)
def test_a_place_that_cannot_be_true_is_refused(keyword: str, value: list[float] | None) -> None:
    dataset = Dataset()
    dataset.ImagePositionPatient = [0.0, 0.0, 0.0]
    dataset.ImageOrientationPatient = list(UPRIGHT)
    dataset.PixelSpacing = [1.0, 1.0]
    setattr(dataset, keyword, value)
    with pytest.raises(InputError) as caught:
        read_geometry(dataset, dataset, dataset, Path("slice.dcm"))
    assert caught.value.code is ErrorCode.GEOMETRY
    assert "slice.dcm" in str(caught.value)
