"""What is global in the network can be frozen and shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from datprl_toolkit.network import Context, DatprlNetwork
from datprl_toolkit.network.context import FrozenStatistics
from datprl_toolkit.restoring.testing import tiny_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.network.configuration import Backbone

BACKBONES: tuple[Backbone, ...] = ("nafnet", "restormer")


def image(height: int, width: int, *, number: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, 3, height, width, generator=generator)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_an_images_own_context_gives_its_own_output(backbone: Backbone) -> None:
    network = tiny_network(backbone)
    whole = image(48, 56)
    assert torch.allclose(network(whole, network.context(whole)), network(whole), atol=1e-6)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_the_context_of_a_repeated_image_is_the_context_of_the_image(backbone: Backbone) -> None:
    network = tiny_network(backbone)
    one = image(48, 48)
    single, repeated = network.context(one), network.context(one.repeat(3, 1, 1, 1))
    for first, second in zip(single.statistics, repeated.statistics, strict=True):
        assert torch.allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
@torch.inference_mode()
def test_a_shared_context_makes_overlapping_tiles_agree_where_their_own_do_not(backbone: Backbone) -> None:
    network = tiny_network(backbone)
    whole = image(64, 256)
    whole[..., :64] *= 0.1  # a dark part that only the left tile sees
    context = network.context(whole)
    left, right = whole[..., :192], whole[..., 64:]

    def disagreement(restore: Callable[[Tensor], Tensor]) -> float:
        return float((restore(left)[..., 124:132] - restore(right)[..., 60:68]).abs().max())

    shared = disagreement(lambda tile: network(tile, context))
    assert shared < 1e-5
    assert disagreement(network) > 10 * shared


@torch.inference_mode()
def test_a_context_keeps_what_was_chosen_and_moves_between_devices() -> None:
    network = tiny_network("restormer")
    context = network.context(image(32, 32, number=4)).to("cpu")
    assert context.task is not None
    assert context.domain is not None
    assert context.task.selected.shape == (1, 2)
    assert context.prompt is not None
    assert context.prompt.shape == (1, 1, 16)


@torch.inference_mode()
def test_the_context_of_another_network_is_refused() -> None:
    network = tiny_network("restormer")
    short = Context(None, ())
    with pytest.raises(ValueError, match="another network"):
        network(image(32, 32), short)
    with pytest.raises(ValueError, match="another network"):
        FrozenStatistics(short, image(8, 8)).resolve(lambda: (), lambda sums: sums[0])


@torch.inference_mode()
def test_images_of_one_batch_do_not_influence_each_other() -> None:
    network: DatprlNetwork = tiny_network("restormer")
    batch = image(40, 40, number=3)
    together = network(batch)
    for index in range(3):
        assert torch.allclose(together[index], network(batch[index : index + 1])[0], atol=1e-5)
