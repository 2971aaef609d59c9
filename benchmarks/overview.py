"""The picture of the README: a CT slice and an aerial scene, neither trained on, as input, restored and difference.

    python benchmarks/overview.py PREPARED

PREPARED is what `recipes/prepare_data.py` made. The slice is of ACRIN-NSCLC-FDG-PET (CC BY 3.0, TCIA) at a simulated
tenth of the dose, the scene OSBS_029 of DeepForest (MIT) under simulated haze.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.gallery import AERIAL
from datprl_toolkit.degradations import add_haze, transmission_field
from datprl_toolkit.metrics import psnr
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.preparation import CT_HIGH, CT_LOW
from datprl_toolkit.training.validation import restore
from datprl_toolkit.weights import load_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.training.prepared import PreparedData

    FloatArray = npt.NDArray[np.float32]

mpl.use("Agg")
import matplotlib.pyplot as plt


class Row(NamedTuple):
    """One row of the picture: what is restored, its titles, and what 1 is in its unit."""

    image: FloatArray
    titles: tuple[str, str, str]
    unit: float
    limit: float


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared data")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--out", type=Path, default=Path("docs/images/overview.png"), help="the picture")
    arguments = parser.parse_args()
    data = load_prepared(arguments.data)
    network, card = load_weights(arguments.weights)
    rows = [slice_row(data), scene_row(data)]
    figure, axes = plt.subplots(2, 3, figsize=(16, 9.3), layout="constrained", height_ratios=(0.72, 1))
    for places, row in zip(axes, rows, strict=True):
        restored = restore(network.eval(), row.image, card.config.grid, torch.device("cpu"))
        change = (restored - row.image) * row.unit
        change = change.mean(axis=-1) if change.ndim == 3 else change
        for place, title in zip(places, row.titles, strict=True):
            place.set_title(title)
            place.axis("off")
        for place, shown in zip(places, (row.image, restored), strict=False):
            place.imshow(shown, cmap="gray", vmin=0, vmax=1)
        drawn = places[2].imshow(change, cmap="PiYG", vmin=-row.limit, vmax=row.limit)
        figure.colorbar(drawn, ax=places[2], shrink=0.9)
    figure.savefig(arguments.out, dpi=88)
    print(f"wrote {arguments.out}")


def slice_row(data: PreparedData) -> Row:
    """Return the CT slice with the most noise, cut to the body."""
    pairs = data.validation["ct_denoising"]
    noisiest = int(np.argmin([psnr(image, target) for image, target in zip(pairs.inputs, pairs.targets, strict=True)]))
    titles = "input, CT at 10% of the dose (simulated)", f"restored, {CT_LOW:.0f} to {CT_HIGH:.0f} HU"
    body = np.s_[105:405, 40:465]
    return Row(pairs.inputs[noisiest][body], (*titles, "restored minus input, HU"), CT_HIGH - CT_LOW, 60)


def scene_row(data: PreparedData) -> Row:
    """Return the aerial scene under haze."""
    pairs = data.validation["remote_sensing_super_resolution"]
    clean = pairs.targets[pairs.names.index(AERIAL)]
    transmission = transmission_field(clean.shape[:2], np.random.default_rng(0), mean=0.5, variation=0.3)
    titles = "input, aerial scene under haze (simulated)", "restored, 0 to 255 digital numbers"
    return Row(add_haze(clean, transmission, 0.9), (*titles, "restored minus input, digital numbers"), 255, 120)


if __name__ == "__main__":
    main()
