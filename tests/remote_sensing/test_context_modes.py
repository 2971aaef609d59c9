from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio

from datprl_toolkit.errors import OptionError
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import ContextMode
    from datprl_toolkit.restoring import Restorer


def restored(source: Path, restorer: Restorer, mode: ContextMode, tile: int) -> npt.NDArray[np.float32]:
    output = source.with_name(f"{mode}_{tile}.tif")
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
        for mode in ("scene", "tile")
    }
    assert change["tile"] > 1e-4
    assert change["scene"] < change["tile"] / 3


def test_a_local_context_of_a_scene_within_its_reach_is_that_of_every_tile(uneven: Path, tiny: Restorer) -> None:
    local = restored(uneven, tiny, "local", 64)
    assert np.isfinite(local).all()
    assert not np.array_equal(local, restored(uneven, tiny, "tile", 64))


def test_another_word_for_a_context_is_refused() -> None:
    with pytest.raises(OptionError, match="scene, local or tile"):
        SceneOptions(context="global")  # type: ignore[arg-type]
