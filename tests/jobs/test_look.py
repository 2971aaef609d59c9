"""What a person looks at: the right part, in the right window, never larger than asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import Picture
from datprl_toolkit.jobs import look
from datprl_toolkit.medical.opening import open_volume, select_slices
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.medical import Volume


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    write_synthetic_series(tmp_path / "ct", "CT", 5)
    return open_volume(tmp_path / "ct").volume


def test_slices_of_two_volumes_are_shown_in_the_window_of_the_modality(ct: Volume) -> None:
    found = look.compare_volumes(ct, ct, 2)
    assert [comparison.title for comparison in found] == ["slice 2 of 5", "slice 4 of 5"]
    assert (found[0].low, found[0].high, found[0].unit) == (-160.0, 240.0, "HU")
    np.testing.assert_array_equal(found[0].after, ct.slices[1].read().astype(np.float32))
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        look.compare_volumes(ct, select_slices(ct, 1, 2))


def test_a_slice_becomes_a_picture_whose_black_and_white_are_the_window(ct: Volume) -> None:
    picture = look.window_slice(ct, 3, -1000.0, 700.0)
    values = ct.slices[2].read()
    expected = np.rint(65535 * np.clip((values + 1000) / 1700, 0, 1))
    np.testing.assert_allclose(picture.pixels.astype(np.float64), expected, atol=1)
    with pytest.raises(DatprlError, match="not among 5"):
        look.window_slice(ct, 6, 0, 1)
    with pytest.raises(DatprlError, match="rising order"):
        look.window_slice(ct, None, 1, 0)


def test_a_scene_is_shown_with_its_missing_pixels(tmp_path: Path) -> None:
    values = photograph(3, 40, 60)
    values[:, :10] = 0
    scene = Scene.open(write_raster(tmp_path / "a.tif", values, nodata=0))
    (comparison,) = look.compare_scenes(scene, scene)
    assert comparison.before.shape == (40, 60, 3)
    assert np.isnan(comparison.before[:10]).all()
    assert np.isfinite(comparison.before[10:]).all()
    small = Scene.open(write_raster(tmp_path / "b.tif", values[:, :, :50], nodata=0))
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        look.compare_scenes(scene, small)


def test_a_small_picture_of_a_scene_is_the_mean_of_its_blocks(tmp_path: Path) -> None:
    values = photograph(1, 700, 1300)
    values[:, :100, :100] = 0
    scene = Scene.open(write_raster(tmp_path / "a.tif", values, nodata=0))
    small = look.shrink_scene(scene, 130).pixels
    assert small.shape == (70, 130)
    means = values[0].astype(float).reshape(70, 10, 130, 10).mean(axis=(1, 3))
    inside = np.ones(small.shape, bool)
    inside[:10, :10] = False
    assert np.corrcoef(small[inside], means[inside])[0, 1] > 0.98
    assert not small[:10, :10].any()


def test_small_pictures_keep_their_shape_and_never_grow(ct: Volume) -> None:
    colour = Picture(photograph(3, 50, 100).transpose(1, 2, 0), None, {})
    assert look.shrink_picture(colour, 20).pixels.shape == (10, 20, 3)
    assert look.shrink_picture(colour, 500).pixels.shape == (50, 100, 3)
    deep = Picture((photograph(1, 30, 30, "uint16")[0]), None, {})
    assert look.shrink_picture(deep, 15).pixels.dtype == np.uint8
    assert max(look.shrink_volume(ct, 24).pixels.shape) == 24


def test_pictures_of_different_shape_are_not_compared() -> None:
    first, second = (Picture(np.zeros(shape, np.uint8), None, {}) for shape in ((4, 4), (4, 5)))
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        look.compare_pictures(first, second)
