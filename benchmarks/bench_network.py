"""The engine against the formulas: time, arithmetic rate and memory of the network, interleaved in one run.

    python benchmarks/bench_network.py --networks md-9t small --sizes 256 --json network.json

The oracle (`tests/network/oracle.py`) is the network written down literally. Absolute times say something of the
machine; the ratios within one run say something of the code. Beside them stand the rates of the machine's own matrix
product and copy, measured in the same run, and what they would allow.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from datprl_toolkit.network import DatprlNetwork, preset
from datprl_toolkit.network.onednn import product as by_onednn
from tests.network.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GIGA = 1e9
MATRIX = 3072
COPIED = 64 * 2**20


def main() -> None:
    """Measure, print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["md-9t", "small"], help="presets")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256], help="edges in pixels")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="threads of a processor; all if left out")
    parser.add_argument("--bfloat16", action="store_true", help="measure bfloat16 too")
    parser.add_argument("--repeats", type=int, default=5, help="counted runs of each, after one to warm up")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if arguments.peak:
        print(measure_peak(arguments.networks[0], arguments.sizes[0], arguments.peak, device))
        return
    machine = machine_rates(device)
    print(", ".join(f"{name} {value:g}" for name, value in machine.items()))
    head = f"{'network':<10}{'pixels':>9}  {'way':<26}{'time, s':>9}{'faster':>8}{'GFLOP/s':>9}{'of product':>11}"
    print(f"{head}{'peak, MiB':>11}{'error':>9}")
    rows = []
    for name in arguments.networks:
        for size in arguments.sizes:
            for row in measure(name, size, device, arguments.repeats, reduced=arguments.bfloat16):
                share = row["rate"] / machine["matrix product, GFLOP/s"]
                print(
                    f"{name:<10}{size:>7}^2  {row['way']:<26}{row['seconds']:9.3f}{row['faster']:8.2f}"
                    f"{row['rate']:9.1f}{share:>11.0%}{row['memory']:11.0f}{row['error']:9.1e}"
                )
                rows.append({"network": name, "size": size, **row})
    print(f"datprl --help answers in {help_seconds():.2f} s (median of 5)")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1), encoding="utf-8")


@torch.inference_mode()
def measure(name: str, size: int, device: torch.device, repeats: int, *, reduced: bool) -> list[dict[str, Any]]:
    """Time every way of running one network on one image, in turn; the arithmetic is counted, not estimated."""
    torch.manual_seed(0)
    network = DatprlNetwork(preset(name)).eval().to(device)
    oracle = Oracle(network)
    image = torch.rand(1, 3, size, size, device=device)
    expected = oracle(image)
    operations = {way: count_operations(call) for way, call in ways(network, oracle, image, reduced=False).items()}
    oracle.state = {key: value.clone() for key, value in oracle.state.items()}
    network.align()
    network.to(memory_format=torch.channels_last)
    calls = ways(network, oracle, image, reduced=reduced)
    times: dict[str, list[float]] = {way: [] for way in calls}
    for _ in range(repeats + 1):
        for way, call in calls.items():
            times[way].append(seconds(call, device))
    medians = {way: statistics.median(values[1:]) for way, values in times.items()}
    return [
        {
            "way": way,
            "seconds": medians[way],
            "faster": medians["oracle"] / medians[way],
            "rate": operations[way.removesuffix(", bfloat16")] / medians[way] / GIGA,
            "memory": peak_memory(name, size, way, device),
            "error": float((calls[way]().float() - expected).abs().max()),
        }
        for way in calls
    ]


def ways(
    network: DatprlNetwork, oracle: Oracle, image: torch.Tensor, *, reduced: bool, chosen: str = ""
) -> dict[str, Callable[[], torch.Tensor]]:
    """Return the ways in which the image is restored, by name; a context is made of its corner if one is chosen."""
    context = network.context(image[..., :64, :64] if chosen else image)

    def bfloat16(call: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        def run() -> torch.Tensor:
            with torch.autocast(image.device.type, dtype=torch.bfloat16):
                return call()

        return run

    calls = {
        "oracle": lambda: oracle(image),
        "engine": lambda: network(image),
        "frozen context": lambda: network(image, context),
    }
    if reduced:
        calls |= {f"{way}, bfloat16": bfloat16(calls[way]) for way in ("engine", "frozen context")}
    return calls


def peak_memory(name: str, size: int, way: str, device: torch.device) -> float:
    """Return the MiB that one call adds to what there is before it, in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--networks",
        name,
        "--sizes",
        str(size),
        "--device",
        str(device),
        "--peak",
        way,
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.inference_mode()
def measure_peak(name: str, size: int, way: str, device: torch.device) -> float:
    """Return the same for this process."""
    network = DatprlNetwork(preset(name)).eval().to(device)
    oracle = Oracle(network)
    if way != "oracle":
        network.align()
        network.to(memory_format=torch.channels_last)
    calls = ways(network, oracle, torch.rand(1, 3, 64, 64, device=device), reduced=True)
    calls[way]()
    before = peak_of_process(device)
    ways(network, oracle, torch.rand(1, 3, size, size, device=device), reduced=True, chosen=way)[way]()
    return (peak_of_process(device) - before) / 2**20


def peak_of_process(device: torch.device) -> float:
    """Return the most bytes that were ever in use."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated())
    # Not getrusage: its maximum is inherited from the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def count_operations(call: Callable[[], object]) -> float:
    """Return the floating-point operations of the convolutions and matrix products in a call."""
    onednn = {
        torch.ops.mkldnn._linear_pointwise: operations_of_product,
        torch.ops.mkldnn._convolution_pointwise: operations_of_convolution,
    }
    with FlopCounterMode(display=False, custom_mapping=onednn) as counter:
        call()
    return float(counter.get_total_flops())


def operations_of_product(pixels: Sequence[int], weight: Sequence[int], *_: Any, out_shape: Any, **__: Any) -> int:
    """Return the operations of a product that oneDNN was called for by hand."""
    operations: int = 2 * math.prod(out_shape) * weight[-1]
    return operations


def operations_of_convolution(features: Any, second: Any, third: Any, *_: Any, out_shape: Any, **__: Any) -> int:
    """Return the same of a convolution: the kernels come second or, where it is multiplied with a gate, third."""
    kernels = third if third is not None and len(third) == len(out_shape) else second
    operations: int = 2 * math.prod(out_shape) * math.prod(kernels[1:])
    return operations


def machine_rates(device: torch.device) -> dict[str, float]:
    """Return what the machine itself reaches with a large matrix product and a large copy."""
    matrix = torch.rand(MATRIX, MATRIX, device=device)
    source = torch.rand(COPIED // 4, device=device)
    target = torch.empty_like(source)
    # Whichever library is faster here.
    with torch.inference_mode():
        product = min(seconds(way, device) for way in (lambda: matrix @ matrix, lambda: by_onednn(matrix, matrix)) * 4)
    copy = min(seconds(lambda: target.copy_(source), device) for _ in range(4))
    return {
        "threads": float(torch.get_num_threads()),
        "matrix product, GFLOP/s": round(2 * MATRIX**3 / product / GIGA, 1),
        "copy, GB/s": round(2 * COPIED / copy / GIGA, 1),
    }


def seconds(call: Callable[[], object], device: torch.device | None = None) -> float:
    """Return how long a call takes, on a GPU until it is done."""
    on_gpu = device is not None and device.type == "cuda"
    wait = torch.cuda.synchronize if on_gpu else nullcontext
    wait()
    began = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - began


def help_seconds() -> float:
    """Return the median time in which the command line shows its help."""
    command = [sys.executable, "-m", "datprl_toolkit", "--help"]
    times = [seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(6)]
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
