"""What a scene costs beyond its network, counted: pixels read, tiles restored and files written, none of them twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from datprl_toolkit.remote_sensing import SceneOptions, restore_scene, sampling
from datprl_toolkit.remote_sensing.enlargement import REACH
from datprl_toolkit.remote_sensing.raster_reading import RasterReader
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.validity import FILL_RADIUS
from datprl_toolkit.remote_sensing.zarr_layout import ARRAY

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pytest

    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.restoring.tiling import Window

SHAPE = (1100, 2300)
TILE, HALO = 256, 32


def test_a_scene_is_sampled_once_then_read_restored_and_written_once(
    tmp_path: Path, untouched: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, restored, written = np.zeros(SHAPE, int), 0, Counter[str]()
    read, restore, put = RasterReader.read, type(untouched).restore_tiled, LocalStore.set

    def reading(reader: RasterReader, numbers: Any, window: Window) -> Any:
        looked[window.slices] += 1
        return read(reader, numbers, window)

    def restoring(restorer: Restorer, image: Any, context: Any, **how: Any) -> Any:
        nonlocal restored
        core = restore(restorer, image, context, **how)
        restored += core.size
        return core

    async def setting(store: LocalStore, key: str, *value: Any) -> None:
        written[str(store.root / key)] += 1
        await put(store, key, *value)

    source = write_raster(tmp_path / "scene.tif", photograph(3, *SHAPE), tiled=True, blockxsize=256, blockysize=256)
    monkeypatch.setattr(sampling, "SAMPLE_COUNT", 8)  # more of them would overlap in a scene of this size
    monkeypatch.setattr(RasterReader, "read", reading)
    monkeypatch.setattr(type(untouched), "restore_tiled", restoring)
    monkeypatch.setattr(LocalStore, "set", setting)
    restore_scene(source, tmp_path / "out.zarr", untouched, SceneOptions(tile=TILE, halo=HALO), compared=False)
    shard = zarr.open_array(tmp_path / "out.zarr" / ARRAY).shards
    assert shard is not None
    assert looked[_seen_by_one_shard(shard[-1])].max() <= 2  # in the sample, and when it is restored
    assert looked.max() <= 3  # and where it surrounds another shard
    assert restored == 3 * SHAPE[0] * SHAPE[1]
    pixels = {name: count for name, count in written.items() if f"/{ARRAY}/c/" in name}
    assert len(pixels) >= 4
    assert set(pixels.values()) == {1}


def _seen_by_one_shard(shard: int) -> npt.NDArray[np.bool_]:
    """Tell which pixels only one shard depends on: those that lie not too near to another."""
    margin = HALO + FILL_RADIUS + REACH
    rows, columns = ((np.arange(length) + margin) % shard >= 2 * margin for length in SHAPE)
    rows[:margin] = columns[:margin] = True
    return rows[:, None] & columns
