"""How strong a pattern with a period of two pixels is in restored PET, beside what noise has near that frequency.

    python benchmarks/bench_checkerboard.py --weights small

A cylinder of SUV 2 with hot rods loses most of its counts. In its uniform part the amplitude of the highest frequency
along both axes (a checkerboard) and along one (stripes) is measured in the input, in the restored image and in the mean
over mirror images (``--self-ensemble``); in brackets the amplitude at the frequencies around it. Root mean squares over
several draws of the noise, in thousandths of SUV.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from datprl_toolkit.degradations import low_count_pet
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.training.preparation import PET_COUNTS, PET_FRACTIONS, SUV_HIGH

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]

EDGE, PIXEL_MM = 168, 4.0
UNIFORM = np.s_[52:116, 44:76]
"""A part of the phantom without rods."""
NEAR, FAR = 2, 6
"""Neighbours are frequencies more than the first and at most the second number of bins away."""


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="small", help="name or path")
    parser.add_argument("--draws", type=int, default=8, help="draws of the noise")
    arguments = parser.parse_args()
    restorer = Restorer.from_pretrained(arguments.weights)
    restorers = {"input": None, "restored": restorer, "with --self-ensemble": restorer.with_self_ensemble(True)}
    print("| counts | image | checkerboard | stripes along the rows | along the columns |")
    print("|---|---|---|---|---|")
    for fraction in PET_FRACTIONS:
        images = [noisy(fraction, draw) for draw in range(arguments.draws)]
        for name, each in restorers.items():
            results = images if each is None else [each.restore_batch(image[None, None])[0, 0] for image in images]
            power = np.mean([spectrum(result[UNIFORM]) for result in results], axis=0)
            figures = " | ".join(f"{own:.1f} ({around:.1f})" for own, around in amplitudes(power))
            print(f"| {fraction:.0%} | {name} | {figures} |")


def phantom() -> FloatArray:
    """Return a cylinder of SUV 2 with four hot rods, (rows, columns)."""
    rows, columns = np.mgrid[:EDGE, :EDGE] - EDGE // 2
    suv = np.where((rows / 45.0) ** 2 + (columns / 60.0) ** 2 < 1, 2.0, 0.0)
    for row, column, radius, height in ((-15, 20, 8, 6.0), (12, 30, 6, 8.0), (18, 8, 4, 10.0), (-20, 42, 3, 10.0)):
        suv[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = height
    return suv.astype(np.float32)


def noisy(fraction: float, draw: int) -> FloatArray:
    """Return the phantom at a share of the counts, in [0, 1]."""
    generator = np.random.default_rng([11, draw])
    image = low_count_pet(
        phantom(), fraction, generator, pixel_mm=PIXEL_MM, counts_per_activity=PET_COUNTS, iterations=2 + draw % 3
    )
    return (image / SUV_HIGH).clip(0, 1).astype(np.float32)


def spectrum(part: FloatArray) -> npt.NDArray[np.float64]:
    """Return the squared amplitude of each frequency in SUV, that of the edges faded out."""
    window = np.outer(np.hanning(part.shape[0]), np.hanning(part.shape[1]))
    values = np.fft.fft2((part - part.mean()) * window) / window.sum()
    return np.asarray(np.abs(SUV_HIGH * values) ** 2)


def amplitudes(power: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the amplitude of the checkerboard and of both stripes, each with that around it, in SUV / 1000."""
    height, width = power.shape
    half = height // 2, width // 2
    squares = (
        (power[place], power[_around(place, height, width)].mean()) for place in (half, (half[0], 0), (0, half[1]))
    )
    return [(1000 * float(np.sqrt(own)), 1000 * float(np.sqrt(around))) for own, around in squares]


def _around(place: tuple[int, int], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return which frequencies are neighbours of one, across the ends of the spectrum too."""
    distance = [
        np.minimum((index - centre) % length, (centre - index) % length)
        for index, centre, length in zip(np.ogrid[:height, :width], place, (height, width), strict=True)
    ]
    farthest = np.maximum(*distance)
    return np.asarray((farthest > NEAR) & (farthest <= FAR))


if __name__ == "__main__":
    main()
