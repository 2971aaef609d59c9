"""What a scene costs beyond its network, how memory grows with it, and the same through MONAI's sliding window.

    python benchmarks/bench_scene.py demo/landsat.tif --sizes 1024 2048 --weights small

A scene of every size is made by mirroring the given one and putting haze over it, and restored in turn: by the network
alone over the same tiles in memory, with one context; by this toolkit, from GeoTIFF to Zarr; and by MONAI's
`sliding_window_inference` with the same network, window and overlap, in memory and weighted by a Gaussian, as it is
mostly used. Each restoration of ours runs in a process of its own, whose peak memory is reported beside what it was
before, with the weights loaded; its calls of the network, with the contexts that it gave them, are then repeated alone.
With `--own-calls` no more than these two are measured, for networks that take minutes.
Last, without a network: this toolkit, and one loop that reads, scales and writes the same pieces one after the other.
Ratios are of the time that processors were busy, which other programs on the machine disturb little.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np
import rasterio
import torch
import zarr
from affine import Affine

from datprl_toolkit.degradations import add_haze, transmission_field
from datprl_toolkit.remote_sensing import Scene, SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.pyramid import level_window
from datprl_toolkit.remote_sensing.seams import seams_of
from datprl_toolkit.remote_sensing.testing import stub_restorer
from datprl_toolkit.remote_sensing.windows import as_rasterio, split, whole
from datprl_toolkit.remote_sensing.zarr_layout import Layout, array_path
from datprl_toolkit.remote_sensing.zarr_writing import create_store
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.tiling import plan_tiles, sample_windows

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.restoring import Context

MIB = 2**20


def main() -> None:
    """Measure and print a table, or do one of its parts in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="raster with three bands or more, of any size")
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048], help="edges of the scenes in pixels")
    parser.add_argument("--tile", type=int, default=256, help="edge of a tile")
    parser.add_argument("--halo", type=int, default=64, help="pixels around a tile")
    parser.add_argument("--without-monai", action="store_true", help="leave out the comparison")
    parser.add_argument("--own-calls", action="store_true", help="only the toolkit and its calls of the network")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    if arguments.part is not None:
        print(json.dumps(restore_in_this_process(restorer, arguments)))
        return
    print(f"{restorer.describe()}, {processor()}; tiles of {arguments.tile}, halo {arguments.halo}\n")
    print("| pixels | way | time, s | processor, s | ratio | peak memory, MiB | seam index | step |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            measure(size, restorer, arguments, Path(folder))


def measure(size: int, restorer: Restorer, arguments: argparse.Namespace, folder: Path) -> None:
    """Print the rows of one size."""
    scene = hazy_scene(arguments.scene, size)
    source = folder / f"{size}.tif"
    write(source, scene)
    image = scene.astype(np.float32) / np.float32(255)
    network = None
    if not arguments.own_calls:
        network, alone = network_alone(image, restorer, arguments)
        row(size, "network alone", network, network, report=seams_of(alone * 255, arguments.tile, scene))
    command = [sys.executable, __file__, str(arguments.scene), "--weights", arguments.weights]
    pieces = ["--tile", str(arguments.tile), "--halo", str(arguments.halo)]
    part = ["--part", str(source), str(folder / f"{size}.zarr")]
    told = subprocess.run([*command, *pieces, *part], check=True, capture_output=True, text=True)
    figures = json.loads(told.stdout)
    written = Scene.open(folder / f"{size}.zarr")
    with written.reader() as reader:
        values = reader.read((1, 2, 3), whole(written.grid.shape)).values
    ours, calls = Time(figures["wall"], figures["processor"]), Time(figures["calls wall"], figures["calls processor"])
    network = network or calls
    seams = seams_of(values, arguments.tile, scene)
    row(size, "this toolkit, GeoTIFF to Zarr", ours, network, memory=figures["peak"], report=seams)
    print(f"| | of which weights loaded and nothing done | | | | {figures['before'] / MIB:.0f} | | |")
    row(size, "its calls of the network alone", calls, network)
    if arguments.own_calls:
        return
    if not arguments.without_monai:
        took, restored = monai_window(image, restorer, arguments)
        seams = seams_of(restored * 255, arguments.tile, scene)
        row(size, "MONAI sliding_window_inference", took, network, report=seams)
    loop = one_after_the_other(source, folder / f"{size}.loop.zarr", arguments)
    row(size, "no network, a loop", loop, loop)
    row(size, "no network, this toolkit", without_network(source, folder / f"{size}.null.zarr", arguments), loop)


class Time(NamedTuple):
    """Seconds that passed, and those in which processors were busy for this process."""

    wall: float
    processor: float


class Watch:
    """Measures how long a block takes."""

    time = Time(0.0, 0.0)

    def __enter__(self) -> Watch:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, processor = self._began
        self.time = Time(
            self.time.wall + time.perf_counter() - wall, self.time.processor + time.process_time() - processor
        )


def row(size: int, way: str, took: Time, against: Time, *, memory: float | None = None, report: Any = None) -> None:
    """Print one row."""
    peak = "" if memory is None else f"{memory / MIB:.0f}"
    seams = " | " if report is None else f"{report.index:.3f} | {report.step:.2f}"
    times = f"{took.wall:.2f} | {took.processor:.2f} | {took.processor / against.processor:.2f}"
    print(f"| {size} x {size} | {way} | {times} | {peak} | {seams} |", flush=True)


def hazy_scene(path: Path, size: int) -> npt.NDArray[np.uint8]:
    """Return (3, size, size): a real scene, mirrored until it is large enough, under haze that varies."""
    generator = np.random.default_rng(0)
    with rasterio.open(path) as dataset:
        values = dataset.read([1, 2, 3]).astype(np.float64)
    low, high = np.percentile(values, (0.1, 99.9))
    ground = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    ground = np.pad(ground, [(0, 0), *((0, max(size - length, 0)) for length in ground.shape[1:])], mode="symmetric")
    ground = np.moveaxis(ground[:, :size, :size], 0, -1)
    hazy = add_haze(ground, transmission_field((size, size), generator, mean=0.6, variation=0.3), 0.9)
    return np.moveaxis(np.rint(np.clip(hazy, 0, 1) * 255), -1, 0).astype(np.uint8)


def write(path: Path, scene: npt.NDArray[np.uint8]) -> None:
    """Write a tiled GeoTIFF."""
    _, height, width = scene.shape
    profile = {"driver": "GTiff", "count": 3, "height": height, "width": width, "dtype": "uint8"}
    tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "photometric": "RGB"}
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(path, "w", **profile, **tiled, **where) as dataset:
        dataset.write(scene)


def network_alone(
    image: npt.NDArray[np.float32], restorer: Restorer, arguments: argparse.Namespace
) -> tuple[Time, npt.NDArray[np.float32]]:
    """Return the time in which the network restores all tiles of an image in memory, and the result."""
    height, width = image.shape[-2:]
    windows = sample_windows(height, width, size=256, count=16, grid=restorer.grid)
    context = restorer.context(np.stack([image[(slice(None), *window.slices)] for window in windows]))
    area = whole((height, width))
    tiles = plan_tiles(area, area, tile=arguments.tile, halo=arguments.halo, grid=restorer.grid)
    restored = np.empty_like(image)
    watch = Watch()
    for tile in tiles:
        batch = np.ascontiguousarray(image[(slice(None), *tile.read.slices)])[None]
        with watch:
            answer = restorer.restore_batch(batch, context)[0]
        restored[(slice(None), *tile.core.slices)] = answer[(slice(None), *tile.core.relative_to(tile.read).slices)]
    return watch.time, restored


def restore_in_this_process(restorer: Restorer, arguments: argparse.Namespace) -> dict[str, float]:
    """Restore a file, and return the time and the peak memory before and after, in bytes.

    The calls of the network are then repeated, with the same contexts, over noise.
    """
    source, destination = map(Path, arguments.part)
    before = peak_memory()
    calls: list[tuple[tuple[int, ...], Context | None]] = []
    called = restorer.restore_batch

    def noted(images: npt.NDArray[np.float32], context: Context | None = None) -> npt.NDArray[np.float32]:
        calls.append((images.shape, context))
        return called(images, context)

    with patch.object(restorer, "restore_batch", noted), Watch() as watch:
        options = SceneOptions(tile=arguments.tile, halo=arguments.halo)
        restore_scene(source, destination, restorer, options, compared=False)
    peak = peak_memory()
    noise = {shape: np.random.default_rng(0).random(shape, np.float32) for shape, _ in calls}
    with Watch() as alone:
        for shape, context in calls:
            called(noise[shape], context)
    times = {**watch.time._asdict(), "calls wall": alone.time.wall, "calls processor": alone.time.processor}
    return {**times, "before": before, "peak": peak}


def without_network(source: Path, destination: Path, arguments: argparse.Namespace) -> Time:
    """Return how long everything but the network takes."""
    options = SceneOptions(tile=arguments.tile, halo=arguments.halo)
    with Watch() as watch:
        restore_scene(source, destination, stub_restorer(), options, compared=False)
    return watch.time


def one_after_the_other(source: Path, destination: Path, arguments: argparse.Namespace) -> Time:
    """Return how long a plain loop takes that reads the same windows, scales them and back, and writes them."""
    scene = Scene.open(source)
    layout = Layout(scene)
    with Watch() as watch, rasterio.open(source) as dataset:
        create_store(destination, layout, {})
        levels = range(layout.levels + 1)
        arrays = [zarr.open_array(destination / array_path(level), mode="r+") for level in levels]
        area = whole(scene.grid.shape)
        for shard in split(area, layout.shard):
            read = shard.grown(arguments.halo, area)
            seen = dataset.read(window=as_rasterio(read)).astype(np.float32) / np.float32(255)
            inside = shard.relative_to(read).slices
            values = np.clip(np.rint(seen[(slice(None), *inside)] * 255), 0, 255).astype(np.uint8)
            for level in levels:
                if level:
                    blocks = values.reshape(3, values.shape[1] // 2, 2, values.shape[2] // 2, 2)
                    values = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
                arrays[level][(slice(None), *level_window(shard, level).slices)] = values
    return watch.time


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes; unlike getrusage, without that of its parent."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def monai_window(
    image: npt.NDArray[np.float32], restorer: Restorer, arguments: argparse.Namespace
) -> tuple[Time, npt.NDArray[np.float32]]:
    """Restore by MONAI: windows as large as our tiles with their halo, at the stride of our tiles."""
    from monai.inferers import sliding_window_inference

    window = arguments.tile + 2 * arguments.halo
    tensor = torch.from_numpy(image)[None].to(restorer.device)
    with Watch() as watch, torch.inference_mode():
        answer = sliding_window_inference(
            tensor, (window, window), 1, restorer.network, overlap=1 - arguments.tile / window, mode="gaussian"
        )
    if not isinstance(answer, torch.Tensor):
        msg = "MONAI returned no tensor"
        raise TypeError(msg)
    return watch.time, answer[0].clamp(0, 1).cpu().numpy()


def processor() -> str:
    """Return the name of the processor and the threads in use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} of {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
