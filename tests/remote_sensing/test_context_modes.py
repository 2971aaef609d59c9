from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
import torch

from datprl_toolkit.errors import OptionError
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.context import Centred, _parts
from datprl_toolkit.remote_sensing.context_field import field_at, field_grouping, scene_lattice
from datprl_toolkit.remote_sensing.testing import photograph, write_raster
from datprl_toolkit.restoring import Context
from datprl_toolkit.restoring.testing import identity_restorer
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


@pytest.mark.parametrize(("shape", "nodes"), [((100, 100), (1, 1)), ((700, 300), (3, 1)), ((5000, 200), (4, 1))])
def test_a_scene_has_nodes_as_far_apart_as_its_size_allows(shape: tuple[int, int], nodes: tuple[int, int]) -> None:
    lattice = scene_lattice(shape)
    assert (lattice.rows, lattice.columns) == nodes
    assert (lattice.height, lattice.width) == shape


def test_each_node_has_its_context_from_the_images_around_it() -> None:
    image = np.zeros((3, 8, 8), np.float32)
    images = [Centred(row, column, image) for row in (100, 400) for column in (100, 300, 500, 700)] * 2
    grouping = field_grouping(images, scene_lattice((512, 768)))
    assert grouping.shares.shape == (6, 16)
    assert torch.allclose(grouping.shares.sum(dim=1), torch.ones(6))
    assert grouping.shares[0].nonzero().flatten().tolist() == [0, 1, 8, 9]
    assert grouping.follows.tolist() == [0, 1, 1, 2, 3, 4, 4, 5] * 2


def test_the_context_of_a_single_node_is_that_of_all_images() -> None:
    image = np.zeros((3, 8, 8), np.float32)
    images = [Centred(row, column, image) for row in (64, 192) for column in (64, 192)]
    assert torch.equal(field_grouping(images, scene_lattice((260, 300))).shares, torch.full((1, 4), 0.25))


def test_few_images_count_for_every_node_so_that_no_single_one_misleads_it() -> None:
    image = np.zeros((3, 8, 8), np.float32)
    images = [Centred(100.0 * number, 250.0, image) for number in range(5)]
    shares = field_grouping(images, scene_lattice((500, 500))).shares
    assert (shares > 0).sum(dim=1).tolist() == [4] * 4


def test_windows_half_of_which_would_be_filled_up_are_left_out_where_there_are_full_ones() -> None:
    data = np.ones((128, 512), np.bool_)
    data[:, :64] = False
    windows = _parts(np.repeat(data, 3, axis=0), 8)
    assert windows
    assert min(window.left for window in windows) >= 64


def test_a_single_image_counts_for_every_node() -> None:
    image = Centred(40.0, 900.0, np.zeros((3, 8, 8), np.float32))
    grouping = field_grouping([image], scene_lattice((1000, 1000)))
    assert torch.equal(grouping.shares, torch.ones(16, 1))


@pytest.mark.parametrize("flipped", [(), (1,), (2,), (1, 2)])
def test_a_flipped_window_finds_its_place_in_a_field(flipped: tuple[int, ...]) -> None:
    shape, core = (600, 800), Window(64, 128, 200, 232)
    size, (above, below, left, right) = (64 + 40 + 24, 32 + 16 + 48), (40, 24, 16, 48)
    around = (below, above) if 1 in flipped else (above, below), (right, left) if 2 in flipped else (left, right)
    numbers = torch.arange(6.0)[:, None]
    field = field_at(Context(None, ()), shape, core, size, (*around[0], *around[1]), flipped)
    straight = scene_lattice(shape).at([(core.top - above, core.left - left)])
    assert field.lattice is not None
    placed = field.lattice.spread(*size, torch.device("cpu")).mix(numbers)
    expected = straight.spread(*size, torch.device("cpu")).mix(numbers).flip([axis + 1 for axis in flipped])
    assert torch.equal(placed, expected)


def test_by_default_a_scene_is_restored_in_a_field(tmp_path: Path, tiny: Restorer) -> None:
    source = write_raster(tmp_path / "scene.tif", photograph(3, 300, 520, "float32"))
    for name, options in (("default", SceneOptions()), ("field", SceneOptions(context="field"))):
        restore_scene(source, tmp_path / f"{name}.tif", tiny, options)
    with rasterio.open(tmp_path / "default.tif") as one, rasterio.open(tmp_path / "field.tif") as other:
        assert one.tags()["DATPRL_CONTEXT"] == other.tags()["DATPRL_CONTEXT"] == "field"
        assert np.array_equal(one.read(), other.read())


class Engine:
    """Stands for one that has a single context for all pixels."""

    def __call__(self, images: torch.Tensor, context: Context) -> torch.Tensor:
        assert len(context.statistics[0]) == 1
        return images


def test_an_engine_is_given_the_context_of_the_scene_and_no_field(uneven: Path) -> None:
    restorer = identity_restorer()
    restorer.engine = Engine()  # type: ignore[assignment]
    output = uneven.with_name("out.tif")
    restore_scene(uneven, output, restorer)
    with rasterio.open(output) as dataset:
        assert dataset.tags()["DATPRL_CONTEXT"] == "scene"
    with pytest.raises(OptionError, match="--context scene"):
        restore_scene(uneven, output, restorer, SceneOptions(context="field", overwrite=True))


def test_a_map_of_deviations_in_a_field_is_that_of_its_single_node_where_there_is_but_one(
    tmp_path: Path, tiny: Restorer
) -> None:
    values = photograph(3, 300, 520, "float32")
    values[:, :, 260:] = 0.2 * values[:, :, 260:] + 0.7
    maps = {}
    for width in (200, 520):
        source = write_raster(tmp_path / f"{width}.tif", values[:, :200, :width])
        for mode in MODES[:2]:
            output = tmp_path / f"{width}_{mode}.tif"
            restore_scene(source, output, tiny, SceneOptions(product="deviation", context=mode))
            with rasterio.open(output) as dataset:
                maps[width, mode] = dataset.read()
    assert np.array_equal(maps[200, "scene"], maps[200, "field"])
    assert np.abs(maps[520, "scene"] - maps[520, "field"]).max() > 1e-5
    assert np.isfinite(maps[520, "field"]).all()


def test_a_field_of_one_node_is_the_context_of_the_scene_and_of_more_is_another(tmp_path: Path, tiny: Restorer) -> None:
    values = photograph(3, 512, 300, "float32")
    values[:, 256:] = 0.2 * values[:, 256:] + 0.7
    outputs = {}
    for name, part in (("small", values[:, :200, :200]), ("large", values)):
        source = write_raster(tmp_path / f"{name}.tif", part)
        outputs[name] = [restored(source, tiny, mode, 256) for mode in ("scene", "field")]
    assert np.array_equal(outputs["small"][0], outputs["small"][1])
    assert np.abs(outputs["large"][0] - outputs["large"][1]).max() > 1e-4


def test_a_local_context_of_a_scene_within_its_reach_is_that_of_every_tile(uneven: Path, tiny: Restorer) -> None:
    local = restored(uneven, tiny, "local", 64)
    assert np.isfinite(local).all()
    assert not np.array_equal(local, restored(uneven, tiny, "tile", 64))


def test_another_word_for_a_context_is_refused() -> None:
    with pytest.raises(OptionError, match="auto, scene, field, local or tile"):
        SceneOptions(context="global")  # type: ignore[arg-type]
