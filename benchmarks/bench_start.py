"""How long the command line takes to answer, and what of it is imports.

    python benchmarks/bench_start.py --json start.json

Measures `datprl --help`, and `datprl restore` of the smallest picture, CT series and scene, which is the time to the
first pixel. Each is run several times in turn; the median of the time by the clock stands beside that of the time in
which processors were busy, which other programs on the machine disturb little. Last, the packages that take longest
to import on the way.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LONGEST = 8


def main() -> None:
    """Measure, print tables, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="counted runs of each, after one to warm up")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {"datprl --help": ["--help"], **write_inputs(Path(folder))}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(arguments.repeats + 1):
            for name, command in commands.items():
                times[name].append(run([sys.executable, "-m", "datprl_toolkit", *command]))
        imported = {name: imports(command) for name, command in commands.items()}
    rows = []
    print(f"{'command':<34}{'clock, s':>10}{'busy, s':>10}")
    for name, measured in times.items():
        clock, busy = (statistics.median(part) for part in zip(*measured[1:], strict=True))
        rows.append({"command": name, "clock": clock, "busy": busy, "imports": imported[name]})
        print(f"{name:<34}{clock:>10.2f}{busy:>10.2f}")
    for name, packages in imported.items():
        longest = sorted(packages.items(), key=lambda item: -item[1])[:LONGEST]
        print(f"{name} imports, ms: {', '.join(f'{package} {value:.0f}' for package, value in longest)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_inputs(folder: Path) -> dict[str, list[str]]:
    """Write the smallest picture, series and scene; return what restores each, by name."""
    import rasterio
    from affine import Affine
    from PIL import Image

    from datprl_toolkit.medical.testing import write_synthetic_series

    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    series = folder / "series"
    write_synthetic_series(series, "CT", 2)
    layout = {"driver": "GTiff", "count": 3, "height": 64, "width": 64, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(folder / "scene.tif", "w", **layout, transform=Affine(10, 0, 5e5, 0, -10, 5e6)) as raster:
        raster.write(pixels.transpose(2, 0, 1))

    def restore(source: str, destination: str) -> list[str]:
        return ["restore", str(folder / source), str(folder / destination), "--overwrite"]

    return {
        "datprl restore, picture 64 x 64": restore("picture.png", "restored.png"),
        "datprl restore, CT of 2 slices": restore("series", "restored"),
        "datprl restore, scene 64 x 64": restore("scene.tif", "restored.tif"),
    }


def run(command: list[str]) -> tuple[float, float]:
    """Return how long a command takes by the clock, and how long it keeps processors busy."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    clock, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imports(command: list[str]) -> dict[str, float]:
    """Return the milliseconds that the modules of each package took to import, those that they import left out."""
    full = [sys.executable, "-X", "importtime", "-m", "datprl_toolkit", *command]
    told = subprocess.run(full, check=True, capture_output=True, text=True).stderr
    packages: dict[str, float] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", told):
        package = name.split(".")[0]
        packages[package] = packages.get(package, 0.0) + int(own) / 1000
    return packages


if __name__ == "__main__":
    main()
