"""Validation: PSNR and SSIM of the degraded and of the restored images of each task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from datprl_toolkit.metrics import psnr, ssim

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from datprl_toolkit.network import Anchors, DatprlNetwork
    from datprl_toolkit.training.baselines import Baseline
    from datprl_toolkit.training.prepared import ValidationSet


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Mean figures of one task; PSNR in dB.

    Parameters
    ----------
    images
        Number of images.
    psnr_input, psnr_output, ssim_input, ssim_output
        Means over the images.
    worst_gain
        Smallest gain in PSNR of any image, and so how much the network harms at worst.
    clean
        Mean PSNR of clean images that went through the network; NaN where not measured.
    """

    images: int
    psnr_input: float
    psnr_output: float
    ssim_input: float
    ssim_output: float
    worst_gain: float
    clean: float = math.nan

    @property
    def gain(self) -> float:
        """Mean gain in PSNR."""
        return self.psnr_output - self.psnr_input


@torch.inference_mode()
def restore(
    network: DatprlNetwork | Baseline,
    image: npt.NDArray[np.float32],
    grid: int,
    device: torch.device,
    given: Anchors | None = None,
) -> npt.NDArray[np.float32]:
    """Restore one image (H, W) or (H, W, 3) in [0, 1]; grey ones are lifted to three channels and averaged back.

    `given` are prompts that it is given, whatever it would choose.
    """
    colour = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    tensor = torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1)))[None].to(device)
    height, width = image.shape[:2]
    padded = functional.pad(tensor, (0, -width % grid, 0, -height % grid), mode="reflect")
    output = network(padded) if given is None else network.trace(padded, given)[0]
    output = output[0, :, :height, :width].clamp(0, 1).float().cpu().numpy()
    restored: npt.NDArray[np.float32] = output.mean(axis=0) if image.ndim == 2 else output.transpose(1, 2, 0)
    return restored


def validate(
    network: DatprlNetwork | Baseline,
    sets: Mapping[str, ValidationSet],
    tasks: Sequence[str],
    *,
    grid: int,
    device: torch.device,
    limit: int = 0,
    clean_images: int = 0,
    given: Callable[[str], Anchors | None] = lambda _: None,
) -> dict[str, TaskScore]:
    """Score a network on the validation sets of `tasks`.

    Parameters
    ----------
    network
        Ours, or a baseline.
    limit
        Number of images per task, evenly spaced; 0 for all.
    clean_images
        Number of targets per task that are restored too, to see whether clean images stay as they are.
    given
        Returns the prompts that the images of a task are given; None where they choose.
    """
    scores = {}
    was_training = network.training
    network.eval()
    try:
        for task in tasks:
            if task in sets and len(sets[task]):
                run = partial(restore, network, grid=grid, device=device, given=given(task))
                scores[task] = _score(run, sets[task], limit, clean_images)
    finally:
        network.train(was_training)
    return scores


def format_table(scores: Mapping[str, TaskScore]) -> str:
    """Return the scores as lines of text, and the mean gain below them."""
    head = f"{'task':<34}{'n':>4}{'PSNR in':>9}{'out':>8}{'gain':>7}{'worst':>7}{'SSIM in':>9}{'out':>8}{'clean':>7}"
    lines = [head]
    lines += [
        f"{task:<34}{s.images:>4}{s.psnr_input:>9.2f}{s.psnr_output:>8.2f}{s.gain:>+7.2f}{s.worst_gain:>+7.2f}"
        f"{s.ssim_input:>9.4f}{s.ssim_output:>8.4f}{s.clean:>7.1f}"
        for task, s in scores.items()
    ]
    if scores:
        lines.append(f"{'mean gain':<34}{np.mean([s.gain for s in scores.values()]):>+28.2f}")
    return "\n".join(lines)


def _score(
    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    pairs: ValidationSet,
    limit: int,
    clean_images: int,
) -> TaskScore:
    count = len(pairs) if limit <= 0 else min(limit, len(pairs))
    chosen = np.linspace(0, len(pairs) - 1, count).round().astype(int)
    figures = []
    for index in chosen:
        given, target = pairs.inputs[index], pairs.targets[index]
        output = run(given)
        figures.append((_psnr(given, target), _psnr(output, target), ssim(given, target), ssim(output, target)))
    table = np.array(figures)
    clean = [_psnr(run(pairs.targets[index]), pairs.targets[index]) for index in chosen[:clean_images]]
    psnr_input, psnr_output, ssim_input, ssim_output = (float(mean) for mean in table.mean(axis=0))
    worst = float((table[:, 1] - table[:, 0]).min())
    kept = float(np.mean(clean)) if clean else math.nan
    return TaskScore(count, psnr_input, psnr_output, ssim_input, ssim_output, worst, kept)


def _psnr(image: npt.NDArray[np.float32], target: npt.NDArray[np.float32]) -> float:
    """Return the PSNR, at most 100 dB so that means stay finite."""
    return min(psnr(image, target), 100.0)
