"""Blocks that cannot be read: tried again, then nodata or passed through, with a list; everything else unharmed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.journal import Journal
from datprl_toolkit.remote_sensing.manifest import read_mark
from datprl_toolkit.remote_sensing.raster_reading import RasterReader
from datprl_toolkit.remote_sensing.staging import stage_folder
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.unreadable import PatientReader, native_block
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading import Pixels
    from datprl_toolkit.restoring import Restorer

SUFFIXES = (".tif", ".zarr")
BLOCK = Window(64, 128, 128, 192)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.remote_sensing.plan.LARGEST_SHARD", 128)
    monkeypatch.setattr("datprl_toolkit.remote_sensing.unreadable._WAIT", 0.0)


def damaged(path: Path, values: npt.NDArray[Any], **creation: Any) -> Path:
    """Write a raster of blocks of 64 pixels and destroy the one at :data:`BLOCK`."""
    write_raster(path, values, tiled=True, blockxsize=64, blockysize=64, compress="DEFLATE", **creation)
    with rasterio.open(path) as dataset:
        offset = int(dataset.tags(1, ns="TIFF")["BLOCK_OFFSET_2_1"]) if dataset.tags(1, ns="TIFF") else None
        across = -(-dataset.width // 64)
    content = bytearray(path.read_bytes())
    if offset is None:
        offset = _tile_offsets(content)[(BLOCK.top // 64) * across + BLOCK.left // 64]
    content[offset : offset + 16] = b"\xff" * 16
    path.write_bytes(bytes(content))
    return path


def _tile_offsets(content: bytearray) -> list[int]:
    """Return the TileOffsets (tag 324) of the first directory of a little-endian classic TIFF."""
    directory = int.from_bytes(content[4:8], "little")
    for entry in range(int.from_bytes(content[directory : directory + 2], "little")):
        start = directory + 2 + 12 * entry
        if int.from_bytes(content[start : start + 2], "little") == 324:
            count = int.from_bytes(content[start + 4 : start + 8], "little")
            where = int.from_bytes(content[start + 8 : start + 12], "little")
            return [int.from_bytes(content[where + 4 * i : where + 4 * i + 4], "little") for i in range(count)]
    raise AssertionError("the file has no tiles")


def read(path: Path) -> Pixels:
    scene = Scene.open(path)
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("nodata", [0, None])
def test_a_block_becomes_no_data_is_listed_and_all_else_is_as_without_the_damage(
    tmp_path: Path, brighter: Restorer, suffix: str, nodata: int | None
) -> None:
    values = photograph(3, 200, 300)
    source = damaged(tmp_path / "scene.tif", values, nodata=nodata, photometric="RGB", interleave="pixel")
    sound = write_raster(tmp_path / "sound_scene.tif", values, nodata=nodata, photometric="RGB")
    options = SceneOptions(tile=64, halo=8, scaling="uint8", on_error="nodata")
    with pytest.raises(DatprlError) as caught:
        restore_scene(source, tmp_path / f"refused{suffix}", brighter, SceneOptions(tile=64, halo=8, scaling="uint8"))
    assert caught.value.code is ErrorCode.CORRUPT
    outcome = restore_scene(source, tmp_path / f"out{suffix}", brighter, options)
    expected = read(restore_scene(sound, tmp_path / f"sound{suffix}", brighter, options).output)
    assert outcome.partial
    (warning,) = [line for line in outcome.warnings if line.startswith("W_UNREADABLE")]
    assert "rows 64 to 127, columns 128 to 191" in warning
    assert read_mark(outcome.output).unreadable == (BLOCK,)
    result = read(outcome.output)
    hole = np.zeros((200, 300), bool)
    hole[BLOCK.slices] = True
    assert not result.valid[:, hole].any()
    assert np.array_equal(result.values[:, ~hole], expected.values[:, ~hole])
    assert np.array_equal(result.valid[:, ~hole], expected.valid[:, ~hole])


def test_with_passthrough_no_pixel_rests_upon_what_is_not_there(tmp_path: Path, brighter: Restorer) -> None:
    values = photograph(1, 200, 300)
    source = damaged(tmp_path / "scene.tif", values, nodata=0)
    options = SceneOptions(tile=64, halo=8, scaling="uint8", on_error="passthrough")
    result = read(restore_scene(source, tmp_path / "out.tif", brighter, options).output).values[0]
    original = values[0]
    assert (result[BLOCK.slices] == 0).all()
    # Tiles whose halo, or the fill around it, touches the block are as they were; the furthest are restored.
    beside = original[64:128, 64:128]
    assert np.array_equal(result[64:128, 64:128], beside)
    assert (result[:20, :60] != original[:20, :60]).mean() > 0.9


def test_a_block_that_is_read_the_second_time_is_no_fault(tmp_path: Path, untouched: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(1, 100, 100))
    scene = Scene.open(source)

    class Flaky:
        def __init__(self) -> None:
            self.calls = 0

        def read(self, numbers: Any, window: Any) -> Any:
            self.calls += 1
            if self.calls < 3:
                raise InputError(ErrorCode.CORRUPT, "busy")
            return opened.read(numbers, window)

    with scene.reader() as opened:
        flaky = Flaky()
        reader = PatientReader(flaky, scene, "fail", native_block(scene))  # type: ignore[arg-type]
        assert np.array_equal(reader.read([1], whole((100, 100))).values, photograph(1, 100, 100))
        assert flaky.calls == 3
        assert not reader.unreadable


def test_a_run_that_failed_at_a_block_goes_on_with_another_treatment_of_it(
    tmp_path: Path, brighter: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RasterReader.read
    output = tmp_path / "out.zarr"

    def failing(self: RasterReader, numbers: Any, window: Window) -> Pixels:
        """Only the last shard reads this far; it waits for another, so that there is something to keep."""
        if threading.current_thread().name.startswith("shard") and window.bottom > 190 and window.right > 490:
            while stage_folder(output).exists() and not Journal(stage_folder(output)).finished:
                time.sleep(0.01)
            raise InputError(ErrorCode.CORRUPT, "a block is damaged")
        return original(self, numbers, window)

    monkeypatch.setattr(RasterReader, "read", failing)
    source = write_raster(
        tmp_path / "scene.tif", photograph(1, 200, 500), nodata=0, tiled=True, blockxsize=64, blockysize=64
    )
    plain: dict[str, Any] = {"tile": 64, "halo": 8, "scaling": "uint8"}
    with pytest.raises(DatprlError, match="--resume"):
        restore_scene(source, output, brighter, SceneOptions(**plain))
    resumed = SceneOptions(**plain, resume=True, on_error="nodata")
    outcome = restore_scene(source, output, brighter, resumed)
    assert "were finished earlier" in outcome.summary
    assert outcome.partial
    straight = SceneOptions(**plain, on_error="nodata")
    expected = restore_scene(source, tmp_path / "straight.zarr", brighter, straight).output
    assert np.array_equal(read(outcome.output).values, read(expected).values)
    again = restore_scene(source, output, brighter, resumed)
    assert again.partial
    assert "complete already" in again.summary
