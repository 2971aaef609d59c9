"""Pictures inside a page: what a script unpacks is what was measured."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.reports.pictures import colour_change, encode_shown
from datprl_toolkit.reports.report import Shown

if TYPE_CHECKING:
    from collections.abc import Iterable


def unpack(text: str) -> npt.NDArray[np.int64]:
    """Undo the packing, as the page's script does."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).astype(np.int64)
    folded = (planes[: len(planes) // 2] << 8) | planes[len(planes) // 2 :]
    return (folded >> 1) ^ -(folded & 1)


def wrap(numbers: Iterable[int]) -> npt.NDArray[np.int64]:
    return (np.asarray(numbers, np.int64) + 32768) % 65536 - 32768


def decode(data: dict[str, Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    planes = []
    for before, after in zip(data["before"], data["after"], strict=True):
        first = wrap(np.cumsum(unpack(before)))
        pair = (first, wrap(first + unpack(after)))
        planes.append([np.where(n == -32768, np.nan, n * data["scale"] + data["offset"]) for n in pair])
    shape = (data["height"], data["width"])
    return np.stack([p[0].reshape(shape) for p in planes]), np.stack([p[1].reshape(shape) for p in planes])


def shown(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Shown:
    return Shown("slice 1", before.astype(np.float32), after.astype(np.float32), 0)


@given(st.integers(0, 1000), st.sampled_from([10, 3000, 30000]))
def test_whole_numbers_come_back_exactly(seed: int, largest: int) -> None:
    generator = np.random.default_rng(seed)
    before, after = generator.integers(-largest, largest, (2, 9, 7)).astype(np.float64)
    first, second = decode(encode_shown(shown(before, after)))
    assert np.array_equal(first[0], before)
    assert np.array_equal(second[0], after)


def test_other_numbers_come_back_within_a_small_share_of_their_range() -> None:
    generator = np.random.default_rng(0)
    before, after = generator.uniform(0, 25_000, (2, 40, 30))
    first, second = decode(encode_shown(shown(before, after)))
    assert np.abs(first[0] - before).max() < 25_000 / 100_000
    assert np.abs(second[0] - after).max() < 25_000 / 100_000


def test_missing_data_stay_missing_and_colours_stay_apart() -> None:
    before = np.arange(8 * 6 * 3, dtype=np.float64).reshape(8, 6, 3)
    after = before[..., ::-1].copy()
    before[2, 3] = after[2, 3] = np.nan
    first, second = decode(encode_shown(shown(before, after)))
    assert np.array_equal(np.moveaxis(first, 0, -1), before, equal_nan=True)
    assert np.array_equal(np.moveaxis(second, 0, -1), after, equal_nan=True)


def test_a_large_image_is_thinned_and_says_so() -> None:
    image = np.arange(1600.0 * 4).reshape(1600, 4)
    data = encode_shown(shown(image, image))
    assert data["step"] == 3
    assert decode(data)[0][0, 1, 0] == image[3, 0]


@pytest.mark.parametrize(("change", "colour"), [(0.0, (255, 255, 255)), (5.0, (103, 0, 31)), (-9.0, (5, 48, 97))])
def test_the_map_is_white_at_zero_and_symmetric(change: float, colour: tuple[int, int, int]) -> None:
    assert tuple(colour_change(np.full((1, 1), change), 5.0)[0, 0]) == colour
