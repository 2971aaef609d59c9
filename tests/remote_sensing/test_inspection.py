"""Inspecting rasters: what is unusual has its code, and what is said is what restoring does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from rasterio.transform import from_origin

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing.inspection import inspect_scene

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring.inspection import Inspected

TRANSFORM = from_origin(300000, 5000000, 10, 10)


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    profile = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": "EPSG:32633",
        "transform": TRANSFORM,
        "nodata": 0,
        "photometric": "RGB" if values.shape[0] == 3 else "MINISBLACK",
        **options,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
    return path


def pixels(bands: int = 3, height: int = 96, width: int = 128, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (bands, height, width)).astype(dtype)


def only(path: Path, *, quick: bool = False) -> Inspected:
    found = inspect_scene(path, quick=quick)
    assert len(found.items) == 1
    return found.items[0]


def codes(item: Inspected) -> set[str]:
    return {finding.code for finding in item.problems}


def test_a_plain_scene_has_no_problem_and_is_described(tmp_path: Path) -> None:
    item = only(write(tmp_path / "in.tif", pixels()))
    assert codes(item) == set()
    assert item.restorable
    facts = {fact.key: fact.value for fact in item.facts}
    assert facts["size"] == {"rows": 96, "columns": 128}
    assert facts["crs"]["epsg"] == 32633  # type: ignore[index,call-overload]
    assert facts["transform"] == [10, 0, 300000, 0, -10, 5000000]
    assert facts["bounds"] == [300000, 4999040, 301280, 5000000]
    assert facts["nodata"] in ("0", "0.0")
    treatment = {fact.key: fact.value for fact in item.treatment}
    assert treatment["bands"] == [1, 2, 3]
    assert treatment["scaling"] == {"name": "uint8", "low": 0.0, "high": 255.0}
    assert treatment["output"] == {"bands": 3, "dtype": "uint8", "bytes": 96 * 128 * 3}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"crs": None}, "W_NO_CRS"),
        ({"crs": None, "transform": Affine.identity()}, "W_NO_GEOREFERENCE"),
        ({"transform": TRANSFORM * Affine.rotation(20)}, "W_ROTATED"),
        ({"transform": from_origin(0, 0, 10, 20)}, "W_PIXEL_SHAPE"),
        ({"nodata": None}, "W_NO_NODATA"),
        ({"compress": "JPEG", "nodata": 0}, "W_LOSSY"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_each_oddity_of_the_header_has_its_code(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    item = only(write(tmp_path / "in.tif", pixels(), **options), quick=True)
    assert codes(item) == {code}
    assert item.restorable


def test_a_nodata_value_that_no_pixel_can_have_is_told(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "in.zarr", mode="w")
    array = group.create_array("image", shape=(80, 90), dtype="uint8", dimension_names=("y", "x"))
    array[:] = 7
    array.attrs["_FillValue"] = -9999
    item = only(tmp_path / "in.zarr", quick=True)
    assert {"W_NODATA", "W_NO_GEOREFERENCE"} <= codes(item)
    assert item.title.startswith("Zarr 3")


def test_zeros_that_nothing_marks_are_noticed(tmp_path: Path) -> None:
    values = pixels()
    values[:, :30] = 0
    item = only(write(tmp_path / "in.tif", values, nodata=None))
    assert codes(item) == {"W_UNMARKED_NODATA"}
    assert "31%" in item.problems[0].text
    assert "--nodata 0" in item.problems[0].text


def test_unknown_meaning_of_values_is_told_with_the_window(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", pixels(dtype="uint16") * 10)
    item = only(path)
    assert codes(item) == {"W_SCALING_GUESSED"}
    assert "reflectance:10000" in item.problems[0].text
    scaling = {fact.key: fact.value for fact in item.treatment}["scaling"]
    assert scaling["name"] == "percentile"  # type: ignore[index,call-overload]
    quick = only(path, quick=True)
    assert {fact.key: fact.value for fact in quick.treatment}["scaling"] is None


@pytest.mark.parametrize(("reversible", "lossy"), [("YES", False), ("NO", True)])
def test_jpeg_2000_says_whether_it_lost_something(tmp_path: Path, reversible: str, lossy: bool) -> None:
    profile = {"driver": "JP2OpenJPEG", "count": 1, "height": 96, "width": 128, "dtype": "uint8", "crs": "EPSG:32633"}
    quality = {"REVERSIBLE": reversible, "QUALITY": "100" if reversible == "YES" else "20"}
    with rasterio.open(tmp_path / "in.jp2", "w", transform=TRANSFORM, **profile, **quality) as file:
        file.write(pixels(1))
    item = only(tmp_path / "in.jp2", quick=True)
    assert item.title.startswith("JPEG 2000")
    assert ("W_LOSSY" in codes(item)) == lossy


def test_bands_without_names_are_a_guess(tmp_path: Path) -> None:
    assert "W_BANDS_GUESSED" in codes(only(write(tmp_path / "in.tif", pixels(5)), quick=True))


def test_strips_of_a_wide_scene_cost_and_tiles_do_not(tmp_path: Path) -> None:
    wide = {"nodata": 0, "sparse_ok": True}
    profile = {"driver": "GTiff", "count": 1, "height": 4000, "width": 30000, "dtype": "uint8", "crs": "EPSG:32633"}
    for name, options in (("strips", {}), ("tiles", {"tiled": True, "blockxsize": 512, "blockysize": 512})):
        with rasterio.open(tmp_path / f"{name}.tif", "w", transform=TRANSFORM, **profile, **wide, **options):
            pass
    strips = only(tmp_path / "strips.tif", quick=True)
    assert "W_STRIPED" in codes(strips)
    assert "14 times" in next(finding.text for finding in strips.problems if finding.code == "W_STRIPED")
    assert "W_STRIPED" not in codes(only(tmp_path / "tiles.tif", quick=True))


def test_what_cannot_be_restored_is_still_described(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 20, "width": 30, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=TRANSFORM, **profile) as file:
        file.write(pixels(1, 20, 30))
        file.write_colormap(1, {1: (255, 0, 0, 255)})
    item = only(path)
    assert not item.restorable
    assert codes(item) == {"E_UNSUPPORTED"}
    assert "palette" in item.problems[0].text
    assert item.problems[0].where == "in.tif"
    assert item.treatment == ()


def test_a_damaged_block_is_found_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", pixels(height=600, width=600), tiled=True, compress="DEFLATE")
    path.write_bytes(path.read_bytes()[:-150000])
    item = only(path)
    assert not item.restorable
    assert codes(item) == {"E_CORRUPT"}


def test_no_data_at_all_is_told(tmp_path: Path) -> None:
    assert "W_NO_DATA" in codes(only(write(tmp_path / "in.tif", np.zeros((3, 70, 70), np.uint8))))


def test_what_is_no_raster_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_text("text")
    with pytest.raises(DatprlError, match="E_UNKNOWN_FORMAT"):
        inspect_scene(tmp_path / "in.tif")


@pytest.mark.shared
def test_every_odd_raster_is_described_or_refused_in_one_line(shared_data: Path) -> None:
    described, refused = 0, []
    for path in sorted((shared_data / "geotiff_format").glob("*.tif")):
        try:
            item = only(path, quick=True)
        except DatprlError as error:
            refused.append(str(error))
        else:
            described += 1
            assert item.facts
    assert described > 20
    assert not any("\n" in line for line in refused)
