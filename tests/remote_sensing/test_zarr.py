from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rioxarray  # noqa: F401 (gives xarray its .rio)
import xarray as xr
import zarr
from affine import Affine
from rasterio.crs import CRS

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.remote_sensing.zarr_layout import Layout
from datprl_toolkit.remote_sensing.zarr_writing import ZarrWriter
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.options import ZarrProfile
    from datprl_toolkit.restoring import Restorer


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        ("uint8", 0),
        ("uint16", 65535),
        ("int16", -32768),
        ("float32", -9999.0),
        ("float32", float("nan")),
        ("uint8", None),
    ],
)
@pytest.mark.parametrize("rotated", [False, True])
def test_xarray_and_rioxarray_read_geometry_and_nodata_without_a_warning(
    tmp_path: Path, untouched: Restorer, dtype: str, nodata: float | None, rotated: bool
) -> None:
    transform = Affine(9.5, 2.25, 5e5, 2.25, -9.5, 5e6) if rotated else Affine(10, 0, 5e5, 0, -10, 5e6)
    values = photograph(3, 300, 270, dtype)
    if nodata is not None:
        values[:, :20] = nodata
    source = write_raster(tmp_path / "scene.tif", values, nodata=nodata, transform=transform, photometric="RGB")
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    with xr.open_zarr(output, decode_coords="all") as dataset:
        restored = dataset["restored"]
        assert restored.rio.crs == CRS.from_epsg(32633)
        assert restored.rio.transform() == transform
        assert restored.dims == ("band", "y", "x")
        if nodata is None:
            assert restored.rio.encoded_nodata is None
            assert restored.dtype == dtype
        else:
            assert str(float(restored.rio.encoded_nodata)) == str(float(nodata))
            assert np.isnan(restored.values[:, :20]).all()
        assert np.array_equal(restored.values[:, 20:], values[:, 20:])
        if not rotated:
            assert restored.x.values[0] == 5e5 + 5
            assert restored.y.values[-1] == 5e6 - 2995
            assert restored.x.attrs["standard_name"] == "projection_x_coordinate"
    array = zarr.open_array(output / "restored", mode="r")
    if nodata is not None:
        assert str(np.dtype(dtype).type(array.fill_value)) == str(np.dtype(dtype).type(nodata))


def test_control_points_are_read_by_rioxarray(tmp_path: Path, untouched: Restorer) -> None:
    from rasterio.control import GroundControlPoint

    points = [GroundControlPoint(row, col, 10 + col, 50 - row, 1.0) for row in (0, 40) for col in (0, 50)]
    source = write_raster(
        tmp_path / "scene.tif",
        photograph(1, 40, 50),
        crs=None,
        transform=None,
        finish=lambda dataset: setattr(dataset, "gcps", (points, CRS.from_epsg(4326))),
    )
    output = restore_scene(source, tmp_path / "out.zarr", untouched, SceneOptions(scale=2)).output
    with xr.open_zarr(output, decode_coords="all") as dataset:
        read = dataset["restored"].rio.get_gcps()
        assert [(point.row, point.col) for point in read] == [(2 * point.row, 2 * point.col) for point in points]
        assert dataset["restored"].rio.crs == CRS.from_epsg(4326)


def test_scale_and_offset_give_physical_values_and_a_mask_lies_beside_them(tmp_path: Path, untouched: Restorer) -> None:
    mask = np.full((30, 40), 255, np.uint8)
    mask[3] = 0

    def finish(dataset: Any) -> None:
        dataset.scales, dataset.offsets = (1e-4,), (-0.1,)

    values = photograph(1, 30, 40, "uint16")
    source = write_raster(tmp_path / "scene.tif", values, mask=mask, finish=finish)
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    with xr.open_zarr(output, decode_coords="all") as dataset:
        assert dataset["restored"].values == pytest.approx(values * 1e-4 - 0.1, abs=1e-6)
        assert np.array_equal(dataset["mask"].values, mask)


def test_the_three_georeferences_say_the_same(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 30, 40))
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    group = zarr.open_group(output, mode="r")
    attributes: Any = dict(group["restored"].attrs)
    mapping = dict(group["spatial_ref"].attrs)
    assert attributes["grid_mapping"] == "spatial_ref"
    assert mapping["GeoTransform"] == "500000.0 10.0 0.0 5000000.0 0.0 -10.0"
    assert attributes["spatial:transform"] == [10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0]
    assert attributes["spatial:bbox"] == [500_000.0, 4_999_700.0, 500_400.0, 5_000_000.0]
    assert attributes["spatial:shape"] == [30, 40]
    assert attributes["proj:code"] == "EPSG:32633"
    assert {entry["uuid"] for entry in attributes["zarr_conventions"]} == {
        "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    }
    for text in (mapping["crs_wkt"], attributes["_CRS"]["wkt"], attributes["proj:wkt2"]):
        assert CRS.from_wkt(text) == CRS.from_epsg(32633)
    assert dict(group.attrs)["DATPRL_MODEL"] == "stub"
    assert str(tmp_path) not in str(attributes) + str(dict(group.attrs))


def test_a_shard_is_one_file_and_is_compressed_as_planned(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 700, 900, "uint16"), photometric="RGB")
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    files = [path for path in (output / "restored" / "c").rglob("*") if path.is_file()]
    assert len(files) == 1
    array = zarr.open_array(output / "restored", mode="r")
    assert array.chunks == (3, 256, 256)
    assert array.shards == (3, 768, 1024)
    assert "bitshuffle" in str(array.compressors)


def test_a_write_that_begins_inside_a_shard_is_an_error(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 300, 300))
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    writer = ZarrWriter(output, Layout(Scene.open(output)))
    with pytest.raises(ValueError, match="inside a shard"):
        writer.write(Window(0, 256, 256, 300), np.zeros((1, 256, 44), np.uint8), None)


def test_a_store_that_xarray_wrote_is_a_scene(tmp_path: Path, untouched: Restorer) -> None:
    values = photograph(1, 40, 50, "int16")[0]
    coordinates = {"y": 5e6 - 10 * (np.arange(40) + 0.5), "x": 5e5 + 10 * (np.arange(50) + 0.5)}
    image = xr.DataArray(values, coordinates, ("y", "x"), "elevation").rio.write_crs("EPSG:32633")
    for zarr_format in (2, 3):
        store = tmp_path / f"scene{zarr_format}.zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.to_dataset().to_zarr(store, zarr_format=zarr_format)
        scene = Scene.open(store)
        assert scene.grid.crs == CRS.from_epsg(32633)
        assert scene.grid.transform == pytest.approx(Affine(10, 0, 5e5, 0, -10, 5e6))
        output = restore_scene(store, tmp_path / f"out{zarr_format}.tif", untouched).output
        with Scene.open(output).reader() as reader:
            assert np.array_equal(reader.read([1], whole((40, 50))).values[0], values)


def test_a_fill_value_that_no_pixel_can_have_is_left_out_with_a_warning(tmp_path: Path, untouched: Restorer) -> None:
    group = zarr.open_group(tmp_path / "scene.zarr", mode="w")
    array = group.create_array("image", shape=(20, 30), dtype="uint8", dimension_names=("y", "x"))
    array[:] = photograph(1, 20, 30)[0]
    array.attrs["_FillValue"] = -9999
    outcome = restore_scene(tmp_path / "scene.zarr", tmp_path / "out.tif", untouched)
    assert [warning.split(":")[0] for warning in outcome.warnings] == ["W_NODATA"]
    assert Scene.open(outcome.output).nodata is None


@pytest.mark.parametrize("profile", ["default", "qgis", "legacy"])
@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0), ("float32", float("nan")), ("int16", None)])
def test_every_profile_comes_back_as_the_scene_that_it_was(
    tmp_path: Path, untouched: Restorer, profile: ZarrProfile, dtype: str, nodata: float | None
) -> None:
    mask = None if nodata is not None else np.where(photograph(1, 60, 70)[0] > 120, 255, 0).astype(np.uint8)
    source = write_raster(tmp_path / "scene.tif", photograph(2, 60, 70, dtype), nodata=nodata, mask=mask)
    output = restore_scene(source, tmp_path / "out.zarr", untouched, SceneOptions(zarr_profile=profile)).output
    before, after = Scene.open(source), Scene.open(output)
    assert repr(after.nodata) == repr(before.nodata)
    assert (after.grid, after.dtype, after.has_mask) == (before.grid, before.dtype, before.has_mask)
    with before.reader() as old, after.reader() as new:
        area = whole((60, 70))
        assert old.read([1, 2], area).values.tobytes() == new.read([1, 2], area).values.tobytes()
        assert mask is None or np.array_equal(new.read_mask(area), mask)


def test_a_store_with_several_images_or_none_is_refused(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "scene.zarr", mode="w")
    for names in ((), ("a", "b")):
        for name in names:
            group.create_array(name, shape=(4, 4), dtype="uint8")
        with pytest.raises(DatprlError) as caught:
            Scene.open(tmp_path / "scene.zarr")
        assert caught.value.code is ErrorCode.AMBIGUOUS


@pytest.mark.parametrize("axes", [("y", "x", "band"), ("time", "y", "x"), ("band", "x", "y")])
def test_a_store_whose_axes_are_not_bands_rows_and_columns_is_refused(tmp_path: Path, axes: tuple[str, ...]) -> None:
    group = zarr.open_group(tmp_path / "scene.zarr", mode="w")
    group.create_array("image", shape=(4, 5, 6), dtype="uint8", dimension_names=axes)
    with pytest.raises(DatprlError, match=", ".join(axes)) as caught:
        Scene.open(tmp_path / "scene.zarr")
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_a_store_with_a_damaged_chunk_is_corrupt(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 300, 300))
    output = restore_scene(source, tmp_path / "out.zarr", untouched).output
    (chunk,) = (path for path in (output / "restored" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(DatprlError) as caught:
        restore_scene(output, tmp_path / "again.tif", untouched)
    assert caught.value.code is ErrorCode.CORRUPT
    assert not (tmp_path / "again.tif").exists()
