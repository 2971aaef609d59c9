"""Looking up what a value becomes gives the bits that computing it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.storage import to_stored
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.value_tables import value_tables
from datprl_toolkit.remote_sensing.windows import whole

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("scaling", ["minmax:-20,100.3", "reflectance:10000,offset:-1000", None])
def test_every_value_of_a_small_type_becomes_what_is_computed(dtype: str, scaling: str | None) -> None:
    kind = np.dtype(dtype)
    every = np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1).astype(kind).reshape(1, -1, 16)
    profile = scene_profile(scaling, kind, lambda: every)
    tables = value_tables(profile, kind, 0.7)
    assert tables is not None
    values = every.astype(np.float64)
    before = profile.to_unit(values)
    assert np.array_equal(tables.to_unit(every), before)
    after = np.random.default_rng(0).random(every.shape, dtype=np.float32)
    computed = to_stored(profile.apply(values, before, after, strength=0.7), kind, 17)
    assert np.array_equal(tables.apply(every, before, after, 17), computed)
    assert not (computed == 17).any()


def test_types_with_too_many_values_have_no_table() -> None:
    for dtype in ("int32", "float32", "float64", "uint64"):
        assert (
            value_tables(scene_profile("minmax:0,1", np.dtype(dtype), lambda: np.empty(0)), np.dtype(dtype), 1) is None
        )


def test_a_tile_without_holes_gives_the_bits_of_one_with_a_hole_elsewhere(tmp_path: Path, tiny: Restorer) -> None:
    """The same pixels through the table, and, where a hole is within sight, computed."""
    pixels = []
    for name, hole in (("whole", 0), ("hole", 1)):
        values = photograph(3, 200, 200, "uint16")
        values[:, 150 : 150 + hole, 150] = 0
        source = write_raster(tmp_path / f"{name}.tif", values, nodata=0, photometric="RGB")
        options = SceneOptions(tile=256, halo=0, scaling="minmax:1,9000", context="tile")
        output = restore_scene(source, tmp_path / f"{name}.zarr", tiny, options).output
        with Scene.open(output).reader() as reader:
            pixels.append(reader.read([1, 2, 3], whole((200, 200))).values)
    assert np.abs(pixels[0][:, :64, :64].astype(int) - photograph(3, 200, 200, "uint16")[:, :64, :64]).max() > 10
    assert np.abs(pixels[0][:, :64, :64].astype(int) - pixels[1][:, :64, :64]).max() <= 1
