"""What one context for a whole volume does to neighbouring slices, and how much memory a long series takes.

    python benchmarks/bench_volume.py CT_SERIES PET_SERIES --weights small --run 16 --long 1000

The inter-slice difference ratio is the mean difference of neighbouring slices inside the window, after over before
(docs/report.md); the step is by how much the mean change of a slice differs from that of the next one. Both are taken
from a run of neighbours in the middle of each series, restored with the context of the volume and with a context of
each slice.

The peak of memory (VmHWM) is that of a process that restores a synthetic CT of 512 x 512 pixels and writes it, as
`datprl restore` does. One batch in `--every` goes through the network; the others are answered with what was given,
so that a thousand slices take minutes. The network frees what it takes, so that this lowers no peak.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.medical import DicomOptions, restore_dicom
from datprl_toolkit.medical.opening import open_volume, series_of
from datprl_toolkit.medical.profiles import choose_profile
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.medical.testing import synthetic_slice
from datprl_toolkit.reports.measures.slices import SliceSteps
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.stack import StackRestorer

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.network import Context

SIDE = 512


class SparingRestorer(Restorer):
    """Sends one batch in a number through the network, and returns the others as they are."""

    every = 1
    calls = 0

    def restore_batch(self, images: npt.NDArray[np.float32], context: Context | None = None) -> npt.NDArray[np.float32]:
        """Restore images, or return them; as :meth:`Restorer.restore_batch`."""
        self.calls += 1
        return super().restore_batch(images, context) if self.calls % self.every == 1 % self.every else images


def neighbours(path: Path, restorer: Restorer, length: int) -> list[tuple[str, float, float]]:
    """Return context, inter-slice difference ratio and largest step, in the unit of the series, for both contexts."""
    volume = open_volume(path).volume
    found = survey(volume)
    profile, _ = choose_profile(found, series_of(volume).earliest)
    stack = StackRestorer.of_volume(lambda index: volume.slices[index].read(), len(volume.slices), restorer, profile)
    start = (len(volume.slices) - length) // 2
    rows = []
    for name, restore in (("volume", stack.restore), ("slice", stack.restore_alone)):
        steps = SliceSteps()
        for place, image in enumerate(volume.slices[start : start + length]):
            before = image.read()
            inside = (before >= profile.low) & (before <= profile.high)
            steps.add(before, restore(before[None])[0], inside, follows=place > 0)
        rows.append((name, steps.ratio, float(np.abs(np.diff(steps.levels)).max()) / profile.width))
    return rows


def write_long_series(folder: Path, slices: int) -> None:
    """Write a synthetic CT; every slice is one of eight, at a place of its own."""
    folder.mkdir()
    pictures = [synthetic_slice("CT", index, rows=SIDE, columns=SIDE).PixelData for index in range(8)]
    for index in range(slices):
        dataset = synthetic_slice("CT", index, rows=SIDE, columns=SIDE)
        dataset.PixelData = pictures[index % len(pictures)]
        dataset.save_as(folder / f"{index:05d}.dcm", enforce_file_format=True)


def restore_and_measure(series: Path, output: Path, weights: str, every: int, *, uncertainty: bool) -> None:
    """Restore a series, and print the peak of this process in MiB."""
    restorer: Any = SparingRestorer.from_pretrained(weights, device="cpu")
    restorer.every = every
    maps = output.with_name(f"{output.name}_maps") if uncertainty else None
    restore_dicom(series, output, restorer, DicomOptions(uncertainty=maps))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024)


def peak(series: Path, output: Path, weights: str, every: int, *, uncertainty: bool) -> int:
    """Return the peak of a process of its own that restores a series, in MiB."""
    command = [sys.executable, __file__, str(series), str(output), "--weights", weights, "--every", str(every)]
    command += ["--measure", *(["--uncertainty"] if uncertainty else [])]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main() -> None:
    """Measure both and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", type=Path, help="series; with --measure: series and output")
    parser.add_argument("--weights", default="small")
    parser.add_argument("--run", type=int, default=16, help="neighbouring slices that are compared")
    parser.add_argument("--long", type=int, nargs="*", default=[1000], help="lengths of series for the memory")
    parser.add_argument("--every", type=int, default=50, help="one batch in this many goes through the network")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--uncertainty", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        series, output = given.paths
        restore_and_measure(series, output, given.weights, given.every, uncertainty=given.uncertainty)
        return
    print("| slices of 512 x 512 | peak memory, MiB | with --uncertainty, MiB |\n|---|---|---|", flush=True)
    for length in given.long:
        with tempfile.TemporaryDirectory() as folder:
            series = Path(folder, "series")
            write_long_series(series, length)
            plain = peak(series, Path(folder, "plain"), given.weights, given.every, uncertainty=False)
            mapped = peak(series, Path(folder, "mapped"), given.weights, given.every, uncertainty=True)
        print(f"| {length} | {plain} | {mapped} |", flush=True)
    restorer = Restorer.from_pretrained(given.weights, device="cpu")
    print("\n| series | context of | inter-slice difference ratio | largest step, share of the window |")
    print("|---|---|---|---|", flush=True)
    for path in given.paths:
        for name, ratio, step in neighbours(path, restorer, given.run):
            print(f"| {path.name} | {name} | {ratio:.4f} | {step:.6f} |", flush=True)


if __name__ == "__main__":
    main()
