"""How the clean images of the validation sets come back: each should stay as it is.

    python benchmarks/bench_clean.py PREPARED --weights small

PREPARED is what `recipes/prepare_data.py` made. An image that is in several sets counts once. MR images are told that
they are MR, as series are; PSNR in dB.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from datprl_toolkit.metrics import psnr
from datprl_toolkit.network import Anchors
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.validation import restore
from datprl_toolkit.weights import load_weights

TOLD = "mri_super_resolution"


def main() -> None:
    """Measure, and print those that come back changed most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared data")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--least", type=float, default=38.0, help="images that come back below this are named")
    arguments = parser.parse_args()
    network, card = load_weights(arguments.weights)
    network.eval()
    figures: dict[str, tuple[float, str]] = {}
    for task, pairs in load_prepared(arguments.data).validation.items():
        prompt = card.prompt_of(task) if task == TOLD else None
        given = None if prompt is None else Anchors(torch.tensor([prompt]))
        for name, clean in zip(pairs.names, pairs.targets, strict=True):
            content = hashlib.sha256(np.ascontiguousarray(clean).tobytes()).hexdigest()
            if content not in figures:
                restored = restore(network, clean, card.config.grid, torch.device("cpu"), given)
                figures[content] = psnr(restored, clean), f"{task}: {name}"
    changed = sorted(figure for figure in figures.values() if figure[0] < arguments.least)
    kept = len(figures) - len(changed)
    print(f"{kept} of {len(figures)} clean images come back at {arguments.least:g} dB or more; the others:")
    for value, name in changed:
        print(f"  {value:.1f} dB  {name}")


if __name__ == "__main__":
    main()
