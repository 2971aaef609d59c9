"""Time per image of the network, each image with its own context and with a frozen one, in turn in one run.

    python benchmarks/bench_network.py --weights small --sizes 256 512

Absolute times say something of the machine; the ratio within one run says something of the code.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="edges in pixels")
    parser.add_argument("--repeats", type=int, default=7, help="counted runs of each, after one to warm up")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    print(restorer.describe())
    rows = [measure(restorer, size, arguments.repeats) for size in arguments.sizes]
    print(f"{'pixels':>11}  {'own, s':>8}  {'frozen, s':>9}  {'ratio':>6}")
    for row in rows:
        print(f"{row['size']:>5.0f}^2      {row['own']:8.3f}  {row['frozen']:9.3f}  {row['own'] / row['frozen']:6.2f}")
    print(f"datprl --help answers in {help_seconds():.2f} s (median of 5)")
    if arguments.json:
        machine = {"device": restorer.describe(), "torch": torch.__version__}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1), encoding="utf-8")


def measure(restorer: Restorer, size: int, repeats: int) -> dict[str, float]:
    """Return the median seconds for one grey image of size x size pixels, both ways interleaved."""
    image = np.random.default_rng(0).random((1, 1, size, size), dtype=np.float32)
    context = restorer.context(image)
    own: list[float] = []
    frozen: list[float] = []
    for _ in range(repeats + 1):
        own.append(seconds(lambda: restorer.restore_batch(image)))
        frozen.append(seconds(lambda: restorer.restore_batch(image, context)))
    return {"size": size, "own": statistics.median(own[1:]), "frozen": statistics.median(frozen[1:])}


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def help_seconds() -> float:
    """Return the median time in which the command line shows its help."""
    command = [sys.executable, "-m", "datprl_toolkit", "--help"]
    times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(6)]
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
