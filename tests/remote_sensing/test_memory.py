from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_PEAKS = """
import ctypes, json, sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.restoring.testing import tiny_restorer

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

folder = Path(sys.argv[1])
restorer = tiny_restorer()
for size in map(int, sys.argv[2:]):
    source = folder / f"{size}.tif"
    form = {"driver": "GTiff", "count": 1, "height": size, "width": size, "dtype": "uint8", "nodata": 0}
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "SPARSE_OK": True}
    where = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(source, "w", **form, **blocks, **where) as dataset:
        values = np.random.default_rng(0).integers(1, 255, (1, 300, 300), np.uint8)
        for row, column in ((0, 0), (size - 300, size // 3)):
            dataset.write(values, window=Window(column, row, 300, 300))
    ctypes.CDLL(None).malloc_trim(0)  # gives back what the first scene has used
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    options = SceneOptions(tile=256, halo=16)
    outcome = restore_scene(source, folder / f"{size}.zarr", restorer, options, compared=False)
    print(json.dumps([peak(), outcome.summary]), flush=True)
"""


@pytest.mark.timeout(900)  # it takes ten seconds of a processor, which may have much else to do
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells and forgets the peak")
def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    """A sparse scene, so that what is left is reading, looking for data, and noting that there are none."""
    command = [sys.executable, "-c", _PEAKS, str(tmp_path), "10000", "30000"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    (small, _), (large, summary) = map(json.loads, told)
    assert "30000 x 30000 pixels restored" in summary
    assert large <= 1.1 * small
    assert large <= 1536  # MiB
