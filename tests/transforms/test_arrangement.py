"""However a volume was turned round, the same slices come out, and go back where they came from."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel import eulerangles, orientations

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.transforms.arrangement import UNKNOWN_AFFINE, arrange, find_slice_axis

AXIAL = np.diag([-0.8, -0.8, 3.0, 1.0])  # columns to the left, rows to the back, slices to the head
Turned = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


def turned(volume: npt.NDArray[np.int64], affine: npt.NDArray[np.float64], axes: list[int], flips: list[int]) -> Turned:
    """Permute and flip axes as other programs do, with nibabel's own arithmetic of affines."""
    orientation = np.array([[axis, flip] for axis, flip in zip(axes, flips, strict=True)])
    data = orientations.apply_orientation(volume, orientation)  # type: ignore[no-untyped-call]
    back = orientations.inv_ornt_aff(orientation, volume.shape)  # type: ignore[no-untyped-call]
    return data, affine @ back


@given(
    axes=st.sampled_from([list(order) for order in permutations(range(3))]),
    flips=st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3),
    plane=st.sampled_from(["axial", "coronal", "sagittal"]),
)
def test_turning_a_volume_round_changes_neither_its_slices_nor_the_way_back(
    axes: list[int], flips: list[int], plane: str
) -> None:
    columns = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}[plane]
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for index, axis in enumerate(columns):
        affine[axis, index] = 3.0 if index == 2 else 0.8
    # A head that is tilted a little is still laid out by its nearest plane.
    affine[:3, :3] = eulerangles.euler2mat(0.1, -0.2, 0.15) @ affine[:3, :3]  # type: ignore[no-untyped-call]
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    expected = arrange(affine).to_stack(volume)
    data, moved = turned(volume, affine, axes, flips)
    arrangement = arrange(moved)
    np.testing.assert_array_equal(arrangement.to_stack(data), expected)
    np.testing.assert_array_equal(arrangement.from_stack(expected), data)
    np.testing.assert_allclose(arrangement.spacing, (3.0, 0.8, 0.8))


def test_an_axial_series_is_laid_out_as_its_images_show_it() -> None:
    volume = np.arange(24).reshape(2, 3, 4)
    for affine in (AXIAL, UNKNOWN_AFFINE):
        np.testing.assert_array_equal(arrange(affine).to_stack(volume), volume.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("row", "column"),
    [((1, 0, 0), (0, 0, -1)), ((0, 1, 0), (0, 0, -1)), ((-1, 0, 0), (0, -1, 0)), ((0, 1, 0), (-1, 0, 0))],
)
def test_the_orientation_of_the_source_is_followed_where_it_is_known(
    row: tuple[int, ...], column: tuple[int, ...]
) -> None:
    affine = np.eye(4)
    for axis, direction in enumerate((row, column, np.cross(row, column))):
        affine[:3, axis] = np.array(direction) * (-1, -1, 1)
    volume = np.arange(24).reshape(2, 3, 4)
    stack = arrange(affine, orientation=[*row, *column]).to_stack(volume)
    np.testing.assert_array_equal(stack, volume.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("spacing", "axis"), [((1, 1, 3), 2), ((3, 1, 1), 0), ((0.7, 0.5, 0.7), 1), ((1, 1, 1), 2), ((1, 4, 2), 1)]
)
def test_slices_are_stacked_along_the_axis_whose_spacing_differs(spacing: tuple[float, ...], axis: int) -> None:
    assert find_slice_axis(spacing) == axis


def test_the_axis_of_the_slices_can_be_named() -> None:
    arrangement = arrange(AXIAL, slice_axis=1)
    assert arrangement.axes[0] == 1
    assert arrangement.spacing == (0.8, 3.0, 0.8)


@pytest.mark.parametrize("affine", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_what_is_no_affine_is_refused(affine: npt.NDArray[np.float64]) -> None:
    with pytest.raises(DatprlError) as caught:
        arrange(affine)
    assert caught.value.code is ErrorCode.GEOMETRY


def test_an_axis_that_is_none_is_refused() -> None:
    with pytest.raises(DatprlError) as caught:
        arrange(AXIAL, slice_axis=3)
    assert caught.value.code is ErrorCode.OPTION
