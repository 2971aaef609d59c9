"""How much any method could gain on CT and PET whose truth is noisy itself.

    python benchmarks/noise_ceiling.py PREPARED

PREPARED is what `recipes/prepare_data.py` made. The truth of a simulated pair is a scan with noise n of its own, and
the input has the noise e of the lower dose besides. A method that knew the anatomy exactly would still have to guess n
from n + e: of two independent Gaussian noises with power spectra N and E the best guess leaves the error N E / (N + E)
at each frequency. The gain in PSNR over the input is then ``10 log10(sum E / sum (N E / (N + E)))``, and that of the
anatomy without any noise ``10 log10(sum E / sum N)``, which may well be below 0: PSNR wants the noise of the truth too.

Both spectra are measured in the flattest regions of each validation slice, so that structure in them counts as noise
of the truth, and makes the ceiling look a little lower than it is.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.reports.measures import find_flat_regions
from datprl_toolkit.reports.measures.noise import detrended
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.preparation import CT_HIGH, CT_LOW, SUV_HIGH

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]


class Search(NamedTuple):
    """Values of 0 and 1, mean values between which flat regions lie, and side and number of these."""

    low: float
    high: float
    flat_low: float
    flat_high: float
    size: int
    regions: int


SEARCHES = {
    "ct_denoising": Search(CT_LOW, CT_HIGH, -20.0, 130.0, 12, 24),
    "pet_synthesis": Search(0.0, SUV_HIGH, 0.5, SUV_HIGH, 8, 24),
}


def main() -> None:
    """Print a row for each task and dose: means over the slices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of prepared data")
    try:
        data = load_prepared(parser.parse_args().data)
    except DatprlError as error:
        sys.exit(str(error))
    print("| task | noise of the truth | added noise | gain of the bare anatomy, dB | gain at the most, dB |")
    print("|---|---|---|---|---|")
    for task, search in SEARCHES.items():
        rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        pairs = data.validation[task]
        for name, given, target in zip(pairs.names, pairs.inputs, pairs.targets, strict=True):
            rows[name.rsplit("/", 1)[1]].append(measure(given.astype(np.float64), target.astype(np.float64), search))
        for dose, figures in rows.items():
            own, added, bare, most = np.mean(figures, axis=0)
            print(f"| {task}, {float(dose):.0%} | {own:.2f} | {added:.2f} | {bare:+.2f} | {most:+.2f} |")


def measure(given: FloatArray, target: FloatArray, search: Search) -> tuple[float, ...]:
    """Return the noise of the truth and the added noise, in HU or SUV, and the two gains in dB, of one slice."""
    scale = search.high - search.low
    truth, noise = search.low + scale * target, scale * (given - target)
    everywhere = np.ones(truth.shape, bool)
    found = find_flat_regions(
        truth, everywhere, size=search.size, low=search.flat_low, high=search.flat_high, count=search.regions
    )
    own, added = (spectrum([region.cut(image) for _, region in found]) for image in (truth, noise))
    left = np.divide(own * added, own + added, out=np.zeros_like(own), where=own + added > 0)
    deviations = (float(np.sqrt(power.sum()) / search.size) for power in (own, added))
    return (*deviations, *(float(10 * np.log10(added.sum() / rest.sum())) for rest in (own, left)))


def spectrum(patches: Sequence[FloatArray]) -> FloatArray:
    """Return the mean power of patches without their slow variation, in two dimensions; its sum is N^2 variances."""
    rests = np.stack([detrended(patch) for patch in patches])
    return np.asarray((np.abs(np.fft.fft2(rests)) ** 2).mean(axis=0) / rests[0].size)


if __name__ == "__main__":
    main()
