"""Scenes restored as the mean over mirror images: it is written down, and another job than without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio

from datprl_toolkit.errors import OptionError, OutputError
from datprl_toolkit.remote_sensing import SceneOptions
from datprl_toolkit.remote_sensing.batch import restore_batch
from datprl_toolkit.remote_sensing.batch_sources import find_scenes
from datprl_toolkit.remote_sensing.restore import restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path


def test_the_output_its_item_and_its_pixels_tell_it(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "in.tif", photograph(3, 96, 128))
    made = {}
    for mean in (False, True):
        out = tmp_path / f"{mean}.tif"
        restore_scene(source, out, tiny_restorer(self_ensemble=mean), SceneOptions(stac=True))
        with rasterio.open(out) as dataset:
            made[mean] = dataset.tags().get("DATPRL_SELF_ENSEMBLE"), dataset.read()
        lineage = json.loads(out.with_suffix(".json").read_text())["properties"]["processing:lineage"]
        assert ("mean over mirror images" in lineage) == mean
    assert made[False][0] is None
    assert made[True][0] == "mean over four mirror images"
    assert not np.array_equal(made[False][1], made[True][1])


def test_a_mirrored_scene_is_restored_to_the_mirrored_scene(tmp_path: Path) -> None:
    values = photograph(3, 160, 192)
    made = []
    for name, pixels in (("as_is", values), ("mirrored", values[:, :, ::-1])):
        source = write_raster(tmp_path / f"{name}.tif", np.ascontiguousarray(pixels))
        options = SceneOptions(tile=64, halo=64, context="scene")
        restore_scene(source, tmp_path / f"{name}_out.tif", tiny_restorer(self_ensemble=True), options)
        with rasterio.open(tmp_path / f"{name}_out.tif") as dataset:
            made.append(dataset.read().astype(np.int64))
    assert np.abs(made[0] - made[1][:, :, ::-1]).max() <= 1
    assert np.abs(made[0] - values).max() > 1


def test_a_batch_without_it_is_another_batch(tmp_path: Path) -> None:
    scenes = find_scenes([write_raster(tmp_path / "a.tif", photograph(3, 64, 64))])
    mean = tiny_restorer(self_ensemble=True)
    assert restore_batch(scenes, tmp_path / "out", mean, SceneOptions()).done == ("a",)
    assert restore_batch(scenes, tmp_path / "out", mean, SceneOptions()).skipped == ("a",)
    with pytest.raises(OutputError, match="exist"):
        restore_batch(scenes, tmp_path / "out", tiny_restorer(), SceneOptions())


def test_the_deviation_over_flips_is_refused(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "in.tif", photograph(3, 64, 64))
    with pytest.raises(OptionError, match="self-ensemble"):
        restore_scene(
            source, tmp_path / "out.tif", tiny_restorer(self_ensemble=True), SceneOptions(product="deviation")
        )
    assert list(tmp_path.iterdir()) == [source]
