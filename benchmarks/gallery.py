"""Pictures of what the shipped weights do: input, best classical method, restored, truth; and not the best ones.

    python benchmarks/gallery.py DATA PREPARED classical.json

PREPARED is what `recipes/prepare_data.py` made of DATA, `classical.json` what `benchmarks/bench_classical.py` wrote. Of
many images those are shown whose gain stands at a quarter, the middle and three quarters of the ranking. Only images
whose licence lets them be shown are: CT and PET of ACRIN-NSCLC-FDG-PET (CC BY 3.0, TCIA), EuroSAT (MIT), photos that
come with scikit-image (CC0 or public domain), the MR slice of pydicom-data (MIT), which `make demo` fetches, and under
simulated clouds and haze the aerial image OSBS_029 of DeepForest (MIT) and the scenes with which rasterio, rio-tiler
and rio-cogeo are tested (BSD 3-clause). None was trained on. Under clouds and haze a further column shows what
comes back when the network is told the task (`--task`), since it leaves some of them as they are unless asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import other_sources
from benchmarks.classical import METHODS, best_classical
from datprl_toolkit.degradations import (
    add_rain,
    bicubic_low_resolution,
    blur_linear_light,
    rain_layer,
    resize_bicubic,
    shake_kernel,
    truncate_k_space,
)
from datprl_toolkit.metrics import psnr
from datprl_toolkit.network import Anchors
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.validation import restore
from datprl_toolkit.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from datprl_toolkit.training.prepared import PreparedData

    FloatArray = npt.NDArray[np.float32]
    Pair = tuple[str, FloatArray, FloatArray]

mpl.use("Agg")
import matplotlib.pyplot as plt

PLACES = (0.25, 0.5, 0.75)
PHOTOS = ("astronaut", "coffee", "chelsea")
SHOWN = ("ct_denoising", "pet_synthesis", "remote_sensing_super_resolution")
"""Tasks of whose validation images some may be shown."""
ASKED = ("cloud_removal", "dehazing")
"""Tasks for which the network is shown as it chooses itself and as it is told the task."""
AERIAL = "DeepForest_OSBS_029"
SCENES = ("rasterio_corrupt", "rio-cogeo_image_webp", "rio-tiler_201404", "rio-tiler_cog_hirise_mars")
"""Beginnings of the names of the scenes that may be shown and whose truth is free of clouds."""
MR_SLICE = Path(__file__).resolve().parents[1] / ".cache/demo/data_store/data/MR-SIEMENS-DICOM-WithOverlays.dcm"
MR_PLACES = ((114, 0), (114, 114), (114, 228))
EDGE = 256


def main() -> None:
    """Draw one picture for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the images")
    parser.add_argument("prepared", type=Path, help="folder of prepared data")
    parser.add_argument("classical", type=Path, help="figures of bench_classical.py")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--out", type=Path, default=Path("docs/images/gallery"), help="folder for the pictures")
    arguments = parser.parse_args()
    network, card = load_weights(arguments.weights)
    network.eval()
    figures = json.loads(arguments.classical.read_text(encoding="utf-8"))
    arguments.out.mkdir(parents=True, exist_ok=True)

    def restored(image: FloatArray, given: Anchors | None = None) -> FloatArray:
        return restore(network, image, card.config.grid, torch.device("cpu"), given)

    photos = [(name, photo(name)) for name in PHOTOS]
    data = load_prepared(arguments.prepared)
    for task in (each.name for each in card.tasks):
        if task in SHOWN:
            pairs = data.validation[task]
            all_pairs = list(zip(pairs.names, pairs.inputs, pairs.targets, strict=True))
            chosen = spread([pair for pair in all_pairs if allowed(task, pair[0])], restored)
        elif task in ("cloud_removal", "dehazing"):
            chosen = spread(scenes(data, arguments.data, task), restored)
        elif task == "mri_super_resolution":
            chosen = abdomen(MR_SLICE)
        else:
            chosen = [(name, *degraded(task, image, number)) for number, (name, image) in enumerate(photos)]
        prompt = card.prompt_of(task)
        told = partial(restored, given=None if prompt is None else Anchors(torch.tensor([prompt])))
        # As everywhere, the network is told that MR is MR.
        columns = {"restored": told if task == "mri_super_resolution" else restored}
        if task in ASKED:
            columns["--task"] = told
        draw(arguments.out / f"{task}.jpg", task, chosen, columns, figures)


def allowed(task: str, name: str) -> bool:
    """Tell whether an image may be shown: all but the roads of EPFL."""
    return task != "remote_sensing_super_resolution" or not name.lower().startswith("satimage")


def spread(pairs: list[Pair], restored: Callable[[FloatArray], FloatArray]) -> list[Pair]:
    """Return the images at a quarter, the middle and three quarters of the ranking by gain."""
    gains = [psnr(restored(image), target) - psnr(image, target) for _, image, target in pairs]
    order = np.argsort(gains)
    return [pairs[order[round(place * (len(pairs) - 1))]] for place in PLACES]


def photo(name: str) -> FloatArray:
    """Return the middle of a photo of scikit-image, at half its size."""
    import skimage.data

    image = getattr(skimage.data, name)().astype(np.float32) / 255
    half = resize_bicubic(image, (image.shape[0] // 2, image.shape[1] // 2)).clip(0, 1).astype(np.float32)
    top, left = (max(0, (length - EDGE) // 2) for length in half.shape[:2])
    cut: FloatArray = half[top : top + EDGE, left : left + EDGE]
    return cut[: cut.shape[0] // 4 * 4, : cut.shape[1] // 4 * 4]


def scenes(prepared: PreparedData, data: Path, task: str) -> list[Pair]:
    """Return the one validation image in haze or under clouds that may be shown, and scenes of other sources."""
    validation = prepared.validation[task]
    place = validation.names.index(f"simulated/{AERIAL}")
    others = [pair for pair in other_sources.pairs(task, data) if pair[0].startswith(SCENES)]
    return [(AERIAL, validation.inputs[place], validation.targets[place]), *others]


def abdomen(path: Path) -> list[Pair]:
    """Return three parts of the MR slice of the demo: the heads of the validation images could be recognised."""
    import pydicom

    if not path.is_file():
        sys.exit(f"{path.name} is not there yet: `make demo` fetches it")
    values = pydicom.dcmread(path).pixel_array.astype(np.float32)
    clean = np.clip(values / np.percentile(values, 99.9), 0, 1).astype(np.float32)
    given = np.asarray(truncate_k_space(clean), np.float32).clip(0, 1)
    return parts((path.stem, given, clean), MR_PLACES)


def parts(pair: Pair, places: Sequence[tuple[int, int]]) -> list[Pair]:
    """Cut squares out of a pair."""
    name, given, clean = pair
    squares = [np.s_[top : top + EDGE, left : left + EDGE] for top, left in places]
    return [(name, given[square], clean[square]) for square in squares]


def degraded(task: str, clean: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return a degraded version of a photo, and the photo."""
    generator = np.random.default_rng(seed)
    shape = clean.shape[0], clean.shape[1]
    if task == "natural_super_resolution":
        worse = bicubic_low_resolution(clean)
    elif task == "natural_deraining":
        worse = add_rain(clean, rain_layer(shape, generator, density=0.002, angle=8.0 * seed - 8))
    else:
        worse = blur_linear_light(clean, shake_kernel(9 + 4 * seed, generator))
    return np.asarray(worse, np.float32).clip(0, 1), clean


def draw(
    path: Path,
    task: str,
    pairs: list[Pair],
    columns: Mapping[str, Callable[[FloatArray], FloatArray]],
    figures: list[dict[str, Any]],
) -> None:
    """Draw input, best classical method, what each of `columns` returns and truth of some images, one row each."""
    number = 3 + len(columns)
    heights = [2.7 * target.shape[0] / target.shape[1] + 0.25 for _, _, target in pairs]
    ratios = {"height_ratios": heights}
    drawing, axes = plt.subplots(
        len(pairs),
        number,
        figsize=(2.75 * number, sum(heights)),
        squeeze=False,
        layout="constrained",
        gridspec_kw=ratios,
    )
    for row, (name, image, target) in zip(axes, pairs, strict=True):
        method, value = best_classical(task, name, figures)
        shown = {
            "input": image,
            method: METHODS[task][method][0](image, value),
            **{title: restored(image) for title, restored in columns.items()},
        }
        for axis, (title, picture) in zip(row, shown.items(), strict=False):
            axis.set_title(f"{title}, {psnr(picture.clip(0, 1), target):.2f} dB", fontsize=9)
            show(axis, task, picture, target)
        row[-1].set_title("truth", fontsize=9)
        show(row[-1], task, target, target)
    drawing.savefig(path, dpi=80, pil_kwargs={"quality": 85})
    plt.close(drawing)


def show(axis: Any, task: str, picture: FloatArray, target: FloatArray) -> None:
    """Show one picture, grey ones over the range of the truth; PET as it is read, dark where much is taken up."""
    if task == "pet_synthesis":
        colours, high = "gray_r", float(np.percentile(target, 99.8))
    else:
        colours, high = "gray", float(target.max())
    axis.imshow(picture.clip(0, 1), cmap=colours, vmin=float(target.min()), vmax=high)
    axis.set_axis_off()


if __name__ == "__main__":
    main()
