"""The network against numbers that the released code gave: every variant, to 1e-5."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.weights.convert import convert_checkpoint, infer_config, rename_keys

DATA = Path(__file__).parent.parent / "data"
SHARED = Path(__file__).parents[2].parent / "shared" / "reference"
TOLERANCE = 1e-5
VARIANTS = (
    "restormer_small",
    "restormer_small_concat",
    "restormer_small_adaptive_modulation",
    "restormer_small_prompt_concat",
    "restormer_small_task_only",
    "restormer_small_no_prompt",
    "nafnet_small",
)


def reference(name: str) -> Path:
    """Return the folder of a variant; the one that matters most is part of the tests."""
    if (DATA / f"{name}.npz").exists():
        return DATA
    if not SHARED.exists():
        pytest.skip(f"the reference of {name} stands in ../shared, which is not here")
    return SHARED


@pytest.mark.parametrize("name", VARIANTS)
def test_output_and_choices_are_those_of_the_released_network(name: str) -> None:
    folder = reference(name)
    network, _ = convert_checkpoint(folder / f"{name}.safetensors", task_top_k=2, domain_top_k=3)
    values = np.load(folder / f"{name}.npz")
    cases = sorted({key.split(".")[0] for key in values.files})
    assert cases
    for case in cases:
        with torch.inference_mode():
            output, trace = network.trace(torch.from_numpy(values[f"{case}.input"]))
        assert np.abs(output.numpy() - values[f"{case}.output"]).max() <= TOLERANCE
        for choice, released in ((trace.domain, "domain"), (trace.task, "degradation")):
            if choice is None:
                assert f"{case}.{released}_mapper.query" not in values
                continue
            assert np.abs(choice.query.numpy() - values[f"{case}.{released}_mapper.query"]).max() <= TOLERANCE
            pool = f"{case}.{released}_prompt_pool"
            selected = np.sort(choice.selected.numpy(), axis=1)
            assert np.array_equal(selected, np.sort(values[f"{pool}.selected"], axis=1))
            expected = values[f"{pool}.representation"].reshape(len(selected), -1)
            assert np.abs(choice.representation.flatten(1).numpy() - expected).max() <= TOLERANCE


def test_every_tensor_of_the_full_network_is_mapped_with_none_left_over() -> None:
    published = json.loads((DATA / "restormer_full_keys.json").read_text())
    tensors = {key: torch.empty(shape, device="meta") for key, shape in published.items()}
    shapes = {key: tuple(tensor.shape) for key, tensor in rename_keys(tensors, Path("full")).items()}
    assert len(shapes) == 866
    config = infer_config(shapes)
    with torch.device("meta"):
        network = DatprlNetwork(config)
    assert shapes == {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    assert config == preset("md-9t")
    assert sum(parameter.numel() for parameter in network.parameters()) == 53_133_552
