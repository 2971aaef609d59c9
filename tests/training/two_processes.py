"""What each of two processes does in the tests of distributed training; started by torchrun."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from datprl_toolkit.training import TrainingConfig, load_prepared
from datprl_toolkit.training.distributed import DistributedTrainer, Processes, start_processes


def save_gradients(trainer: DistributedTrainer, folder: Path, rank: int) -> None:
    """Save this process's share of a batch, and the gradients after they were averaged."""
    # Dropout and the noise of the choice would differ between processes.
    trainer.network.eval()
    batch = trainer.batches.next(trainer.config.crop)
    trainer._forward_backward(batch)
    gradients = {name: each.grad for name, each in trainer.network.named_parameters() if each.grad is not None}
    torch.save(gradients, folder / f"gradients-{rank}.pt")
    torch.save((batch.degraded, batch.clean, batch.tasks, batch.keys), folder / f"batch-{rank}.pt")


def train(config: TrainingConfig, data: Path, folder: Path, processes: Processes) -> None:
    """Train six steps at once, and six with an interruption after three, and keep what every process ends with."""
    prepared = load_prepared(data)

    def make(name: str) -> DistributedTrainer:
        return DistributedTrainer(config, prepared, folder / name, processes=processes, report=lambda _: None)

    whole = make("whole")
    losses = [whole.train_step()["total"] for _ in range(6)]
    first = make("parts")
    parts = [first.train_step()["total"] for _ in range(3)]
    first.save()
    second = make("parts")
    torch.rand(3)
    second.resume()
    parts += [second.train_step()["total"] for _ in range(3)]
    last = make("run")
    complete = last.run()
    weights = [torch.cat([v.flatten() for v in t.network.state_dict().values()]) for t in (whole, second)]
    result = {
        "losses": losses,
        "parts": parts,
        "complete": complete,
        "keys": list(whole.batches.next(config.crop).keys),
        "same_weights": bool(torch.equal(*weights)),
        "checksum": weights[0].double().sum().item(),
        "files": sorted(path.name for path in (folder / "run").iterdir()),
    }
    (folder / f"result-{processes.rank}.json").write_text(json.dumps(result))


def main() -> None:
    data, folder, settings = (Path(argument) for argument in sys.argv[1:4])
    config = TrainingConfig.from_dict(json.loads(settings.read_text()))
    torch.set_num_threads(1)
    processes, device = start_processes("cpu")
    assert processes is not None
    assert device == "cpu"
    gradients = DistributedTrainer(config, load_prepared(data), folder, processes=processes, report=lambda _: None)
    save_gradients(gradients, folder, processes.rank)
    train(replace(config, steps=6), data, folder, processes)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
