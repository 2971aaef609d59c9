"""GDAL keeps little where nothing is read twice, and more where neighbours share strips or bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.reading_cache import FOR_EDGES, FOR_STRIPS, cache_bytes
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}


@pytest.mark.parametrize(
    ("bands", "creation", "expected"),
    [
        pytest.param(3, TILED, FOR_EDGES, id="tiled, all bands at once"),
        pytest.param(4, TILED, FOR_STRIPS, id="tiled, a band is copied afterwards"),
        pytest.param(3, {}, FOR_STRIPS, id="strips"),
    ],
)
def test_what_is_kept_goes_by_what_is_read_again(
    bands: int, creation: dict[str, Any], expected: int, tmp_path: Path
) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(bands, 128, 192), **creation)
    assert cache_bytes(Scene.open(path), (1, 2, 3)) == expected
