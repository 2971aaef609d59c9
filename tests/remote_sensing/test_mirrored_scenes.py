"""Scenes restored as the mean over mirror images: a mirrored scene is restored to the mirrored scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio

from datprl_toolkit.errors import OptionError
from datprl_toolkit.remote_sensing import SceneOptions
from datprl_toolkit.remote_sensing.restore import restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring.testing import tiny_restorer

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_deviation_over_flips_is_refused(tmp_path: Path) -> None:
    source = write_raster(tmp_path / "in.tif", photograph(3, 64, 64))
    with pytest.raises(OptionError, match="self-ensemble"):
        restore_scene(
            source, tmp_path / "out.tif", tiny_restorer(self_ensemble=True), SceneOptions(product="deviation")
        )
    assert list(tmp_path.iterdir()) == [source]
