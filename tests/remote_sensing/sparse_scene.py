"""Restores scenes that hold hardly any data, as a program in a process of its own whose memory can be measured.

    python sparse_scene.py FOLDER 20 90 160

First a run with the large scene is killed each time that so many shards are finished, and resumed; then scenes of
each size are restored without a pause. Lines of JSON say what was finished, and how much memory it took.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from datprl_toolkit.remote_sensing import SceneOptions, restore_scene, zarr_writing
from datprl_toolkit.remote_sensing.journal import Journal
from datprl_toolkit.remote_sensing.staging import stage_folder
from datprl_toolkit.restoring.testing import tiny_restorer

SIZES = (10_000, 30_000)
ISLAND = 300
PRELOADED = (zarr_writing,)  # what every fork would have to import for itself
OPTIONS = SceneOptions(tile=256, halo=16)


def main() -> None:
    """Do both, in this order: the runs that are killed are forks, which have to begin before PyTorch has threads."""
    folder, counts = Path(sys.argv[1]), tuple(map(int, sys.argv[2:]))
    for size in SIZES:
        write_sparse(folder / f"{size}.tif", size)
    kill_and_resume(folder / f"{SIZES[-1]}.tif", folder / "killed.zarr", counts)
    measure_peaks(folder)


def write_sparse(path: Path, size: int) -> None:
    """Write a scene that is no data but for two islands, of which the file holds nothing else."""
    form = {"driver": "GTiff", "count": 1, "height": size, "width": size, "dtype": "uint8", "nodata": 0}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "SPARSE_OK": True}
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(path, "w", **form, **blocks, **where) as dataset:
        values = np.random.default_rng(0).integers(1, 255, (1, ISLAND, ISLAND), np.uint8)
        for row, column in ((0, 0), (size - ISLAND, size // 3)):
            dataset.write(values, window=Window(column, row, ISLAND, ISLAND))


def measure_peaks(folder: Path) -> None:
    """Restore each scene, and print the peak memory in MiB and the summary of each.

    The small one is restored once before, unmeasured: what the first run of a process loads for good has nothing to do
    with the size of its scene.
    """
    restorer = tiny_restorer()
    restore_scene(folder / f"{SIZES[0]}.tif", folder / "first.zarr", restorer, OPTIONS, compared=False)
    for size in SIZES:
        ctypes.CDLL(None).malloc_trim(0)  # gives back what the scene before has used
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        source, output = folder / f"{size}.tif", folder / f"{size}.zarr"
        outcome = restore_scene(source, output, restorer, OPTIONS, compared=False)
        print(json.dumps([_peak(), outcome.summary]), flush=True)


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def kill_and_resume(source: Path, output: Path, counts: tuple[int, ...]) -> None:
    """Kill a run each time that so many shards are finished, and print how many were; finish, and print the summary."""
    for count in counts:
        child = _begin(source, output)
        while len(Journal(stage_folder(output)).finished) < count:
            time.sleep(0.1)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        print(json.dumps([os.WTERMSIG(status), len(Journal(stage_folder(output)).finished)]), flush=True)
    os.waitpid(_begin(source, output), 0)


def _begin(source: Path, output: Path) -> int:
    """Restore in a fork of this process, which has the slow imports done, and return its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        options = SceneOptions(tile=OPTIONS.tile, halo=OPTIONS.halo, resume=True)
        outcome = restore_scene(source, output, tiny_restorer(), options, compared=False)
        print(json.dumps([outcome.summary]), flush=True)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
