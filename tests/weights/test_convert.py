"""Published checkpoints: every container, nothing executed, and a list of what does not fit."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from datprl_toolkit.errors import DatprlError, ErrorCode, WeightsError
from datprl_toolkit.weights.convert import convert_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCE = Path(__file__).parent.parent / "data" / "restormer_small.safetensors"
Tensors = dict[str, Tensor]

CONTAINERS: dict[str, Callable[[Tensors], Any]] = {
    "bare": lambda tensors: tensors,
    "params": lambda tensors: {"params": tensors},
    "params_ema": lambda tensors: {"params_ema": tensors, "params": {k: v * 0 for k, v in tensors.items()}},
    "lightning": lambda tensors: {
        "epoch": 3,
        "state_dict": {"metric.total": torch.zeros(1)} | {f"net.{k}": v for k, v in tensors.items()},
    },
    "data parallel": lambda tensors: {"params": {f"module.{k}": v for k, v in tensors.items()}},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same_network(tmp_path: Path, container: str) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(CONTAINERS[container](load_file(REFERENCE)), path)
    network, config = convert_checkpoint(path, task_top_k=2, domain_top_k=3)
    expected, expected_config = convert_checkpoint(REFERENCE, task_top_k=2, domain_top_k=3)
    assert config == expected_config
    for key, tensor in expected.state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor)


class Malice:
    """An object that would create a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_never_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "executed"
    with path.open("wb") as file:
        pickle.dump({"params": Malice(trace)}, file)
    with pytest.raises(WeightsError) as error:
        convert_checkpoint(path)
    assert error.value.code == ErrorCode.WEIGHTS
    assert not trace.exists()
    torch.save({"params": Malice(trace)}, path)
    with pytest.raises(WeightsError, match="never loaded"):
        convert_checkpoint(path)
    assert not trace.exists()


def test_what_is_missing_and_what_is_left_over_is_listed(tmp_path: Path) -> None:
    tensors = load_file(REFERENCE)
    del tensors["output.weight"]
    tensors["surplus"] = torch.zeros(1)
    path = tmp_path / "checkpoint.pth"
    torch.save(tensors, path)
    with pytest.raises(WeightsError, match=r"1 missing \(backbone.head.weight\); 1 left over \(surplus\)"):
        convert_checkpoint(path, task_top_k=2, domain_top_k=3)


def test_another_network_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="another network"):
        convert_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 not a zip"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.pth"
    path.write_bytes(content)
    with pytest.raises(DatprlError) as error:
        convert_checkpoint(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="E_MISSING"):
        convert_checkpoint(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("content", [{"params": 3}, [1, 2], {"params": {}}])
def test_a_file_without_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    with pytest.raises(WeightsError, match="holds no"):
        convert_checkpoint(path)
