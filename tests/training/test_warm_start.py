"""Going on from earlier weights: with more blocks, and part of the way back to them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from datprl_toolkit.errors import InputError
from datprl_toolkit.network import DatprlNetwork, NetworkConfig, PromptPoolConfig
from datprl_toolkit.training.warm_start import mix_with, start_from

POOL = PromptPoolConfig(size=5, top_k=2, dimension=16, tokens=2)
SHALLOW = NetworkConfig(
    backbone="nafnet",
    width=8,
    encoder_blocks=(1, 1),
    middle_blocks=1,
    decoder_blocks=(1, 1),
    refinement_blocks=0,
    heads=(),
    task_pool=POOL,
    domain_pool=POOL,
)
RESTORMER = replace(SHALLOW, backbone="restormer", heads=(1, 2, 2), refinement_blocks=1)
IMAGE = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("config", [SHALLOW, RESTORMER])
def test_added_blocks_do_nothing_at_first_and_can_learn(config: NetworkConfig) -> None:
    earlier = DatprlNetwork(config).eval()
    deeper = DatprlNetwork(replace(config, encoder_blocks=(1, 2), middle_blocks=3, decoder_blocks=(2, 1))).eval()
    assert start_from(deeper, earlier, "shallow") == 4
    with torch.inference_mode():
        assert torch.equal(deeper(IMAGE), earlier(IMAGE))
    deeper(IMAGE).square().sum().backward()
    added = deeper.backbone.middle[2]
    assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in added.parameters())


@pytest.mark.parametrize(
    "other",
    [
        replace(SHALLOW, width=16),
        replace(SHALLOW, middle_blocks=0),
        replace(SHALLOW, feature_fusion="concat"),
        replace(SHALLOW, encoder_blocks=(1, 1, 1), decoder_blocks=(1, 1, 1)),
    ],
)
def test_a_network_that_differs_otherwise_is_refused(other: NetworkConfig) -> None:
    with pytest.raises(InputError, match="E_WEIGHTS"):
        start_from(DatprlNetwork(other), DatprlNetwork(SHALLOW), "shallow")


def test_some_parts_go_back_wholly_and_the_others_part_of_the_way() -> None:
    earlier, later = DatprlNetwork(SHALLOW), DatprlNetwork(replace(SHALLOW, encoder_blocks=(2, 1)))
    old = earlier.state_dict()
    trained = {name: tensor.clone() for name, tensor in later.state_dict().items()}
    mix_with(later, earlier, "shallow", 0.75, ("backbone.encoder", "backbone.stem"))
    for name, tensor in later.state_dict().items():
        if name.startswith(("backbone.encoder", "backbone.stem")):
            if name in old:
                assert torch.equal(tensor, old[name]), name
            elif name.endswith("_scale"):
                assert not tensor.any(), "a block that the earlier network has not does nothing"
        else:
            assert torch.allclose(tensor, 0.75 * trained[name] + 0.25 * old[name], atol=1e-6), name
