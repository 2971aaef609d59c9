"""The map of deviations: nothing where the answer does not depend on how the scene lies, something where it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.jobs import RestoreOptions, restore
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.remote_sensing.windows import whole

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.restoring import Restorer

MAP = SceneOptions(product="deviation", tile=64, halo=16, scaling="minmax:0,10000")


def _read(path: Path) -> npt.NDArray[Any]:
    scene = Scene.open(path)
    with scene.reader() as reader:
        return reader.read([band.number for band in scene.bands], whole(scene.grid.shape)).values


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
@pytest.mark.parametrize("scale", [1, 2])
def test_an_answer_that_does_not_depend_on_the_orientation_deviates_by_nothing(
    tmp_path: Path, brighter: Restorer, suffix: str, scale: int
) -> None:
    values = photograph(5, 101, 147, "uint16")
    values[:, 20:40, 30:60] = 0
    source = write_raster(tmp_path / "scene.tif", values, nodata=0, photometric="MINISBLACK")
    options = SceneOptions(product="deviation", tile=64, halo=16, bands=(3, 2, 1), scale=scale)
    output = restore_scene(source, tmp_path / f"map{suffix}", brighter, options).output
    scene = Scene.open(output)
    assert (scene.dtype, len(scene.bands), scene.grid.shape) == (np.dtype(np.float32), 3, (101 * scale, 147 * scale))
    assert scene.grid.transform == Scene.open(source).grid.enlarged(scale).transform
    assert scene.bands[0].description == "standard deviation of band 3"
    found = _read(output)
    absent = np.repeat(np.repeat(values[:3] == 0, scale, 1), scale, 2)
    assert np.array_equal(np.isnan(found), absent)
    assert np.nanmax(found) < 1e-3


def test_the_map_is_the_deviation_of_four_restorations(tmp_path: Path, tiny: Restorer) -> None:
    """Of a scene within one tile: each flip of it restored by itself, and turned back."""
    values = photograph(3, 96, 128, "float32") * 5000
    options = SceneOptions(tile=128, halo=0, scaling="minmax:-1000,10000", context="tile")
    restored = []
    for number, axes in enumerate(((), (1,), (2,), (1, 2))):
        flipped = np.ascontiguousarray(np.flip(values, axes))
        source = write_raster(tmp_path / f"{number}.tif", flipped, photometric="RGB")
        output = restore_scene(source, tmp_path / f"{number}.zarr", tiny, options).output
        restored.append(np.flip(_read(output).astype(np.float64), axes))
    output = restore_scene(tmp_path / "0.tif", tmp_path / "map.zarr", tiny, SceneOptions(**_as_map(options))).output
    assert np.std(restored, axis=0).max() > 1
    assert np.allclose(_read(output), np.std(restored, axis=0), atol=0.01)


def _as_map(options: SceneOptions) -> dict[str, Any]:
    chosen = ("tile", "halo", "scaling", "context")
    return {name: getattr(options, name) for name in chosen} | {"product": "deviation"}


def test_tiles_of_the_map_fit_together_at_the_edges_of_any_scene(tmp_path: Path, tiny: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 139, 181, "uint16"), photometric="RGB")
    large = SceneOptions(product="deviation", tile=256, halo=64, scaling="minmax:0,10000")
    maps = [
        _read(restore_scene(source, tmp_path / f"{name}.zarr", tiny, options).output)
        for name, options in (("whole", large), ("tiles", SceneOptions(**_as_map(large) | {"tile": 64})))
    ]
    assert maps[0].max() > 1
    assert np.abs(maps[0] - maps[1]).max() < 1e-3 * maps[0].max()


def test_the_job_writes_the_map_beside_the_scene_and_refuses_a_bad_name_before_any_work(
    tmp_path: Path, tiny: Restorer
) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 40, 50), photometric="RGB")
    with pytest.raises(DatprlError) as caught:
        restore(source, tmp_path / "out.tif", tiny, RestoreOptions(uncertainty=tmp_path / "maps"))
    assert caught.value.code is ErrorCode.OPTION
    assert not (tmp_path / "out.tif").exists()
    restore(source, tmp_path / "out.tif", tiny, RestoreOptions(uncertainty=tmp_path / "map.tif", stac=True))
    assert Scene.open(tmp_path / "map.tif").tags[""]["DATPRL_PRODUCT"] == "standard deviation over four flips"
    assert not (tmp_path / "map.json").exists()
