"""What restoring does to the numbers of a CT phantom: mean and noise of uniform inserts, before and after.

    python benchmarks/bench_phantom.py --weights small

A cylinder of water, 28 cm wide, holds rods from lung to bone. Its noise is put into its projections, at shares of the
dose of a body scan. A mean over a rod should not change: where noise leaves the intensity window, what is outside stays
as it is and what is inside is smoothed, so that near the edges of the window it does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from datprl_toolkit.degradations import low_dose_ct_noise
from datprl_toolkit.medical.profiles import CT_PROFILES, CtWindow
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.stack import StackRestorer

if TYPE_CHECKING:
    import numpy.typing as npt

SIZE, PIXEL_MM = 384, 0.9
WATER_MM, ROD_MM, RING_MM = 140.0, 14.0, 95.0
RODS = (-900.0, -300.0, -150.0, -120.0, -90.0, -50.0, 20.0, 50.0, 100.0, 150.0, 200.0, 230.0, 300.0, 900.0)
AIR, WATER = -1000.0, 0.0
MARGIN = 0.7  # share of a rod's radius that is measured, so that its edge is not
DOSES = (0.5, 0.25, 0.1, 0.03)
SEED = 11


@dataclass(frozen=True, slots=True)
class Measured:
    """One rod: its material, and the mean and standard deviation of its pixels, in HU."""

    window: str
    dose: float
    material: float
    mean: float
    restored_mean: float
    noise: float
    restored_noise: float

    @property
    def shift(self) -> float:
        """By how much restoring moved the mean."""
        return self.restored_mean - self.mean


def main() -> None:
    """Measure, print a table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights, device=arguments.device)
    print(restorer.describe())
    slices = noisy_slices()
    rows = [row for window in CT_PROFILES for row in measure(restorer, window, slices)]
    for line in table(rows):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def phantom() -> npt.NDArray[np.float64]:
    """Return the slice without noise, in HU."""
    image = np.where(_disc((0.0, 0.0), WATER_MM), WATER, AIR)
    for material, centre in zip(RODS, _centres(), strict=True):
        image[_disc(centre, ROD_MM)] = material
    smooth: npt.NDArray[np.float64] = gaussian_filter(image, 0.7)
    return smooth


def regions() -> list[tuple[float, npt.NDArray[np.bool_]]]:
    """Return each material with the pixels that are measured, water first."""
    rods = [(material, _disc(centre, MARGIN * ROD_MM)) for material, centre in zip(RODS, _centres(), strict=True)]
    return [(WATER, _disc((0.0, 0.0), RING_MM - 2 * ROD_MM)), *rods]


def _disc(centre: tuple[float, float], radius: float) -> npt.NDArray[np.bool_]:
    """Return the pixels nearer to a point than `radius`, in mm from the middle of the slice."""
    rows, columns = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * PIXEL_MM
    inside: npt.NDArray[np.bool_] = np.hypot(rows - centre[0], columns - centre[1]) < radius
    return inside


def _centres() -> list[tuple[float, float]]:
    angles = 2 * np.pi * np.arange(len(RODS)) / len(RODS)
    return [(RING_MM * float(np.sin(angle)), RING_MM * float(np.cos(angle))) for angle in angles]


def noisy_slices() -> dict[float, npt.NDArray[np.float64]]:
    """Return the phantom at each share of the dose."""
    image = phantom()
    noise = low_dose_ct_noise(image, DOSES, np.random.default_rng(SEED), pixel_mm=PIXEL_MM)
    return {dose: image + part for dose, part in zip(DOSES, noise, strict=True)}


def measure(restorer: Restorer, window: CtWindow, slices: dict[float, npt.NDArray[np.float64]]) -> list[Measured]:
    """Restore each slice as a series of its own, and measure all rods."""
    found = []
    for dose, image in slices.items():
        stack = StackRestorer.of_volume([image].__getitem__, 1, restorer, CT_PROFILES[window])
        restored = stack.restore(image[None])[0]
        for material, inside in regions():
            before, after = image[inside], restored[inside]
            values = (before.mean(), after.mean(), before.std(), after.std())
            found.append(Measured(window, dose, material, *map(float, values)))
    return found


def table(rows: list[Measured]) -> list[str]:
    """Return a line for each material: shift of the mean, and noise before and after, for each window and dose."""
    lines = []
    for window in dict.fromkeys(row.window for row in rows):
        lines.append(f"\nwindow {window}; shift of the mean, and noise before and after, in HU")
        lines.append(f"{'HU':>6}" + "".join(f"{f'{dose:.0%} of the dose':>24}" for dose in DOSES))
        for material in dict.fromkeys(row.material for row in rows):
            cells = [
                f"{row.shift:>+10.1f}{row.noise:>7.1f}{row.restored_noise:>7.1f}"
                for row in rows
                if (row.window, row.material) == (window, material)
            ]
            lines.append(f"{material:>6.0f}" + "".join(cells))
    return lines


if __name__ == "__main__":
    main()
