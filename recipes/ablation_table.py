"""The ablation of the prompt pools at the scale of one CPU core: every variant, with several seeds, at one budget.

    python recipes/ablation_table.py --data PREPARED --out RUNS --threads 1

PREPARED is what `recipes/prepare_data.py` makes. Each run is one of `recipes/train_md_aioir.py`, and its folder in RUNS
is named for variant and seed. Killed, the same command goes on where it was. The table at the end, as Markdown, has the
mean gain in PSNR on the validation images and its standard deviation over the seeds; what it showed stands in
`recipes/EXPERIMENTS.md`. Other arguments are passed on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

VARIANTS = {
    "no pools": "no-pools",
    "task pool": "task-pool",
    "domain pool": "domain-pool",
    "both pools": None,
    "both pools, prompts keep their tokens": "prompt-tokens",
}
"""The name in the table, and the value of `--ablation`; None for the full network."""

SETTINGS: dict[str, Any] = {
    # Tokens need cross-attention, so every variant has it.
    "network": {
        "encoder_blocks": [1, 1, 1],
        "middle_blocks": 1,
        "decoder_blocks": [1, 1, 1],
        "feature_fusion": "cross_attention",
    },
    "crop": 48,
    "steps": 1000,
    "final_learning_rate": 1e-5,
    "validation_images": 0,
}
"""What differs from the preset `small`."""


def main() -> None:
    """Run what is not done yet, one seed after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare_data.py")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=SETTINGS["steps"], help="length of each run")
    arguments, others = parser.parse_known_args()
    gains: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for seed in arguments.seeds:
        for name, ablation in VARIANTS.items():
            folder = arguments.out / f"{ablation or 'full'}-{seed}"
            if not (folder / "small.safetensors").exists():
                subprocess.run([*command(arguments, folder, ablation, seed), *others], check=True)
            gains[name].append(final_gains(folder))
    print(table(gains))


def command(arguments: argparse.Namespace, folder: Path, ablation: str | None, seed: int) -> list[str]:
    """Return the command of one run; one that was killed is resumed."""
    settings = {**SETTINGS, "steps": arguments.steps, "validate_every": arguments.steps, "seed": seed}
    recipe = str(Path(__file__).with_name("train_md_aioir.py"))
    parts = [sys.executable, recipe, "--preset", "small", "--data", str(arguments.data), "--out", str(folder)]
    if ablation:
        parts += ["--ablation", ablation]
    for name, value in settings.items():
        parts += ["--set", f"{name}={json.dumps(value)}"]
    if (folder / "checkpoint.pt").exists():
        parts.append("--resume")
    return parts


def final_gains(folder: Path) -> dict[str, float]:
    """Return the gain in PSNR of each task at the end of a run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    scores = [line["validation"] for line in lines if "validation" in line][-1]
    return {task: score["psnr_output"] - score["psnr_input"] for task, score in scores.items()}


def table(gains: dict[str, list[dict[str, float]]]) -> str:
    """Return the table: a row for each task and for their mean, a column for each variant."""
    tasks = list(next(iter(gains.values()))[0])
    rows = {task: {name: [run[task] for run in runs] for name, runs in gains.items()} for task in tasks}
    rows["mean"] = {name: [float(np.mean(list(run.values()))) for run in runs] for name, runs in gains.items()}
    lines = [f"| gain in dB | {' | '.join(gains)} |", "|---" * (len(gains) + 1) + "|"]
    for task, by_variant in rows.items():
        lines.append(f"| {task} | {' | '.join(mean_and_spread(values) for values in by_variant.values())} |")
    return "\n".join(lines)


def mean_and_spread(values: list[float]) -> str:
    """Return the mean and, of several seeds, their standard deviation."""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):+.2f}{spread}"


if __name__ == "__main__":
    main()
