"""Which context restores a scene best, and which leaves a seam: the tile's, its surroundings', the scene's, a field.

    python benchmarks/bench_context.py SCENE.tif ... --weights small

Each scene is restored as it is, and again after haze, broken clouds, and clouds over one half were put over it, whose
truth is known. The table gives the mean PSNR against the truth (the input's own in brackets), the seam index, divided
by that of the truth (or of the scene as it is) at the same lines, and the step that the change has along the edges of
tiles, in stored values; see docs/seams.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from datprl_toolkit.degradations import add_clouds, add_haze, cloud_opacity, transmission_field
from datprl_toolkit.metrics.fidelity import psnr
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.seams import measure_seams
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Image = npt.NDArray[np.floating[Any]]

MODES = ("tile", "local", "scene", "field")


def haze(image: Image, generator: np.random.Generator) -> Image:
    """Haze whose density varies over the scene."""
    return add_haze(image, transmission_field(image.shape[:2], generator, mean=0.6, variation=0.3), 0.9)


def clouds(image: Image, generator: np.random.Generator) -> Image:
    """Put broken clouds over the whole scene."""
    return add_clouds(image, cloud_opacity(image.shape[:2], generator, cover=0.3, softness=0.5))


def half_clouds(image: Image, generator: np.random.Generator) -> Image:
    """Put clouds over the left half alone: two kinds of content in one scene."""
    opacity = cloud_opacity(image.shape[:2], generator, cover=0.6, softness=0.5)
    fade = np.clip(np.linspace(4.0, -4.0, image.shape[1]) + 0.5, 0.0, 1.0)
    return add_clouds(image, opacity * fade[None, :])


DEGRADATIONS: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "haze": haze,
    "clouds": clouds,
    "clouds over one half": half_clouds,
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+", help="rasters of 8 bit with three bands or more")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--tile", type=int, default=256, help="edge of a tile; the smaller, the more seams")
    parser.add_argument("--halo", type=int, default=64, help="pixels around a tile")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    print(f"{restorer.describe()}; {len(arguments.scenes)} scenes, tiles of {arguments.tile}, halo {arguments.halo}\n")
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for number, scene in enumerate(arguments.scenes):
            truth, profile = read(scene)
            inputs = {"as it is": truth}
            for name, degrade in DEGRADATIONS.items():
                spoilt = degrade(np.moveaxis(truth, 0, -1) / 255.0, np.random.default_rng(number))
                inputs[name] = np.moveaxis(np.rint(np.clip(spoilt, 0, 1) * 255), -1, 0).astype(np.uint8)
            for name, values in inputs.items():
                known = None if name == "as it is" else truth
                for mode in MODES:
                    rows[name, mode].append(measure(values, known, profile, mode, restorer, arguments, Path(folder)))
    print_table(rows)


def read(path: Path) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    """Return the first three bands (3, H, W), and what is needed to write such a raster."""
    with rasterio.open(path) as dataset:
        values = dataset.read([1, 2, 3])
        profile = {key: dataset.profile[key] for key in ("crs", "transform", "height", "width", "dtype")}
    return values, profile | {"driver": "GTiff", "count": 3, "photometric": "RGB"}


def measure(
    values: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.uint8] | None,
    profile: dict[str, Any],
    mode: str,
    restorer: Restorer,
    arguments: argparse.Namespace,
    folder: Path,
) -> tuple[float, ...]:
    """Return PSNR in and out in dB (NaN without a truth), seam index, step in stored values, processor seconds."""
    source, reference, output = (folder / f"{name}.tif" for name in ("source", "reference", "output"))
    for path, content in ((source, values), (reference, values if truth is None else truth)):
        with rasterio.open(path, "w", **profile) as dataset:
            dataset.write(content)
    options = SceneOptions(tile=arguments.tile, halo=arguments.halo, context=mode, overwrite=True)  # type: ignore[arg-type]
    began = time.process_time()
    restore_scene(source, output, restorer, options)
    seconds = time.process_time() - began
    with rasterio.open(output) as dataset:
        restored = dataset.read()
    quality = [float("nan")] * 2
    if truth is not None:
        quality = [psnr(np.moveaxis(each, 0, -1), np.moveaxis(truth, 0, -1)) for each in (values, restored)]
    index = measure_seams(output, tile=arguments.tile, original=reference).index
    step = measure_seams(output, tile=arguments.tile, original=source).step
    return (*quality, index, step, seconds)


def print_table(rows: dict[tuple[str, str], list[tuple[float, ...]]]) -> None:
    """Print the means over the scenes as a table in Markdown, with the time relative to the scene's context."""
    print("| scene | context | PSNR, dB (input) | seam index | step | time |")
    print("|---|---|---|---|---|---|")
    for (name, mode), measured in rows.items():
        before, after, index, step, seconds = np.mean(measured, axis=0)
        usual = np.mean(rows[name, "scene"], axis=0)[-1]
        quality = "" if np.isnan(after) else f"{after:.2f} ({before:.2f})"
        print(f"| {name} | {mode} | {quality} | {index:.3f} | {step:.2f} | {seconds / usual:.1f} |")


if __name__ == "__main__":
    main()
