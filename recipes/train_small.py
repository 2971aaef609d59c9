"""Train the shipped weights `small` again, stage by stage.

    python recipes/train_small.py --data PREPARED --out RUN --threads 1

PREPARED is what `recipes/prepare_data.py` makes. Each stage is one run of `recipes/train_md_aioir.py` that goes on from
the weights of the stage before; what each is for stands in `recipes/EXPERIMENTS.md`. Killed, the same command goes on
where it was. The weights are those of the last stage, RUN/stage48/small.safetensors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from datprl_toolkit.training.variants import VARIANTS
from datprl_toolkit.training.warm_start import mix_with
from datprl_toolkit.weights import load_weights, save_weights
from recipes.train_small_settings import HOW_IT_STARTS, SHARPENING
from recipes.train_small_stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence


def main() -> None:
    """Run the stages that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare_data.py")
    parser.add_argument("--out", type=Path, required=True, help="folder for the stages")
    parser.add_argument("--steps", type=int, help="shorten every stage to this, to try it out")
    arguments, others = parser.parse_known_args()
    weights: Path | None = None
    for number, settings in enumerate(STAGES, start=1):
        folder = arguments.out / f"stage{number}"
        if not (folder / "small.safetensors").exists():
            run(arguments, folder, settings, weights, others)
        weights = folder / "small.safetensors"


def run(
    arguments: argparse.Namespace, folder: Path, settings: dict[str, Any], weights: Path | None, others: Sequence[str]
) -> None:
    """Make the means of earlier stages from which a stage starts and towards which it ends, and train it."""

    def stage(number: int) -> Path:
        return Path(arguments.out) / f"stage{number}" / "small.safetensors"

    if weights is not None and "averaged_with" in settings:
        part, given_back = settings.get("average_part", 0.5), settings.get("given_back", ())
        earlier = stage(settings["averaged_with"])
        weights = averaged(weights, earlier, folder / "average.safetensors", part, given_back)
    if "towards" in settings:
        target, *earlier_ones = map(stage, settings["towards"])
        for one, part in zip(earlier_ones, settings.get("towards_parts", ()), strict=True):
            target = averaged(target, one, folder / "towards.safetensors", part)
        others = [*others, "--towards", str(target)]
    subprocess.run([*command(arguments, folder, settings, weights), *others], check=True)


def averaged(weights: Path, others: Path, target: Path, part: float = 0.5, given_back: Sequence[str] = ()) -> Path:
    """Write a mean of two stages' weights; return its file."""
    (network, card), (earlier, _) = load_weights(str(weights)), load_weights(str(others))
    mix_with(network, earlier, str(others), part, given_back)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_weights(target, network, card, overwrite=True)
    return target


def command(arguments: argparse.Namespace, folder: Path, settings: dict[str, Any], weights: Path | None) -> list[str]:
    """Return the command of one stage; one that was killed is resumed."""
    recipe = str(Path(__file__).with_name("train_md_aioir.py"))
    parts = [sys.executable, recipe, "--preset", "small", "--data", str(arguments.data), "--out", str(folder)]
    if weights is not None:
        parts += ["--start-from", str(weights)]
        settings = {"anchored": 0.0, "warm_up": 100, "task_candidates": SHARPENING, **settings}
    # The first nine stages were run before the images had variants.
    settings = {"left_out": sorted(VARIANTS.values()), **settings}
    # These are not settings of the training, but how it starts and what is written in the end.
    settings = {name: value for name, value in settings.items() if name not in HOW_IT_STARTS}
    parts += ["--half"] if settings.pop("half", False) else []
    parts += ["--part", str(settings.pop("part", 1.0))]
    parts += ["--give-back", *given_back] if (given_back := settings.pop("given_back_at_end", ())) else []
    if arguments.steps:
        settings = {**settings, "steps": arguments.steps}
    for name, value in settings.items():
        parts += ["--set", f"{name}={json.dumps(value)}"]
    if (folder / "checkpoint.pt").exists():
        parts.append("--resume")
    return parts


if __name__ == "__main__":
    main()
