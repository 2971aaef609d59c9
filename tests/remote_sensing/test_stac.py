"""The STAC item beside an output says where it lies, what it was made from, and what its file hashes to."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from affine import Affine

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_the_item_agrees_with_the_output(tmp_path: Path, untouched: Restorer, suffix: str) -> None:
    source = write_raster(
        tmp_path / "scene.tif",
        photograph(3, 40, 60, "uint16"),
        nodata=0,
        finish=lambda dataset: dataset.update_tags(TIFFTAG_DATETIME="2024:05:06 07:08:09"),
    )
    output = restore_scene(source, tmp_path / f"out{suffix}", untouched, SceneOptions(scale=2, stac=True)).output
    item = json.loads((tmp_path / "out.json").read_text())
    assert (item["type"], item["stac_version"], item["id"]) == ("Feature", "1.0.0", "out")
    properties = item["properties"]
    assert properties["datetime"] == "2024-05-06T07:08:09Z"
    assert properties["proj:code"] == "EPSG:32633"
    assert properties["proj:shape"] == [80, 120]
    assert properties["proj:transform"] == [5.0, 0.0, 5e5, 0.0, -5.0, 5e6]
    west, south, east, north = item["bbox"]
    assert 14.9 < west < 15.0 < east < 15.1  # the central meridian of zone 33
    assert 45.1 < south < north < 45.2
    ring = item["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert area > 0  # counterclockwise (RFC 7946)
    assert item["links"] == [{"rel": "derived_from", "href": "scene.tif"}]
    asset = item["assets"]["data"]
    assert asset["href"] == f"./out{suffix}"
    assert [band["nodata"] for band in asset["raster:bands"]] == [0, 0, 0]
    if suffix == ".tif":
        assert asset["file:checksum"] == "1220" + hashlib.sha256(output.read_bytes()).hexdigest()
        assert asset["file:size"] == output.stat().st_size
    assert str(tmp_path) not in json.dumps(item)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"datetime": "2020-01-02T03:04:05Z", "platform": "x"}, {"datetime": "2020-01-02T03:04:05Z", "platform": "x"}),
        (
            {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-31T00:00:00Z"},
            {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-01-31T00:00:00Z"},
        ),
        ({}, {"datetime": "2024-05-06T07:08:09Z"}),
        (None, {"datetime": "2024-05-06T07:08:09Z"}),
    ],
)
def test_the_times_of_an_item_that_is_restored_are_kept(
    tmp_path: Path, untouched: Restorer, given: dict[str, object] | None, said: dict[str, object]
) -> None:
    write_raster(
        tmp_path / "data.tif",
        photograph(3, 20, 30),
        finish=lambda dataset: dataset.update_tags(TIFFTAG_DATETIME="2024:05:06 07:08:09"),
    )
    assets = {"image": {"href": "data.tif", "type": "image/tiff"}}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "s", "assets": assets, "properties": given}
    (tmp_path / "item.json").write_text(json.dumps(item))
    restore_scene(tmp_path / "item.json", tmp_path / "out.tif", untouched, SceneOptions(stac=True))
    properties = json.loads((tmp_path / "out.json").read_text())["properties"]
    assert said.items() <= properties.items()


def test_a_scene_without_a_place_or_a_time_says_so(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 20, 30), crs=None, transform=None)
    restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(stac=True))
    item = json.loads((tmp_path / "out.json").read_text())
    assert item["geometry"] is None
    assert "bbox" not in item
    assert "no time of acquisition" in item["properties"]["description"]


def test_across_the_antimeridian_west_is_greater_than_east(tmp_path: Path, untouched: Restorer) -> None:
    transform = Affine(1000, 0, 700_000, 0, -1000, 5_000_000)
    source = write_raster(tmp_path / "scene.tif", photograph(1, 50, 100), crs="EPSG:32660", transform=transform)
    restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(stac=True))
    item = json.loads((tmp_path / "out.json").read_text())
    assert item["geometry"]["type"] == "MultiPolygon"
    west, _, east, _ = item["bbox"]
    assert west > 170
    assert east < -170


def test_an_item_that_is_there_already_is_not_replaced_unasked(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 20, 30))
    (tmp_path / "out.json").write_text("{}")
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, tmp_path / "out.tif", untouched, SceneOptions(stac=True))
    assert caught.value.code is ErrorCode.EXISTS
    assert not (tmp_path / "out.tif").exists()
    assert (tmp_path / "out.json").read_text() == "{}"


def test_resuming_replaces_the_item_of_this_output_and_no_other_file(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 20, 30))
    output, item, resumed = tmp_path / "out.tif", tmp_path / "out.json", SceneOptions(stac=True, resume=True)
    item.write_text('{"my": "notes"}')
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, output, untouched, resumed)
    assert caught.value.code is ErrorCode.EXISTS
    assert not output.exists()
    assert item.read_text() == '{"my": "notes"}'
    item.unlink()
    restore_scene(source, tmp_path / "other.tif", untouched, resumed)
    (tmp_path / "other.json").rename(item)
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, output, untouched, resumed)
    assert caught.value.code is ErrorCode.EXISTS
    item.unlink()
    restore_scene(source, output, untouched, resumed)
    restore_scene(source, output, untouched, resumed)
    assert json.loads(item.read_text())["id"] == "out"


def test_the_item_that_is_the_input_is_never_replaced(tmp_path: Path, untouched: Restorer) -> None:
    write_raster(tmp_path / "scene.tif", photograph(1, 20, 30))
    given = restore_scene(tmp_path / "scene.tif", tmp_path / "given.tif", untouched, SceneOptions(stac=True)).output
    given.rename(tmp_path / "data.tif")
    item = tmp_path / "given.json"
    item.write_text(item.read_text().replace("./given.tif", "./data.tif"))
    before = item.read_text()
    with pytest.raises(DatprlError, match="never modified") as caught:
        restore_scene(item, tmp_path / "given.tif", untouched, SceneOptions(stac=True, overwrite=True))
    assert caught.value.code is ErrorCode.OPTION
    assert item.read_text() == before
