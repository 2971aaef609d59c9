from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import torch

from datprl_toolkit.errors import OptionError
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.context_field import MOST_NODES, SPACING, as_field, node_count, restore_in_field
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.windows import whole
from datprl_toolkit.restoring import Context
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import ContextMode
    from datprl_toolkit.restoring import Restorer

MODES: tuple[ContextMode, ...] = ("scene", "field", "tile")


def restored(source: Path, restorer: Restorer, mode: ContextMode, tile: int) -> npt.NDArray[np.float32]:
    output = source.with_name(f"{source.stem}_{mode}_{tile}.tif")
    restore_scene(source, output, restorer, SceneOptions(context=mode, tile=tile, halo=96))
    with rasterio.open(output) as dataset:
        assert dataset.tags()["DATPRL_CONTEXT"] == mode
        values: npt.NDArray[np.float32] = dataset.read()
    return values


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """A scene whose halves differ, so that tiles have different statistics."""
    values = photograph(3, 128, 256, "float32")
    values[:, :, 128:] = 0.2 * values[:, :, 128:] + 0.7
    return write_raster(tmp_path / "scene.tif", values)


def test_each_context_gives_its_own_result_and_only_the_scenes_is_free_of_the_tiles(
    uneven: Path, tiny: Restorer
) -> None:
    change = {
        mode: float(np.abs(restored(uneven, tiny, mode, 64) - restored(uneven, tiny, mode, 128)).max())
        for mode in MODES
    }
    assert change["tile"] > 1e-4
    assert change["field"] < change["tile"] / 3
    assert change["scene"] < change["tile"] / 3


@pytest.mark.parametrize("shape", [(100, 100), (700, 300), (5000, 200)])
def test_the_weights_of_a_field_sum_up_to_one_and_do_not_depend_on_the_window(shape: tuple[int, int]) -> None:
    area = whole(shape)
    contexts = [Context(None, (torch.full((1, 2), float(node)),)) for node in range(16)][: prod(node_count(shape))]
    field = as_field(contexts)

    def node_number(window: Window) -> npt.NDArray[np.float32]:
        def restore(context: Context) -> npt.NDArray[np.float32]:
            return np.full((1, window.height, window.width), float(context.statistics[0][0, 0]) + 1, np.float32)

        return restore_in_field(window, shape, field, restore)

    everywhere = node_number(area)
    assert everywhere[0, 0, 0] == 1
    assert everywhere[0, -1, -1] == len(contexts)
    assert np.abs(np.diff(everywhere, axis=1)).max(initial=0) <= MOST_NODES / SPACING * 2
    part = Window(shape[0] // 3, shape[0] // 2, 17, shape[1] - 5)
    assert np.array_equal(node_number(part), everywhere[(slice(None), *part.slices)])


def test_a_field_of_one_node_is_the_context_of_the_scene_and_of_more_is_another(tmp_path: Path, tiny: Restorer) -> None:
    values = photograph(3, 512, 300, "float32")
    values[:, 256:] = 0.2 * values[:, 256:] + 0.7
    outputs = {}
    for name, part in (("small", values[:, :200, :200]), ("large", values)):
        source = write_raster(tmp_path / f"{name}.tif", part)
        outputs[name] = [restored(source, tiny, mode, 256) for mode in ("scene", "field")]
    assert np.array_equal(outputs["small"][0], outputs["small"][1])
    assert np.abs(outputs["large"][0] - outputs["large"][1]).max() > 1e-4


def test_a_map_of_deviations_has_no_field() -> None:
    with pytest.raises(OptionError):
        SceneOptions(product="deviation", context="field")


def test_a_local_context_of_a_scene_within_its_reach_is_that_of_every_tile(uneven: Path, tiny: Restorer) -> None:
    local = restored(uneven, tiny, "local", 64)
    assert np.isfinite(local).all()
    assert not np.array_equal(local, restored(uneven, tiny, "tile", 64))


def test_another_word_for_a_context_is_refused() -> None:
    with pytest.raises(OptionError, match="scene, field, local or tile"):
        SceneOptions(context="global")  # type: ignore[arg-type]
