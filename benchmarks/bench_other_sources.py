"""The shipped weights on images of sources that no training saw, beside the classical methods.

    python benchmarks/bench_other_sources.py DATA classical.json --weights small

DATA is the folder that `recipes/prepare_data.py` reads, `classical.json` what `benchmarks/bench_classical.py` wrote:
the parameters of the classical methods are those tuned on training images, since here there is nothing to tune on. The
column "asked" is the network that is told the task, as with `datprl restore --task`, and as MR series always are; CT
and PET are not. Gains in PSNR over the input, dB, and how the clean images come back; the worst and the lowest are
those of the network's own choice.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.classical import METHODS, best_classical
from benchmarks.other_sources import pairs
from datprl_toolkit.metrics import psnr
from datprl_toolkit.network import Anchors
from datprl_toolkit.training.tasks import TASKS
from datprl_toolkit.training.validation import restore
from datprl_toolkit.weights import load_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.network import DatprlNetwork
    from datprl_toolkit.weights import WeightsCard

    FloatArray = npt.NDArray[np.float32]

NOT_ASKED = ("ct_denoising", "pet_synthesis")


@dataclass(frozen=True, slots=True)
class Scored:
    """Gains of one image over its input, in dB, and the PSNR of the clean image after the network."""

    name: str
    network: float
    asked: float
    classical: float
    clean: float


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the images")
    parser.add_argument("classical", type=Path, help="figures of bench_classical.py")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--each", action="store_true", help="print every image too")
    arguments = parser.parse_args()
    figures = json.loads(arguments.classical.read_text(encoding="utf-8"))
    network, card = load_weights(arguments.weights)
    network.eval()
    print("| task | n | classical | network | asked | worst | clean, lowest |")
    print("|---|---|---|---|---|---|---|")
    for task in arguments.tasks:
        scores = measure(task, arguments.data, network, card, figures)
        classical, own, asked = (
            float(np.mean([getattr(score, name) for score in scores])) for name in ("classical", "network", "asked")
        )
        told = "" if task in NOT_ASKED else f"{asked:+.2f}"
        worst, clean = min(score.network for score in scores), min(score.clean for score in scores)
        print(f"| {task} | {len(scores)} | {classical:+.2f} | {own:+.2f} | {told} | {worst:+.2f} | {clean:.1f} |")
        for score in scores if arguments.each else ():
            print(f"    {score}", file=sys.stderr)


def measure(
    task: str, data: Path, network: DatprlNetwork, card: WeightsCard, figures: list[dict[str, Any]]
) -> list[Scored]:
    """Score every image of a task."""
    prompt = card.prompt_of(task)
    asked = None if prompt is None else Anchors(torch.tensor([prompt]))

    def run(image: FloatArray, given: Anchors | None = None) -> FloatArray:
        return restore(network, image, card.config.grid, torch.device("cpu"), given)

    scores = []
    for name, degraded, clean in pairs(task, data):
        before = psnr(degraded, clean)
        method, value = best_classical(task, name, figures)
        network_gain, asked_gain, classical_gain = (
            psnr(image.clip(0, 1), clean) - before
            for image in (run(degraded), run(degraded, asked), METHODS[task][method][0](degraded, value))
        )
        scores.append(Scored(name, network_gain, asked_gain, classical_gain, psnr(run(clean), clean)))
    return scores


if __name__ == "__main__":
    main()
