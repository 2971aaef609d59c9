"""The shipped weights against classical methods, each tuned on training images, on the validation images of each task.

    python benchmarks/bench_classical.py PREPARED --weights small --json classical.json

PREPARED is what `recipes/prepare_data.py` made; the extra `baselines` has what the methods need. A method has one
parameter; for CT and PET it is chosen for each dose, which the network is not told. PSNR in dB, over [0, 1], as in the
paper.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.classical import METHODS
from datprl_toolkit.metrics import psnr
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.makers import task_makers
from datprl_toolkit.training.preparation import CT_DOSES, CT_HIGH, CT_LOW, PET_FRACTIONS, SUV_HIGH
from datprl_toolkit.training.validation import restore
from datprl_toolkit.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from benchmarks.classical import Method
    from datprl_toolkit.training.prepared import PreparedData

    FloatArray = npt.NDArray[np.float32]
    Pairs = list[tuple[FloatArray, FloatArray]]

TUNING_PAIRS = 12
TUNING_CROP = 128
DOSED = {"ct_denoising": CT_DOSES, "pet_synthesis": PET_FRACTIONS}


def main() -> None:
    """Tune, measure, print a table as Markdown, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared data")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--tasks", nargs="+", default=list(METHODS))
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--known", type=Path, help="such a file, whose figures of classical methods are taken over")
    arguments = parser.parse_args()
    data = load_prepared(arguments.data)
    known = json.loads(arguments.known.read_text(encoding="utf-8")) if arguments.known else []
    classical = {row["task"]: row["classical"] for row in known}
    rows = [row for task in arguments.tasks for row in measure(data, task, arguments.weights, classical)]
    print("| task | n | input | best classical | PSNR | network | over input | over classical |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        best = max(row["classical"], key=lambda name: float(row["classical"][name]["psnr"]))
        value = row["classical"][best]["psnr"]
        print(
            f"| {row['task']} | {row['images']} | {row['input']:.2f} | {best} | {value:.2f} | {row['network']:.2f} "
            f"| {row['network'] - row['input']:+.2f} | {row['network'] - value:+.2f} |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def measure(
    data: PreparedData, task: str, weights: str, known: Mapping[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Score one task, dose by dose where it has several; `known` are classical figures that need no measuring."""
    network, card = load_weights(weights)
    network.eval()
    for level, (pairs, tuning) in levels(data, task).items():
        name = f"{task}{level}"
        row: dict[str, Any] = {"task": name, "images": len(pairs)}
        row["input"] = mean_psnr(pairs)
        restored = [restore(network, image, card.config.grid, torch.device("cpu")) for image, _ in pairs]
        row["network"] = mean_psnr(list(zip(restored, (target for _, target in pairs), strict=True)))
        row["classical"] = known.get(name) or {
            method_name: tuned(method, values, tuning, pairs) for method_name, (method, values) in METHODS[task].items()
        }
        print(json.dumps(row), file=sys.stderr)
        yield row


def tuned(method: Method, values: Sequence[float], tuning: Pairs, pairs: Pairs) -> dict[str, float]:
    """Return the parameter that is best on the tuning pairs, and what the method then reaches."""
    best = max(values, key=lambda value: mean_psnr(run(method, value, tuning)))
    return {"parameter": best, "psnr": mean_psnr(run(method, best, pairs))}


def run(method: Method, value: float, pairs: Pairs) -> Pairs:
    """Restore every image of some pairs."""
    return [(method(image, value), target) for image, target in pairs]


def mean_psnr(pairs: Pairs) -> float:
    """Return the mean over the images."""
    return float(np.mean([min(psnr(image.clip(0, 1), target), 100.0) for image, target in pairs]))


def levels(data: PreparedData, task: str) -> Mapping[str, tuple[Pairs, Pairs]]:
    """Return validation and tuning pairs, by dose where a task has doses."""
    validation = data.validation[task]
    by_level: dict[str, Pairs] = defaultdict(list)
    for name, image, target in zip(validation.names, validation.inputs, validation.targets, strict=True):
        level = f", {float(name.rsplit('/', 1)[1]):.0%}" if task in DOSED else ""
        by_level[level].append((image, target))
    if task in DOSED:
        return {
            f", {dose:.0%}": (by_level[f", {dose:.0%}"], dosed_pairs(data, task, level))
            for level, dose in enumerate(DOSED[task])
        }
    return {"": (by_level[""], made_pairs(data, task))}


def dosed_pairs(data: PreparedData, task: str, level: int) -> Pairs:
    """Return the middle of training slices of one dose."""
    source = data.sources["ct" if task == "ct_denoising" else "pet"]
    pairs = []
    for index in np.linspace(0, len(source) - 1, TUNING_PAIRS // 3).round().astype(int):
        clean = np.asarray(source["clean"][index], np.float32)
        if task == "ct_denoising":
            noisy = clean + np.asarray(source["noise"][index][level, 0], np.float32)
            low, high = CT_LOW, CT_HIGH
        else:
            noisy, low, high = np.asarray(source["degraded"][index][level, 0], np.float32), 0.0, SUV_HIGH
        middle = tuple(slice(max(0, edge // 2 - TUNING_CROP), edge // 2 + TUNING_CROP) for edge in clean.shape)
        pairs.append((unit(noisy[middle], low, high), unit(clean[middle], low, high)))
    return pairs


def unit(image: FloatArray, low: float, high: float) -> FloatArray:
    """Map a window to [0, 1]."""
    return ((image - low) / (high - low)).clip(0, 1).astype(np.float32)


def made_pairs(data: PreparedData, task: str) -> Pairs:
    """Return training crops of one task."""
    generator = np.random.default_rng(0)
    shares, makers = zip(*task_makers(data, [task])[task], strict=True)
    usable = np.array([share * bool(len(maker)) for share, maker in zip(shares, makers, strict=True)])
    pairs = []
    for choice in generator.choice(len(makers), TUNING_PAIRS, p=usable / usable.sum()):
        maker = makers[choice]
        pair = maker.make(int(generator.integers(len(maker))), TUNING_CROP, generator)
        pairs.append((pair.degraded, pair.clean))
    return pairs


if __name__ == "__main__":
    main()
