from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from affine import Affine

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing import SceneOptions
from datprl_toolkit.remote_sensing.context_map import map_prompts
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


def test_every_tile_with_data_is_a_polygon_with_its_prompts(tmp_path: Path, tiny: Restorer) -> None:
    values = photograph(3, 96, 160)
    values[:, 64:, :64] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0)
    assert map_prompts(source, tmp_path / "map.geojson", tiny, SceneOptions(tile=64)) == 5
    collection = json.loads((tmp_path / "map.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    places = [(feature["properties"]["row"], feature["properties"]["column"]) for feature in collection["features"]]
    assert places == [(0, 0), (0, 64), (0, 128), (64, 64), (64, 128)]
    for feature in collection["features"]:
        properties = feature["properties"]
        assert len(properties["task"]) == len(properties["task_shares"]) == 2
        assert all(0 <= number < 4 for number in properties["domain"])
        assert sum(properties["task_shares"]) == pytest.approx(1, abs=1e-3)
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert all(14.9 < longitude < 15.1 and 45.0 < latitude < 45.2 for longitude, latitude in ring)
        assert sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) > 0


def test_a_map_needs_a_place_on_the_ground_and_a_free_name(tmp_path: Path, tiny: Restorer) -> None:
    nowhere = write_raster(tmp_path / "nowhere.tif", photograph(3, 32, 32), crs=None, transform=Affine.identity())
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        map_prompts(nowhere, tmp_path / "map.geojson", tiny)
    source = write_raster(tmp_path / "scene.tif", photograph(3, 32, 32))
    (tmp_path / "map.geojson").write_text("mine")
    with pytest.raises(DatprlError, match="E_EXISTS"):
        map_prompts(source, tmp_path / "map.geojson", tiny)
    with pytest.raises(DatprlError, match="never modified"):
        map_prompts(source, source, tiny, SceneOptions(overwrite=True))
    assert (tmp_path / "map.geojson").read_text() == "mine"
