from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path


def test_a_scene_knows_its_bands_without_reading_pixels(tmp_path: Path) -> None:
    def finish(dataset: object) -> None:
        dataset.scales, dataset.offsets = (0.5, 1.0), (3.0, 0.0)  # type: ignore[attr-defined]
        dataset.set_band_unit(1, "m")  # type: ignore[attr-defined]
        dataset.update_tags(2, sensor="S")  # type: ignore[attr-defined]

    path = write_raster(
        tmp_path / "scene.tif",
        photograph(2, 5, 7, "int16"),
        nodata=-32768,
        colours=[ColorInterp.gray, ColorInterp.undefined],
        descriptions=["depth", "other"],
        finish=finish,
    )
    scene = Scene.open(path)
    assert scene.grid.shape == (5, 7)
    assert scene.grid.crs == rasterio.crs.CRS.from_epsg(32633)
    assert (scene.dtype, scene.nodata) == (np.dtype("int16"), -32768)
    first, second = scene.bands
    assert (first.description, first.scale, first.offset, first.unit) == ("depth", 0.5, 3.0, "m")
    assert (second.description, second.colour, second.tags) == ("other", "undefined", {"sensor": "S"})


def test_a_pixel_is_valid_unless_nodata_mask_alpha_or_nan_says_otherwise(tmp_path: Path) -> None:
    values = photograph(4, 4, 6, "float32")
    values[0, 0, 0] = -9999
    values[1, 0, 1] = np.nan
    values[3] = 1
    values[3, 2, 2] = 0
    colours = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    path = write_raster(tmp_path / "alpha.tif", values, nodata=-9999, colours=colours, photometric="RGB")
    scene = Scene.open(path)
    with scene.reader() as reader:
        valid = reader.read([1, 2, 3], Window(0, 4, 0, 6)).valid
    expected = np.ones((3, 4, 6), bool)
    expected[0, 0, 0] = expected[1, 0, 1] = False
    expected[:, 2, 2] = False
    assert np.array_equal(valid, expected)
    assert scene.alpha == 4


def test_an_internal_mask_makes_all_bands_of_a_pixel_invalid(tmp_path: Path) -> None:
    mask = np.full((4, 6), 255, np.uint8)
    mask[1, 3] = 0
    scene = Scene.open(write_raster(tmp_path / "masked.tif", photograph(3, 4, 6), mask=mask))
    assert scene.has_mask
    with scene.reader() as reader:
        assert np.array_equal(reader.read([1, 2, 3], Window(0, 4, 0, 6)).valid, np.stack([mask != 0] * 3))


def test_a_nodata_option_replaces_the_scenes_own(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", np.array([[[0, 7]]], np.uint8), nodata=0)
    scene = Scene.open(path, nodata=7)
    with scene.reader() as reader:
        assert reader.read([1], Window(0, 1, 0, 2)).valid.tolist() == [[[True, False]]]


@pytest.mark.parametrize("nodata", [-1, 256, 1.5, float("nan")])
def test_a_nodata_option_that_no_pixel_can_have_is_refused(tmp_path: Path, nodata: float) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(1, 2, 2))
    with pytest.raises(DatprlError) as caught:
        Scene.open(path, nodata=nodata)
    assert caught.value.code is ErrorCode.OPTION


def test_control_points_are_kept_and_there_is_no_transform(tmp_path: Path) -> None:
    points = [GroundControlPoint(row, col, col * 2.0, row * 3.0, id=f"{row}{col}") for row in (0, 4) for col in (0, 4)]
    path = write_raster(
        tmp_path / "scene.tif",
        photograph(1, 4, 4),
        crs=None,
        transform=None,
        finish=lambda dataset: setattr(dataset, "gcps", (points, CRS())),
    )
    scene = Scene.open(path)
    assert scene.grid.transform is None
    assert [(point.row, point.col) for point in scene.grid.control_points] == [(0, 0), (0, 4), (4, 0), (4, 4)]
    assert scene.grid.control_crs is None


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6])


def _text(path: Path) -> None:
    path.write_text("this is no image")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _absent(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_truncated, ErrorCode.CORRUPT),
        (_text, ErrorCode.UNKNOWN_FORMAT),
        (_empty, ErrorCode.EMPTY),
        (_absent, ErrorCode.MISSING),
        (_folder, ErrorCode.UNKNOWN_FORMAT),
    ],
)
def test_what_is_no_raster_gets_an_error_that_says_what_it_is(tmp_path: Path, spoil: object, code: ErrorCode) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(1, 8, 8))
    spoil(path)  # type: ignore[operator]
    with pytest.raises(DatprlError) as caught:
        Scene.open(path)
    assert caught.value.code is code
    assert "scene.tif" in str(caught.value)


def test_a_file_of_another_kind_is_of_unknown_format(tmp_path: Path) -> None:
    path = tmp_path / "scene.jp2"
    path.write_text("this is no image")
    with pytest.raises(DatprlError) as caught:
        Scene.open(path)
    assert caught.value.code is ErrorCode.UNKNOWN_FORMAT


def test_a_damaged_zarr_store_is_corrupt(tmp_path: Path) -> None:
    store = tmp_path / "scene.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{ not json")
    with pytest.raises(DatprlError) as caught:
        Scene.open(store)
    assert caught.value.code is ErrorCode.CORRUPT


def test_palettes_and_complex_values_are_refused_with_a_remedy(tmp_path: Path) -> None:
    palette = write_raster(
        tmp_path / "palette.tif",
        photograph(1, 8, 8),
        photometric="palette",
        finish=lambda dataset: dataset.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)}),
    )
    radar = write_raster(tmp_path / "complex.tif", np.ones((1, 8, 8), np.complex64))
    for path in (palette, radar):
        with pytest.raises(DatprlError) as caught:
            Scene.open(path)
        assert caught.value.code is ErrorCode.UNSUPPORTED
        assert caught.value.remedy


def test_bands_of_several_types_are_refused(tmp_path: Path) -> None:
    band = '<VRTRasterBand dataType="{}" band="{}"/>'
    path = tmp_path / "mixed.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="4" rasterYSize="4">{band.format("Byte", 1)}{band.format("Int16", 2)}</VRTDataset>'
    )
    with pytest.raises(DatprlError) as caught:
        Scene.open(path)
    assert caught.value.code is ErrorCode.UNSUPPORTED
