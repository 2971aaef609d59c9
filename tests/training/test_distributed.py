"""Two processes under torchrun against one with the joined batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from datprl_toolkit.errors import OptionError
from datprl_toolkit.training import Trainer
from datprl_toolkit.training.batches import Batch
from datprl_toolkit.training.distributed import DistributedTrainer, Processes, start_processes

if TYPE_CHECKING:
    from datprl_toolkit.training import PreparedData, TrainingConfig

SCRIPT = Path(__file__).with_name("two_processes.py")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the two processes once; what they leave is looked at by the tests."""
    from tests.training.conftest import CONFIG

    out = tmp_path_factory.mktemp("processes")
    (out / "settings.json").write_text(json.dumps(CONFIG.to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, str(folder), str(out), str(out / "settings.json")],
        env=environment, capture_output=True, text=True, check=False, timeout=250,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return out


def test_the_gradients_of_two_processes_are_those_of_one_with_the_joined_batch(
    finished: Path, config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    shares = [torch.load(finished / f"batch-{rank}.pt", weights_only=True) for rank in range(2)]
    degraded, clean = (torch.cat([share[part] for share in shares]) for part in range(2))
    tasks, keys = (tuple(name for share in shares for name in share[part]) for part in (2, 3))
    assert len(tasks) == config.batch_size
    assert not torch.equal(shares[0][1], shares[1][1])
    one = Trainer(config, data, tmp_path, report=lambda _: None)
    one.network.eval()
    one._forward_backward(Batch(degraded, clean, tasks, keys))
    expected = {name: each.grad for name, each in one.network.named_parameters() if each.grad is not None}
    for rank in range(2):
        found: dict[str, Any] = torch.load(finished / f"gradients-{rank}.pt", weights_only=True)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            assert torch.allclose(found[name], gradient, rtol=1e-5, atol=1e-6), name


def test_two_processes_end_with_the_same_weights_and_resume_to_the_bit(finished: Path) -> None:
    results = [json.loads((finished / f"result-{rank}.json").read_text()) for rank in range(2)]
    assert results[0]["checksum"] == results[1]["checksum"]
    for result in results:
        assert result["losses"] == result["parts"]
        assert result["same_weights"]
        assert result["complete"]
        # The first process alone writes, and only the states of the last checkpoint are kept.
        assert result["files"] == ["checkpoint.pt", "checkpoint.states-6.pt", "config.json", "metrics.jsonl"]
    assert results[0]["losses"] == results[1]["losses"]
    assert results[0]["keys"] != results[1]["keys"]


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert start_processes("cpu") == (None, "cpu")


def test_a_batch_that_cannot_be_shared_evenly_is_refused(
    config: TrainingConfig, data: PreparedData, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="shared evenly by 2"):
        DistributedTrainer(replace(config, batch_size=9), data, tmp_path, processes=Processes(0, 2))
