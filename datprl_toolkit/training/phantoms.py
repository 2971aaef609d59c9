"""PET slices of simulated uptake, in the anatomy of CT and MR slices: more bodies than the few patients at hand.

An anatomy is given uptake by its grey values, spots are added, and a scan with all counts gives the truth, which has
noise of its own as a patient's has; scans with fewer counts are then simulated from it as from a real slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.degradations import fractal_field, low_count_pet, resize_bicubic
from datprl_toolkit.degradations.low_dose import body_outline
from datprl_toolkit.training.preparation import PET_COUNTS, pet_source
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.variants import PET_PHANTOMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    FloatArray = npt.NDArray[np.floating]
    Simulated = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

COUNT, SIDE = 320, 128
PIXEL_MM = 4.0
BODY = (70, 112)
"""Pixels of the longer side of a body."""
STEPS = 7
"""Grey values at which an uptake is drawn."""
SPOTS = 2.0
"""Mean number of spots of high uptake, lesions and organs."""


def pet_phantoms(
    ct: Source,
    mri: Source,
    seed: int,
    count: int = COUNT,
    each: Callable[[Callable[[Any], Simulated], Iterable[Any]], Iterable[Simulated]] = map,
) -> Source:
    """Make PET slices in the anatomy of CT and MR slices in turn.

    Parameters
    ----------
    ct, mri
        Prepared slices; of the MR ones "clean" is uint16, of the CT ones int16 in HU.
    seed
        Decides everything that is drawn.
    count
        How many slices.
    each
        Calls a function with each of many arguments, such as the `map` of a pool of processes.

    Returns
    -------
    Source with the fields of :func:`~datprl_toolkit.training.preparation.pet_source`, SUV of 128 x 128 pixels.
    """
    arguments = []
    for number in range(count):
        # Steps that have no divisor in common with the usual numbers of slices, so that all of them have a turn.
        slices, step, prepare = (ct["clean"], 7, _of_ct) if number % 2 else (mri["clean"], 5, _of_mr)
        arguments.append((seed, number, *prepare(slices[number * step % len(slices)])))
    made = list(each(simulate, arguments))
    note = f"simulated uptake in the anatomy of {mri.name} and {ct.name}"
    return Source(PET_PHANTOMS, {"clean": [one[0] for one in made], "degraded": [one[1] for one in made]}, note)


def simulate(given: tuple[int, int, FloatArray, npt.NDArray[np.bool_]]) -> Simulated:
    """Return a slice with all counts and with fewer, given a seed, a number, an anatomy and its outline."""
    seed, number, anatomy, inside = given
    generator = np.random.default_rng([seed, 31, number])
    uptake = draw_uptake(anatomy, inside, generator)
    pixel = PIXEL_MM * generator.uniform(0.8, 1.2)
    counts = PET_COUNTS * 2.0 ** generator.uniform(-0.5, 1.5)
    truth = low_count_pet(
        uptake, 1.0, generator, pixel_mm=pixel, counts_per_activity=counts, iterations=int(generator.integers(2, 5))
    )
    return truth, pet_source("", [truth], pixel, seed + number)["degraded"][0]


def draw_uptake(
    anatomy: FloatArray, inside: npt.NDArray[np.bool_], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return an uptake of (:data:`SIDE`, :data:`SIDE`) pixels whose mean in the body is near 1, as that of FDG is.

    Parameters
    ----------
    anatomy
        Grey values in [0, 1], (H, W).
    inside
        Which pixels are of the body.
    """
    size = int(generator.integers(*BODY)) / max(anatomy.shape)
    shape = (max(8, round(anatomy.shape[0] * size)), max(8, round(anatomy.shape[1] * size)))
    grey = resize_bicubic(anatomy.astype(np.float32), shape).clip(0, 1)
    body = resize_bicubic(inside.astype(np.float32), shape) > 0.5
    for axis, share in ((1, 0.5), (0, 0.3)):
        if generator.random() < share:
            grey, body = np.flip(grey, axis), np.flip(body, axis)
    by_grey = np.exp(generator.normal(-0.2, 0.6, STEPS))
    by_grey[0] *= 0.5  # mostly air
    tissue = np.interp(grey, np.linspace(0, 1, STEPS), by_grey) * body
    tissue *= 0.7 + 0.6 * fractal_field(shape, 3.5, generator)
    uptake = np.zeros((SIDE, SIDE))
    top, left = ((SIDE - edge) // 2 + int(generator.integers(-6, 7)) * ((SIDE - edge) // 2 > 8) for edge in shape)
    uptake[top : top + shape[0], left : left + shape[1]] = tissue
    _add_spots(uptake, generator)
    blurred = _smoothed(uptake, generator.uniform(0.7, 1.4))
    body_mean = max(float(blurred[blurred > 0.05].mean()) if (blurred > 0.05).any() else 1.0, 1e-3)
    made: npt.NDArray[np.float32] = (blurred * np.exp(generator.uniform(-0.5, 0.5)) / body_mean).astype(np.float32)
    return made


def _add_spots(uptake: npt.NDArray[np.float64], generator: np.random.Generator) -> None:
    """Add ellipses of high uptake, wherever there is some."""
    rows, columns = np.nonzero(uptake > 0)
    if not rows.size:
        return
    down, across = np.mgrid[:SIDE, :SIDE]
    for _ in range(int(generator.poisson(SPOTS))):
        centre = int(generator.integers(len(rows)))
        radii, angle = generator.uniform(1.1, 7.0, 2), generator.uniform(0, np.pi)
        y, x = down - rows[centre], across - columns[centre]
        along, beside = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        uptake[(along / radii[0]) ** 2 + (beside / radii[1]) ** 2 < 1] += np.exp(generator.uniform(0, 2.3))


def _smoothed(image: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    """Blur by a Gaussian, as a scanner of finite resolution does."""
    frequency = np.fft.fftfreq(SIDE)
    falloff = np.exp(-2 * (np.pi * sigma) ** 2 * (frequency[:, None] ** 2 + frequency[None] ** 2))
    blurred: npt.NDArray[np.float64] = np.fft.ifft2(np.fft.fft2(image) * falloff).real.clip(min=0)
    return blurred


def _of_ct(image: npt.NDArray[np.integer]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    hounsfield = image.astype(np.float32)
    return ((hounsfield + 1000) / 1500).clip(0, 1), body_outline(np.maximum(hounsfield + 300, 0)) > 0


def _of_mr(image: npt.NDArray[np.integer]) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    signal = image.astype(np.float32) / 65535
    return signal, body_outline(signal) > 0
