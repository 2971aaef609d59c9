from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.remote_sensing.batch_sources import find_scenes
from datprl_toolkit.remote_sensing.testing import photograph, write_raster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for name in ("b.tif", "a.tif", "deep/c.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_raster(folder / name, photograph(1, 8, 8))
    return folder


def found(*sources: str | Path, **options: Any) -> dict[str, str]:
    return {scene.name: scene.source for scene in find_scenes(sources, **options)}


def test_a_folder_is_searched_in_order_and_names_follow_its_folders(folder: Path) -> None:
    scenes = found(folder)
    assert list(scenes) == ["a", "b", "deep/c"]
    assert scenes["deep/c"] == str(folder / "deep" / "c.tif")


def test_what_lies_beside_rasters_is_no_scene(folder: Path) -> None:
    for name in ("a.tif.ovr", "a.tif.msk", "a.tif.aux.xml", "notes.txt", ".hidden.tif"):
        (folder / name).write_bytes((folder / "a.tif").read_bytes())
    (folder / ".cache").mkdir()
    write_raster(folder / ".cache" / "old.tif", photograph(1, 8, 8))
    (folder / "notes.txt").write_text("no raster")
    assert list(found(folder)) == ["a", "b", "deep/c"]


def test_a_zarr_store_in_a_folder_is_one_scene(folder: Path) -> None:
    (folder / "d.zarr" / "restored").mkdir(parents=True)
    for path in (folder / "d.zarr", folder / "d.zarr" / "restored"):
        (path / "zarr.json").write_text("{}")
    assert list(found(folder)) == ["a", "b", "d", "deep/c"]


def test_a_pattern_is_expanded_and_names_begin_where_it_varies(folder: Path) -> None:
    assert list(found(f"{folder}/*.tif")) == ["a", "b"]
    assert list(found(f"{folder}/**/*.tif")) == ["a", "b", "deep/c"]
    assert list(found(f"{folder}/d*/c.tif")) == ["deep/c"]


def test_files_are_named_by_their_file_and_by_their_folders_where_needed(folder: Path) -> None:
    assert list(found(folder / "deep" / "c.tif", folder / "a.tif")) == ["c", "a"]
    write_raster(folder / "deep" / "a.tif", photograph(1, 8, 8))
    assert list(found(folder / "a.tif", folder / "deep" / "a.tif")) == ["a", "deep/a"]


def test_files_of_one_name_and_two_endings_are_told_apart(folder: Path) -> None:
    (folder / "a.jp2").write_bytes(b"\xff\x4f\xff\x51")
    assert set(found(folder)) == {"a_tif", "a_jp2", "b", "deep/c"}


def test_a_list_has_one_scene_in_each_line_relative_to_itself(folder: Path) -> None:
    (folder / "list.txt").write_text("# two of three\na.tif\n\ndeep/c.tif\nhttps://example.org/far.tif\n")
    assert found(folder / "list.txt") == {
        "a": str(folder / "a.tif"),
        "c": str(folder / "deep" / "c.tif"),
        "far": "https://example.org/far.tif",
    }


@pytest.mark.parametrize("column", ["source", "Path", "FILE", "href"])
def test_a_table_names_scenes_and_their_options(folder: Path, column: str) -> None:
    (folder / "table.csv").write_text(
        f'\ufeff{column},name,scaling,nodata,bands\na.tif,x/y,percentile,-1,\nb.tif,,,,"B04 B03 B02"\n',
        encoding="utf-8",
    )
    first, second = find_scenes([folder / "table.csv"])
    assert (first.name, first.source) == ("x/y", str(folder / "a.tif"))
    assert first.overrides == {"scaling": "percentile", "nodata": -1.0}
    assert (second.name, second.overrides) == ("b", {"bands": ("B04", "B03", "B02")})


def item(name: str, assets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "assets": assets, "links": []}


def colour_assets(prefix: str = "") -> dict[str, dict[str, Any]]:
    return {
        name: {"href": f"{prefix}{name}.tif", "type": "image/tiff", "eo:bands": [{"common_name": name}]}
        for name in ("blue", "green", "red", "nir")
    }


def test_a_stac_item_is_its_red_green_and_blue(tmp_path: Path) -> None:
    assets = {**colour_assets(), "thumbnail": {"href": "t.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}}
    (tmp_path / "item.json").write_text(json.dumps(item("S2/A:1", assets)))
    three = ",".join(str(tmp_path / f"{name}.tif") for name in ("red", "green", "blue"))
    assert found(tmp_path / "item.json") == {"S2/A_1": three}
    asked = found(tmp_path / "item.json", assets=("nir",))
    assert asked == {"S2/A_1": str(tmp_path / "nir.tif")}


def test_a_stac_item_of_version_1_1_names_its_bands_otherwise(tmp_path: Path) -> None:
    assets = {
        name: {"href": f"{name}.tif", "type": "image/tiff; application=geotiff", "bands": [{"eo:common_name": name}]}
        for name in ("red", "green", "blue")
    }
    (tmp_path / "item.json").write_text(json.dumps(item("s", assets)))
    assert found(tmp_path / "item.json")["s"].count(",") == 2


def test_a_stac_item_with_one_raster_is_that_and_with_several_is_a_question(tmp_path: Path) -> None:
    assets = {
        "image": {"href": "image.tif", "type": "image/tiff", "roles": ["data"]},
        "preview": {"href": "small.tif", "type": "image/tiff", "roles": ["overview"]},
    }
    (tmp_path / "item.json").write_text(json.dumps(item("one", assets)))
    assert found(tmp_path / "item.json") == {"one": str(tmp_path / "image.tif")}
    assets["other"] = {"href": "other.tif", "type": "image/tiff", "roles": ["data"]}
    (tmp_path / "item.json").write_text(json.dumps(item("one", assets)))
    with pytest.raises(DatprlError, match=r"Name one.*image, preview, other with --assets") as raised:
        find_scenes([tmp_path / "item.json"])
    assert raised.value.code == ErrorCode.AMBIGUOUS


def test_the_links_of_a_catalogue_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    for name in ("one", "two"):
        (tmp_path / "items" / f"{name}.json").write_text(json.dumps(item(name, colour_assets())))
    links = [{"rel": "item", "href": f"./items/{name}.json"} for name in ("one", "two")]
    collection = {"type": "Collection", "stac_version": "1.0.0", "id": "c", "links": links}
    (tmp_path / "collection.json").write_text(json.dumps(collection))
    back = {"rel": "child", "href": "catalog.json"}
    children = [{"rel": "child", "href": "collection.json"}, back]
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "k", "links": children}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    assert list(found(tmp_path / "collection.json")) == ["one", "two"]
    scenes = found(tmp_path / "catalog.json")
    assert list(scenes) == ["one", "two"]
    assert scenes["one"].startswith(str(tmp_path / "items" / "red.tif"))


def test_the_items_of_a_list_are_relative_to_where_they_say_they_are(tmp_path: Path) -> None:
    there = item("there", colour_assets()) | {"links": [{"rel": "self", "href": "https://example.org/x/there.json"}]}
    listed = {"type": "FeatureCollection", "features": [item("here", colour_assets()), there]}
    (tmp_path / "search.json").write_text(json.dumps(listed))
    scenes = found(tmp_path / "search.json")
    assert scenes["here"].startswith(str(tmp_path / "red.tif"))
    assert scenes["there"].startswith("https://example.org/x/red.tif,")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("nowhere.tif",), "E_MISSING"),
        (("*.img",), "E_MISSING"),
        (("empty",), "E_EMPTY"),
        (("a.tif", ""), "E_DUPLICATE"),
        (("no_column.csv",), "E_OPTION"),
        (("no_cell.csv",), "E_OPTION"),
        (("bad_value.csv",), "E_OPTION"),
        (("empty.csv",), "E_EMPTY"),
        (("latin.csv",), "E_CORRUPT"),
        (("empty.txt",), "E_EMPTY"),
        (("catalog.json",), "E_EMPTY"),
        (("dangling.json",), "E_MISSING"),
        (("odd.json",), "E_CORRUPT"),
        ((), "E_EMPTY"),
    ],
)
def test_every_mistake_is_one_line_with_a_code(folder: Path, names: tuple[str, ...], code: str) -> None:
    (folder / "empty").mkdir()
    texts = {
        "no_column.csv": "title,size\nx,1\n",
        "no_cell.csv": "source,name\n,x\n",
        "bad_value.csv": "source,scale\na.tif,large\n",
        "empty.csv": "source\n",
        "empty.txt": "# nothing\n",
        "catalog.json": json.dumps({"type": "Catalog", "stac_version": "1.0.0", "links": []}),
        "dangling.json": json.dumps(
            {"type": "Catalog", "stac_version": "1.0.0", "links": [{"rel": "item", "href": "no.json"}]}
        ),
        "odd.json": json.dumps({"type": "Feature", "stac_version": "1.0.0", "id": "x"}),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "latin.csv").write_bytes("source\nst\xe4dte.tif\n".encode("latin-1"))
    with pytest.raises(DatprlError) as raised:
        find_scenes([folder / name if name else folder for name in names])
    assert str(raised.value).startswith(code)
    assert "\n" not in str(raised.value)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_no_name_in_a_list_leads_out_of_the_output(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    listed = {"type": "FeatureCollection", "features": [item(name, colour_assets()) for name in names]}
    (folder / "search.json").write_text(json.dumps(listed))
    try:
        scenes = find_scenes([folder / "search.json"])
    except InputError as error:
        if error.code != ErrorCode.DUPLICATE:
            raise
        return
    for scene in scenes:
        target = (folder / "out" / scene.name).resolve()
        assert target.is_relative_to(folder / "out")
        assert target != folder / "out"
        assert not any(part.startswith(".") for part in Path(scene.name).parts)
