"""What a run will do and what it will cost, before it starts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from datprl_toolkit.training.folders import describe_folders

if TYPE_CHECKING:
    from torch import Tensor

    from datprl_toolkit.training.trainer import Trainer

GIB = 2**30
PATIENCE = 120.0
"""Seconds that measuring may take before it is done with a single image."""
COPIES = 5
"""Of each parameter: weights, gradient, two moments of Adam, running average."""


def describe_plan(trainer: Trainer) -> str:
    """Return what will be trained on what, and for how long."""
    config, data = trainer.config, trainer.data
    parameters = sum(parameter.numel() for parameter in trainer.network.parameters())
    network = f"{config.baseline} (baseline)" if config.baseline else _network(trainer)
    lines = [
        f"network: {network}, {parameters / 1e6:.2f} M parameters",
        f"steps: {config.steps}, learning rate {config.learning_rate:g} to {config.final_learning_rate:g}",
        f"{config.precision} on {trainer.device}, {torch.get_num_threads()} threads",
        f"batch: {config.batch_size} crops of {config.crop}x{config.crop} from {len(config.tasks)} tasks"
        + (f", or as many pixels in crops of {', '.join(map(str, config.crop_sizes))}" if config.crop_sizes else ""),
    ]
    shares = {task: config.task_shares.get(task, 1.0) for task in config.tasks}
    for task, pairs in trainer.batches.pairs.items():
        parts = ", ".join(
            f"{len(maker)} of {maker.source.name} ({type(maker).__name__}, {share:.0%})"
            for maker, share in zip(pairs.makers, pairs.probabilities, strict=True)
        )
        crops = config.batch_size * shares[task] / sum(shares.values())
        held = len(data.validation[task]) if task in data.validation else 0
        lines.append(f"  {task}: {crops:.2f} crops per batch from {parts}; {held} validation images")
    lines += [f"  {line}" for line in describe_folders(data)]
    lines.append(f"data: {data.fingerprint[:16]}; losses: {config.losses}")
    lines.append(_alignment(trainer))
    return "\n".join(lines)


def measure(trainer: Trainer, steps: int = 5) -> str:
    """Return the memory that a step needs, its time, and the share of the data, measured here.

    One image alone is passed through first. If a whole batch would not fit, or would take too long, that image
    stands for the others.
    """
    kept, needed = activation_bytes(trainer), trainer.config.batch_size
    parameters = sum(parameter.numel() * parameter.element_size() for parameter in trainer.network.parameters())
    total = COPIES * parameters + needed * kept
    free = free_bytes(trainer.device)
    memory = (
        f"memory: {COPIES * parameters / GIB:.2f} GiB for weights, gradient, Adam and average; "
        f"{kept / GIB:.2f} GiB kept for each crop; {total / GIB:.2f} GiB in all, of {free / GIB:.2f} GiB free here"
    )
    seconds = _seconds_of_one(trainer)
    if trainer.any_process(total >= free or seconds * needed * (steps + 1) >= PATIENCE):
        seconds *= needed
        how = f"{needed} times that of one crop"
    else:
        seconds, share = _seconds_of_steps(trainer, steps)
        how = f"{share:.0%} of it for the data"
    hours = seconds * trainer.config.steps / 3600
    lines = [memory, f"measured here: {seconds:.3f} s per step ({how}); {hours:.1f} h in all"]
    if total >= free:
        lines.append("That does not fit: lower batch_size or crop, or share the batch among several GPUs with torchrun")
    return "\n".join(lines)


def activation_bytes(trainer: Trainer) -> int:
    """Return what a forward pass keeps for the backward pass, for one crop, but for the parameters themselves."""
    own = {parameter.untyped_storage().data_ptr() for parameter in trainer.network.parameters()}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        # Held until the end, so that no place in memory is counted for two tensors.
        held = _forward_one(trainer)
    del held
    return sum(kept.values())


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free: of the GPU, or of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _network(trainer: Trainer) -> str:
    network = trainer.config.network
    pools = [
        f"{name} pool of {pool.size} (top {pool.top_k})"
        for name, pool in (("task", network.task_pool), ("domain", network.domain_pool))
        if pool is not None
    ]
    told = {"pool": "", "encodings": ", domain told (encodings)", "texts": ", domain told (sentences)"}
    return (
        f"{network.backbone}, width {network.width}, {' and '.join(pools) or 'no prompt pools'}, "
        f"{network.feature_fusion} of {network.prompt_form}{told[trainer.config.domain_prompts]}"
    )


def _alignment(trainer: Trainer) -> str:
    if trainer.text and trainer.aligns:
        return f"alignment: {len(trainer.text)} text features"
    return "Without text features the alignment loss (equation 2) is left out."


def _forward_one(trainer: Trainer) -> Tensor:
    config = trainer.config
    image = torch.rand(1, 3, config.crop, config.crop, device=trainer.device)
    given = trainer.given.known_domain(config.tasks[:1])
    with trainer.autocast():
        output, _ = trainer.network.trace(image, given)
    return output.float().mean()


def _seconds_of_one(trainer: Trainer) -> float:
    """Return the time of a forward and backward pass of one crop, after one to warm up."""
    for _ in range(2):
        _synchronize(trainer.device)
        began = time.perf_counter()
        torch.autograd.backward(_forward_one(trainer))
        _synchronize(trainer.device)
        seconds = time.perf_counter() - began
    trainer.network.zero_grad(set_to_none=True)
    return seconds


def _seconds_of_steps(trainer: Trainer, steps: int) -> tuple[float, float]:
    """Return the time of a step after one to warm up, and the share of it that the data take."""
    trainer.train_step()
    before = trainer.window.data_seconds
    _synchronize(trainer.device)
    began = time.perf_counter()
    for _ in range(steps):
        trainer.train_step()
    _synchronize(trainer.device)
    seconds = (time.perf_counter() - began) / steps
    return seconds, (trainer.window.data_seconds - before) / steps / seconds


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
