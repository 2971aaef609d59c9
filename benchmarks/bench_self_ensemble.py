"""What the mean over mirror images gains: PSNR over the input without and with it, on each task's validation set.

    python benchmarks/bench_self_ensemble.py PREPARED --weights small

PREPARED is what `recipes/prepare_data.py` makes. Every image has a context of its own; "worst" is what the image that
loses most by it loses. Times are those in which processors were busy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.bench_precision import compare
from datprl_toolkit.metrics import psnr
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.training.prepared import load_prepared


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="folder of prepared data")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    arguments = parser.parse_args()
    single = Restorer.from_pretrained(arguments.weights, device=arguments.device)
    mean = single.with_self_ensemble(True)
    print("| task | n | gain, dB | with --self-ensemble | worst | time |")
    print("|---|---|---|---|---|---|")
    for task, pairs in load_prepared(arguments.prepared).validation.items():
        given = float(np.mean([psnr(*pair) for pair in zip(pairs.inputs, pairs.targets, strict=True)]))
        row = compare(single, mean, pairs, 0)
        print(
            f"| {task} | {row['images']} | {row['whole'] - given:+.2f} | {row['reduced'] - given:+.2f} "
            f"| {-row['worst']:+.2f} | x{row['time']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
