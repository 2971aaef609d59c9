"""A field of contexts is interpolated inside the network, and does not depend on how an image is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datprl_toolkit.network import Context, DatprlNetwork, Grouping, Lattice
from datprl_toolkit.network import strips as strips_module
from datprl_toolkit.network.lattice import Spread, everywhere
from datprl_toolkit.restoring.testing import tiny_network
from tests.network.test_strips import VARIANTS

if TYPE_CHECKING:
    from torch import Tensor

    from datprl_toolkit.network.configuration import Backbone

BACKBONES: tuple[Backbone, ...] = ("nafnet", "restormer")
CPU = torch.device("cpu")


def uneven(height: int, width: int) -> Tensor:
    """An image whose halves differ."""
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))
    image[..., width // 2 :] = 0.2 * image[..., width // 2 :] + 0.7
    return image


def contexts(network: DatprlNetwork, image: Tensor) -> tuple[Context, Context, Context]:
    """Return the contexts of the halves of an image, and both as a field of two nodes beside one another."""
    left, right = image.chunk(2, dim=-1)
    halves = torch.cat([left, right])
    both = network.context(halves, Grouping(torch.eye(2), torch.tensor([0, 1])))
    field = replace(both, lattice=Lattice(1, 2, *image.shape[-2:]))
    return network.context(left), network.context(right), field


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    height=st.integers(8, 300),
    width=st.integers(8, 300),
    corner=st.tuples(st.integers(-20, 200), st.integers(-20, 200)),
)
@settings(max_examples=50, deadline=None)
def test_the_weights_add_up_to_one_at_every_pixel_and_are_those_of_the_place(
    rows: int, columns: int, height: int, width: int, corner: tuple[int, int]
) -> None:
    lattice = Lattice(rows, columns, height, width)
    ones = torch.ones(rows * columns, 1)
    numbers = torch.arange(rows * columns, dtype=torch.float32)[:, None]
    part = lattice.at([corner]).spread(24, 16, CPU)
    assert torch.allclose(part.mix(ones), torch.ones(1, 1, 24, 16), atol=1e-6)
    around = lattice.at([(-20, -20)]).spread(260, 260, CPU).mix(numbers)
    top, left = corner[0] + 20, corner[1] + 20
    assert torch.allclose(part.mix(numbers), around[..., top : top + 24, left : left + 16], atol=1e-5)
    assert torch.allclose(part.blend(lambda node: numbers[node].view(1, 1, 1, 1)), part.mix(numbers), atol=1e-4)


def test_a_node_counts_alone_where_it_lies_and_beyond_the_outermost() -> None:
    lattice = Lattice(1, 2, 3, 40)  # an odd height, so that a row of pixels has its middle at the node
    values = everywhere(torch.tensor([[0.0], [1.0]]), lattice.spread(3, 40, CPU))
    assert torch.equal(values[..., :10], torch.zeros(1, 1, 3, 10))
    assert torch.equal(values[..., 30:], torch.ones(1, 1, 3, 10))
    assert torch.all(values.diff(dim=-1) >= 0)
    assert lattice.nodes == ((1.5, 10.0), (1.5, 30.0))


def test_a_flipped_part_has_the_weights_of_its_pixels() -> None:
    lattice = Lattice(3, 2, 50, 70)
    numbers = torch.arange(6.0)[:, None]
    straight = lattice.at([(8, 16)]).spread(24, 32, CPU).mix(numbers)
    flipped = replace(lattice, corners=((8 + 23, 16),), steps=(-1, 1))
    assert torch.equal(flipped.spread(24, 32, CPU).mix(numbers), straight.flip(-2))
    assert torch.equal(flipped.at([(8, 0)]).spread(16, 32, CPU).mix(numbers), straight.flip(-2)[..., 8:, :])


def test_on_a_coarser_level_the_weights_are_means() -> None:
    spread = Lattice(2, 3, 64, 64).at([(16, 24)]).spread(32, 16, CPU)
    numbers = torch.arange(6.0)[:, None]
    coarse = torch.nn.functional.avg_pool2d(spread.mix(numbers), 4)
    assert torch.allclose(spread.on(8, 4).mix(numbers), coarse, atol=1e-5)


def test_nodes_that_count_nowhere_are_left_out() -> None:
    spread = Lattice(4, 4, 400, 400).at([(0, 300)]).spread(40, 40, CPU)
    assert (spread.first, spread.down.shape[1], spread.across.shape[1]) == ((0, 2), 1, 2)
    asked: list[int] = []

    def made(node: int) -> Tensor:
        asked.append(node)
        return torch.zeros(1, 1, 1, 1)

    spread.blend(made)
    assert asked == [2, 3]
    with pytest.raises(ValueError, match="no nodes"):
        Spread(torch.zeros(1, 0, 4), torch.zeros(1, 1, 4), (0, 0), 1).blend(made)


@pytest.mark.parametrize("name", VARIANTS)
@torch.inference_mode()
def test_a_field_of_equal_contexts_is_that_context(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = DatprlNetwork(VARIANTS[name]).eval()
    network.backbone.head.weight.mul_(10)
    image = uneven(48, 64)
    one = network.context(image)
    nodes = replace(
        one,
        prompt=None if one.prompt is None else one.prompt.repeat(4, 1, 1),
        statistics=tuple(each.repeat(4, *[1] * (each.ndim - 1)) for each in one.statistics),
        lattice=Lattice(2, 2, 48, 64),
    )
    expected = network(image, one)
    assert (network(image, nodes) - expected).abs().max() < 1e-5
    monkeypatch.setattr(strips_module, "STRIP_VALUES", 1)
    assert (network(image, nodes) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_near_a_node_an_image_is_restored_with_its_context(backbone: Backbone) -> None:
    network = tiny_network(backbone)
    image = uneven(32, 512)
    left, right, field = contexts(network, image)
    restored = network(image, field)
    with_left, with_right = network(image, left), network(image, right)
    assert (restored - with_left)[..., :64].abs().max() < 1e-5
    assert (restored - with_right)[..., -64:].abs().max() < 1e-5
    assert (restored - with_left)[..., -64:].abs().max() > 1e-4


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("shift", [0, 8, 24])
@torch.inference_mode()
def test_in_a_field_tiles_equal_the_whole_wherever_their_grid_lies(backbone: Backbone, shift: int) -> None:
    network = tiny_network(backbone)
    image = uneven(96, 256)
    *_, field = contexts(network, image)
    whole = network(image, field)
    halo, starts = 80, (64 + shift, 96 + shift)
    batch = torch.cat([image[..., start - 64 : start - 64 + 32 + 2 * halo - 32] for start in starts])
    tiles = network(batch, field.at([(0, start - 64) for start in starts]))
    for tile, start in zip(tiles, starts, strict=True):
        assert (tile[..., 64:96] - whole[0, ..., start : start + 32]).abs().max() <= 1e-4
    alone = network(batch[1:], field.at([(0, start - 64) for start in starts]).of(slice(1, 2)))
    assert torch.allclose(alone[0], tiles[1], atol=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_nodes_of_one_image_each_have_that_images_context(backbone: Backbone) -> None:
    network = tiny_network(backbone)
    image = uneven(48, 96)
    left, right, field = contexts(network, image)
    for node, alone in enumerate((left, right)):
        for of_field, own in zip(field.statistics, alone.statistics, strict=True):
            assert torch.allclose(of_field[node], own[0], atol=1e-5)
        assert field.prompt is not None
        assert alone.prompt is not None
        assert torch.allclose(field.prompt[node], alone.prompt[0], atol=1e-5)


def test_a_grouping_of_half_the_images_leaves_no_node_without() -> None:
    grouping = Grouping(torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([0, 1, 0])).thinned()
    assert torch.equal(grouping.shares, torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    assert torch.equal(grouping.follows, torch.tensor([0, 0]))
