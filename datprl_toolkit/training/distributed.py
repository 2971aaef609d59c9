"""Training in several processes: each has its share of every batch, and all take the same step.

Started by ``torchrun``, which tells each process its rank through the environment. Gradients are averaged over the
processes after the backward pass, so that a step is that of one process with the joined batch.
"""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.training.checkpoints import load_checkpoint, save_checkpoint
from datprl_toolkit.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from datprl_toolkit.training.batches import Batch
    from datprl_toolkit.training.configuration import TrainingConfig
    from datprl_toolkit.training.prepared import PreparedData
    from datprl_toolkit.training.validation import TaskScore

STATES = "checkpoint.states-{step}.pt"
SEED_STEP = 1_000_003  # between the seeds of two ranks; far from any seed that people choose


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run.

    Parameters
    ----------
    rank
        Number of this one.
    count
        How many there are.
    """

    rank: int
    count: int

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over the processes, in place, in one exchange for each type."""
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        for same in by_type.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in same])
            distributed.all_reduce(flat)
            flat /= self.count
            for tensor, mean in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def gather(self, value: Any) -> list[Any]:
        """Return what every process has, in the order of their ranks."""
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def any(self, flag: bool, device: torch.device) -> bool:
        """Return whether any process says yes."""
        votes = torch.tensor([int(flag)], device=device)
        distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
        return bool(votes.item())


def start_processes(device: str) -> tuple[Processes | None, str]:
    """Join the processes that ``torchrun`` started; None where it did not.

    Returns
    -------
    The processes, and the device of this one: each process has its own GPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None, device
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Processes(distributed.get_rank(), distributed.get_world_size()), device


def average_gradients(network: nn.Module, processes: Processes) -> None:
    """Replace the gradients of a network by their mean over the processes."""
    processes.average([each.grad for each in network.parameters() if each.grad is not None])


class DistributedTrainer(Trainer):
    """A trainer that shares every batch with other processes; the first of them writes everything.

    Its configuration has the share of the batch. A checkpoint holds the state of every process, and is resumed with
    as many.

    Raises
    ------
    OptionError
        ``E_OPTION`` if the batch cannot be shared evenly.
    """

    def __init__(
        self, config: TrainingConfig, data: PreparedData, folder: Path, *, processes: Processes, **options: Any
    ) -> None:
        if config.batch_size % processes.count:
            raise OptionError(
                ErrorCode.OPTION,
                f"a batch of {config.batch_size} images cannot be shared evenly by {processes.count} processes",
                where="batch_size",
                remedy="Choose a multiple of the number of processes",
            )
        if processes.rank:
            options["report"] = _say_nothing
        share = replace(config, batch_size=config.batch_size // processes.count)
        # All start from the same weights, since the first seed is that of the configuration.
        super().__init__(share, data, folder, **options)
        self.processes = processes
        self._deadline = math.inf
        if processes.rank:
            torch.manual_seed(config.seed + SEED_STEP * processes.rank)
            self.batches.seed += SEED_STEP * processes.rank
            for pairs in self.batches.pairs.values():
                for order in pairs.orders:
                    order.seed = (*order.seed, processes.rank)

    def run(self, *, minutes: float = math.inf) -> bool:
        """Train as one process would; the time and signals of all count."""
        self._deadline = time.monotonic() + 60.0 * minutes
        return super().run()

    def validate(self, *, limit: int | None = None, clean_images: int = 0) -> dict[str, TaskScore]:
        """Score the averaged weights in the first process; the others wait and get no scores."""
        scores = {} if self.processes.rank else super().validate(limit=limit, clean_images=clean_images)
        distributed.barrier()
        return scores

    def save(self) -> None:
        """Write the checkpoint from the first process, and beside it the state of every process.

        The file with the states has the step in its name and is written first, so that a checkpoint never lacks the
        states that belong to it; those of earlier steps are removed last.
        """
        states = self.processes.gather({"batches": self.batches.state, "random": torch.get_rng_state()})
        if not self.processes.rank:
            self.folder.mkdir(parents=True, exist_ok=True)
            mine = self._states_path()
            save_checkpoint(mine, {"states": states})
            super().save()
            for old in self.folder.glob(STATES.format(step="*")):
                if old != mine:
                    old.unlink()
        distributed.barrier()

    def resume(self) -> None:
        """Continue from the checkpoint, each process from its own state.

        Raises
        ------
        InputError
            As for one process; ``E_MISSING`` or ``E_UNSUPPORTED`` if there are no states for as many processes.
        """
        super().resume()
        states = load_checkpoint(self._states_path())["states"]
        if len(states) != self.processes.count:
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"the checkpoint was made by {len(states)} processes, and there are {self.processes.count}",
                where=self.folder,
                remedy="Resume with as many",
            )
        mine = states[self.processes.rank]
        self.batches.state = mine["batches"]
        torch.set_rng_state(mine["random"])

    @property
    def whole_batch(self) -> int:
        """Images in a batch of all processes of the run."""
        return self.config.batch_size * self.processes.count

    def any_process(self, flag: bool) -> bool:
        """Return whether any process of the run says yes."""
        return self.processes.any(flag, self.device)

    def _states_path(self) -> Path:
        return self.folder / STATES.format(step=self.step)

    def _advance(self) -> None:
        super()._advance()
        over = self.stop_requested or time.monotonic() >= self._deadline
        self.stop_requested = self.any_process(over)

    def _forward_backward(self, batch: Batch) -> tuple[dict[str, float], Tensor]:
        terms, error = super()._forward_backward(batch)
        average_gradients(self.network, self.processes)
        means = torch.tensor(list(terms.values()), dtype=torch.float64, device=self.device)
        self.processes.average([means])
        return dict(zip(terms, means.tolist(), strict=True)), error

    def _measure_balance(self, batch: Batch, degraded: Tensor, clean: Tensor) -> None:
        super()._measure_balance(batch, degraded, clean)
        # One opinion for all: that of the first, which is also what a checkpoint keeps.
        self.balance.state = self.processes.gather(self.balance.state)[0]

    def _log(self, line: Mapping[str, Any]) -> None:
        if not self.processes.rank:
            super()._log(line)


def _say_nothing(_: str) -> None:
    """Report nothing."""
