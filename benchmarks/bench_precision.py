"""What a reduced precision costs: PSNR against the truth in float32 and in bfloat16, on each task's validation set.

    python benchmarks/bench_precision.py PREPARED --weights small

PREPARED is what `recipes/prepare_data.py` makes. A precision may be the default of the restorer only where the mean
PSNR of no task falls by more than 0.02 dB; with a default that breaks this rule the program ends with status 1. Times
are those in which processors were busy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from datprl_toolkit.metrics import psnr
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.training.prepared import load_prepared

if TYPE_CHECKING:
    from datprl_toolkit.training.prepared import ValidationSet

LARGEST_FALL = 0.02
"""dB: what a reduced precision may cost on the mean of a task."""


def main() -> int:
    """Measure, print a table, write JSON if asked to; return 1 if the default precision costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="folder of prepared data")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--precision", default="bfloat16", help="bfloat16 or, on a GPU, float16")
    parser.add_argument("--images", type=int, default=0, help="images of each task, evenly spaced; 0 for all")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    chosen = Restorer.from_pretrained(arguments.weights, device=arguments.device).precision
    whole, reduced = (
        Restorer.from_pretrained(arguments.weights, device=arguments.device, precision=precision)
        for precision in ("float32", arguments.precision)
    )
    print(f"{whole.describe()} against {reduced.describe()}; the default is {chosen}")
    print(f"{'task':<34}{'images':>7}{'float32':>9}{arguments.precision:>10}{'fall':>8}{'worst':>8}{'time':>7}  within")
    rows = []
    for task, pairs in load_prepared(arguments.prepared).validation.items():
        row = {"task": task, **compare(whole, reduced, pairs, arguments.images)}
        rows.append(row)
        print(
            f"{task:<34}{row['images']:>7}{row['whole']:>9.3f}{row['reduced']:>10.3f}{row['fall']:>8.4f}"
            f"{row['worst']:>8.4f}{row['time']:>7.2f}  {'yes' if row['fall'] <= LARGEST_FALL else 'no'}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"default": chosen, "rows": rows}, indent=1), encoding="utf-8")
    broken = chosen == arguments.precision and any(row["fall"] > LARGEST_FALL for row in rows)
    return 1 if broken else 0


def compare(whole: Restorer, reduced: Restorer, pairs: ValidationSet, images: int) -> dict[str, Any]:
    """Return mean PSNR in dB of both precisions, their difference, the largest of an image, and the ratio of times."""
    count = min(images, len(pairs)) if images else len(pairs)
    figures, times = [], []
    for index in np.linspace(0, len(pairs) - 1, count).round().astype(int):
        given, target = pairs.inputs[index], pairs.targets[index]
        planes = given[None, None] if given.ndim == 2 else given.transpose(2, 0, 1)[None]
        scores, busy = [], []
        for restorer in (whole, reduced):
            began = time.process_time()
            restored = restorer.restore_batch(planes)[0]
            busy.append(time.process_time() - began)
            scores.append(psnr(restored[0] if given.ndim == 2 else restored.transpose(1, 2, 0), target))
        figures.append(scores)
        times.append(busy)
    table = np.array(figures)
    falls = table[:, 0] - table[:, 1]
    spent = np.array(times).sum(axis=0)
    return {
        "images": count,
        "whole": float(table[:, 0].mean()),
        "reduced": float(table[:, 1].mean()),
        "fall": float(falls.mean()),
        "worst": float(falls.max()),
        "time": float(spent[1] / spent[0]),
    }


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    sys.exit(main())
