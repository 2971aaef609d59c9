"""Where the network's time goes: each class of operations beside what the machine could do in it.

    python benchmarks/bench_operations.py --network md-9t --sizes 256 512

Every operation of one call is timed and put into a class, with its floating-point operations and the bytes that it
reads and writes. The roofline is the time that the class would take at the machine's own rates: the operations at that
of a large matrix product, or the bytes at that of a copy of as many values as a strip has, whichever is longer. Times
are of one thread and those in which it was busy, which other programs on the machine disturb little; for the rates, the
best of several.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.network.onednn import product as by_onednn
from datprl_toolkit.network.strips import STRIP_VALUES

GIGA = 1e9
MATRIX = 1536
REPEATS = 12
VIEWS = "views and calls"
NO_WORK = (
    *("permute", "slice", "view", "flatten", "select", "unsqueeze", "expand", "alias", "chunk", "split", "t.default"),
    "empty",
)


@dataclass
class Row:
    """What one class of operations took: seconds, floating-point operations, bytes."""

    calls: int = 0
    seconds: float = 0.0
    operations: float = 0.0
    traffic: float = 0.0


class Profile(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Times every operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rows: dict[str, Row] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and book it."""
        began = time.thread_time()
        result = function(*arguments, **(named or {}))
        spent = time.thread_time() - began
        name, operations = classify(str(function), arguments, result)
        row = self.rows.setdefault(name, Row())
        row.calls += 1
        row.seconds += spent
        row.operations += operations
        if name != VIEWS:
            tensors = [each for each in (*arguments, result) if isinstance(each, Tensor)]
            row.traffic += sum(each.numel() * each.element_size() for each in tensors)
        return result


def classify(name: str, arguments: tuple[Any, ...], result: Any) -> tuple[str, float]:
    """Return the class of an operation, and its floating-point operations."""
    if name.startswith(("aten.linear", "aten.mm", "mkldnn._linear")):
        return "1x1 convolutions", 2.0 * result.numel() * arguments[0].shape[-1]
    if name.startswith(("aten.matmul", "aten.bmm")):
        return "attention: products", 2.0 * result.numel() * arguments[0].shape[-1]
    if "conv" in name:
        weight = next(each for each in arguments[1:] if isinstance(each, Tensor) and each.shape[2:] in ((1, 1), (3, 3)))
        operations = 2.0 * result.numel() * math.prod(weight.shape[1:])
        if weight.shape[2:] == (1, 1):
            return "1x1 convolutions", operations
        if weight.shape[1] > 1:
            return "3x3 convolutions between levels", operations
        gated = "binary" in name or "gelu" in arguments
        return ("3x3 depthwise with gate" if gated else "3x3 depthwise"), operations
    for part, wanted in (("layer_norm", "LayerNorm"), ("gelu", "GELU"), ("aten.add.out", "residual sums")):
        if part in name:
            return wanted, 0.0
    views = (
        "permute",
        "slice",
        "view",
        "flatten",
        "select",
        "unsqueeze",
        "expand",
        "alias",
        "chunk",
        "split",
        "t.def",
        "empty",
    )
    return (VIEWS if any(part in name for part in views) else "other"), 0.0


def main() -> None:
    """Measure, print a table for each size and context, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="md-9t", help="preset")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256], help="edges in pixels")
    parser.add_argument("--contexts", nargs="+", default=["own", "frozen"], choices=["own", "frozen"])
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = DatprlNetwork(preset(arguments.network)).eval()
    network.align()
    network.to(memory_format=torch.channels_last)
    kept = []
    with torch.inference_mode():
        context = network.context(torch.rand(1, 3, 64, 64))
        for size in arguments.sizes:
            for chosen in arguments.contexts:
                product, copy = rates()
                profile, image = Profile(), torch.rand(1, 3, size, size)
                with profile:
                    network(image, context if chosen == "frozen" else None)
                print(f"{size} x {size}, {chosen} context, product {product:.0f} GFLOP/s, copy {copy:.1f} GB/s")
                show(profile.rows, product, copy)
                rows = {name: asdict(row) for name, row in profile.rows.items()}
                kept.append({"size": size, "context": chosen, "product": product, "copy": copy, "rows": rows})
    if arguments.json:
        arguments.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def show(rows: dict[str, Row], product: float, copy: float) -> None:
    """Print a table, the class that took longest first."""
    total = sum(row.seconds for row in rows.values())
    print(f"{'class':<34}{'calls':>7}{'s':>8}{'share':>7}{'GFLOP/s':>9}{'GB/s':>7}{'roofline, s':>13}{'of it':>7}")
    floors = 0.0
    for name, row in sorted(rows.items(), key=lambda item: -item[1].seconds):
        floor = max(row.operations / product, row.traffic / copy) / GIGA
        floors += floor
        rate, speed = (value / row.seconds / GIGA for value in (row.operations, row.traffic))
        print(
            f"{name:<34}{row.calls:>7}{row.seconds:>8.3f}{row.seconds / total:>7.0%}{rate:>9.1f}{speed:>7.1f}"
            f"{floor:>13.3f}{floor / row.seconds:>7.0%}"
        )
    operations = sum(row.operations for row in rows.values())
    print(f"{'all':<34}{'':>7}{total:>8.3f}{'':>7}{operations / total / GIGA:>9.1f}{'':>7}{floors:>13.3f}")
    print(f"{operations / GIGA:.0f} GFLOP alone would take {operations / product / GIGA:.3f} s\n")


def rates() -> tuple[float, float]:
    """Return GFLOP/s of a matrix product and GB/s, read and written, of a copy of as many values as a strip has."""
    matrix = torch.rand(MATRIX, MATRIX)
    source = torch.rand(STRIP_VALUES)
    target = torch.empty_like(source)
    # Whichever library is faster here.
    with torch.inference_mode():
        product = min(busy(way) for way in (lambda: matrix @ matrix, lambda: by_onednn(matrix, matrix)) * REPEATS)
    copy = min(busy(lambda: target.copy_(source)) for _ in range(REPEATS))
    return 2 * MATRIX**3 / product / GIGA, 2 * source.numel() * source.element_size() / copy / GIGA


def busy(call: Any) -> float:
    """Return how long a call keeps the thread busy."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


if __name__ == "__main__":
    main()
