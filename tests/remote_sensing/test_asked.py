"""Scenes asked for a task, or for the mean over mirror images: it is written down, and else it is another job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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

ASKED = "natural_deblurring"


WANTED = [
    ({"task": ASKED}, "DATPRL_TASK", ASKED),
    ({"self_ensemble": True}, "DATPRL_SELF_ENSEMBLE", "mean over four mirror images"),
]


@pytest.mark.parametrize(("wanted", "item", "said"), WANTED)
def test_the_output_its_item_and_its_pixels_tell_it(
    tmp_path: Path, wanted: dict[str, Any], item: str, said: str
) -> None:
    source = write_raster(tmp_path / "in.tif", photograph(3, 96, 128))
    made = {}
    for name, given in (("plain", {}), ("asked", wanted)):
        out = tmp_path / f"{name}.tif"
        restore_scene(source, out, tiny_restorer(**given), SceneOptions(stac=True))
        with rasterio.open(out) as dataset:
            made[name] = dataset.tags().get(item), dataset.read()
        lineage = json.loads(out.with_suffix(".json").read_text())["properties"]["processing:lineage"]
        assert (said in lineage) == (name == "asked")
    assert made["plain"][0] is None
    assert made["asked"][0] == said
    assert not np.array_equal(made["plain"][1], made["asked"][1])


@pytest.mark.parametrize("wanted", [wanted for wanted, _, _ in WANTED])
def test_a_batch_asked_for_something_else_is_another_batch(tmp_path: Path, wanted: dict[str, Any]) -> None:
    scenes = find_scenes([write_raster(tmp_path / "a.tif", photograph(3, 64, 64))])
    assert restore_batch(scenes, tmp_path / "out", tiny_restorer(**wanted), SceneOptions()).done == ("a",)
    assert restore_batch(scenes, tmp_path / "out", tiny_restorer(**wanted), SceneOptions()).skipped == ("a",)
    with pytest.raises(OutputError, match="exist"):
        restore_batch(scenes, tmp_path / "out", tiny_restorer(), SceneOptions())


def test_a_shared_context_of_another_task_is_not_used(tmp_path: Path) -> None:
    scenes = find_scenes([write_raster(tmp_path / "a.tif", photograph(3, 64, 64))])
    options = SceneOptions(scaling="uint8")
    restore_batch(scenes, tmp_path / "out", tiny_restorer(), options, shared_context=True)
    with pytest.raises(OptionError, match=f"whatever the network chooses, and now it is {ASKED}"):
        restore_batch(scenes, tmp_path / "out", tiny_restorer(task=ASKED), options, shared_context=True)
