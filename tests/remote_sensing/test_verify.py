"""What an output says of itself is compared with what it is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.manifest import checksums_tag, read_checksums_tag
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.verify import verify_scene
from datprl_toolkit.remote_sensing.writing import Piece
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.options import ZarrProfile
    from datprl_toolkit.restoring import Restorer

OPTIONS = SceneOptions(tile=64, halo=8)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)
    monkeypatch.setattr("datprl_toolkit.remote_sensing.pyramid.SMALLEST_LEVEL", 64)


@pytest.mark.parametrize("profile", ["default", "qgis", "legacy"])
def test_a_store_is_intact_until_a_shard_of_it_is_lost_or_changed(
    tmp_path: Path, brighter: Restorer, profile: ZarrProfile
) -> None:
    mask = np.full((200, 300), 255, np.uint8)
    mask[:10] = 0
    source = write_raster(tmp_path / "scene.tif", photograph(3, 200, 300), mask=mask, photometric="RGB")
    options = SceneOptions(tile=64, halo=8, zarr_profile=profile)
    output = restore_scene(source, tmp_path / "out.zarr", brighter, options).output
    found = verify_scene(output)
    assert found.damaged == ()
    assert found.pieces > 6
    shards = sorted(path for path in (output / "restored").rglob("*") if path.is_file() and path.name[0] not in ".z")
    assert len(shards) == 6
    shards[1].write_bytes(shards[1].read_bytes()[:-20])
    shutil.move(shards[2], tmp_path / "lost")
    level = next(path for path in (output / "2" / "restored").rglob("*") if path.is_file() and path.name[0] not in ".z")
    level.unlink()
    damaged = verify_scene(output).damaged
    assert [line.split(", ")[0] for line in damaged] == ["restored", "restored", "2/restored"]
    assert "rows 0 to 127, columns 128 to 255: cannot be read" in damaged[0]
    assert "rows 0 to 127, columns 256 to 299: is not as it was written" in damaged[1]


def test_a_cog_is_intact_until_a_tile_or_an_overview_of_it_is_changed(tmp_path: Path, brighter: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 600, 700))
    output = restore_scene(source, tmp_path / "out.tif", brighter, SceneOptions(tile=128, halo=8)).output
    found = verify_scene(output)
    assert found.damaged == ()
    assert found.pieces == 5 * 6 + 1
    with rasterio.open(output, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        pixels = dataset.read(1, window=((200, 201), (300, 301)))
        dataset.write(pixels ^ 1, 1, window=((200, 201), (300, 301)))
    assert verify_scene(output).damaged == ("rows 128 to 255, columns 256 to 383: is not as it was written",)


def test_what_carries_no_checksums_cannot_be_verified(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 20, 20))
    with pytest.raises(DatprlError) as caught:
        verify_scene(source)
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_the_line_of_checksums_is_read_as_it_was_written_and_only_for_its_shape() -> None:
    windows = [Window(0, 100, 0, 128), Window(0, 100, 128, 200)]
    pieces = [Piece("", window, f"{place:064x}"[::-1]) for place, window in enumerate(windows)]
    line = checksums_tag(reversed(pieces), 128)
    read = read_checksums_tag(line, (100, 200))
    assert read is not None
    assert [piece.window for piece in read] == windows
    assert all(piece.sha256.startswith(found.sha256) for piece, found in zip(pieces, read, strict=True))
    for other in ("", "md5 128 AAAA", line.replace("128 ", "64 ", 1), line[:-4]):
        assert read_checksums_tag(other, (100, 200)) is None
