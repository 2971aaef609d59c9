"""The same training images at other scales and contrasts, for scanners and cameras that are not among them.

Made once from the prepared sources, and stored beside them as sources of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.degradations import resize_bicubic
from datprl_toolkit.training.preparation import from_integers, k_space_source, super_resolution_source, to_bytes
from datprl_toolkit.training.prepared import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

VARIANTS = {
    "photos": "photos_reduced",
    "remote_roads": "remote_roads_reduced",
    "mri": "mri_varied",
    "ct": "ct_scaled",
    "pet": "pet_scaled",
}
"""Name of the variant of each source that has one."""
THICK_SLICES = "ct_thick"
"""Name of the second variant of CT: slices as quiet as those of another protocol or a thicker collimation."""
PET_PHANTOMS = "pet_phantoms"
"""Name of the PET slices of simulated uptake in the anatomy of CT and MR slices."""
REDUCTIONS = (0.8, 0.65, 0.5)
MR_SCALES, MR_GAMMAS = (0.7, 1.4, 1.0, 1.2), (0.6, 1.6)
CT_SCALES, PET_SCALES = (0.75, 1.25), (0.8, 1.3)
THICK_SCALES, AVERAGED = (1.0, 1.5, 2.0), (3, 5)


def make_variants(sources: Mapping[str, Source], seed: int) -> Iterator[Source]:
    """Yield the variant of each of the prepared `sources` that has one."""
    for name, variant in VARIANTS.items():
        if name not in sources:
            continue
        source = sources[name]
        if name == "mri":
            yield varied_mr(variant, source, seed)
        elif name == "ct":
            yield scaled(variant, source, "noise", CT_SCALES)
            yield thick(THICK_SLICES, source)
        elif name == "pet":
            yield scaled(variant, source, "degraded", PET_SCALES)
        else:
            yield reduced(variant, source)


def reduced(name: str, source: Source) -> Source:
    """Pairs for super-resolution from smaller versions of the images, which have more detail for each pixel."""
    images = [
        to_bytes(resized(from_integers(image), REDUCTIONS[index % len(REDUCTIONS)]))
        for index, image in enumerate(source["clean"])
    ]
    return super_resolution_source(name, images, f"{source.name} at {_listed(REDUCTIONS)} of its size")


def varied_mr(name: str, source: Source, seed: int) -> Source:
    """MR slices at other pixel sizes, contrast changed by a power of the signal, and their zero-filled version."""
    generator = np.random.default_rng([seed, 5])
    slices = []
    for index, image in enumerate(source["clean"]):
        gamma = float(np.exp(generator.uniform(*np.log(MR_GAMMAS))))
        larger = resized(from_integers(image), MR_SCALES[index % len(MR_SCALES)], multiple=8)
        slices.append(np.clip(larger, 0.0, 1.0) ** gamma)
    low, high = MR_GAMMAS
    note = f"{source.name} at {_listed(MR_SCALES)} of its size, to a power of {low:g} to {high:g}"
    return k_space_source(name, slices, note)


def scaled(name: str, source: Source, degraded: str, scales: tuple[float, ...]) -> Source:
    """Slices and what degrades them at other pixel sizes: the noise is coarser or finer than that of one scanner.

    The values keep their unit and their number format.
    """
    fields: dict[str, list[npt.NDArray[Any]]] = {"clean": [], degraded: []}
    for index in range(len(source)):
        scale = scales[index % len(scales)]
        image, versions = source["clean"][index], source[degraded][index]
        stack = versions.reshape(-1, *versions.shape[-2:])
        made = np.moveaxis(resized(np.moveaxis(stack, 0, -1), scale), -1, 0)
        fields[degraded].append(made.reshape(*versions.shape[:-2], *made.shape[-2:]).astype(versions.dtype))
        larger = resized(image, scale)
        fields["clean"].append((np.rint(larger) if image.dtype.kind == "i" else larger).astype(image.dtype))
    return Source(name, fields, f"{source.name} at {_listed(scales)} of its size")


def thick(name: str, source: Source) -> Source:
    """CT slices averaged with their neighbours, the middle of them enlarged, under the noise of a single slice.

    The truth then has a half of the noise of a slice or less, and is smoother than the noise that is to be taken away,
    as in heads at small pixels. The mean of `n` slices has 1 / n of the variance.
    """
    slices = source["clean"]
    clean = []
    for index, image in enumerate(slices):
        reach = AVERAGED[index % len(AVERAGED)] // 2
        mean = np.mean(slices[max(0, index - reach) : index + reach + 1], axis=0)
        larger = resized(mean, THICK_SCALES[index % len(THICK_SCALES)])
        top, left = ((n - edge) // 2 for n, edge in zip(larger.shape, image.shape, strict=True))
        clean.append(np.rint(larger[top : top + image.shape[0], left : left + image.shape[1]]).astype(image.dtype))
    note = f"{source.name}, the mean of {' or '.join(map(str, AVERAGED))} slices at {_listed(THICK_SCALES)} of its size"
    return Source(name, {"clean": clean, "noise": source["noise"]}, note)


def resized(image: npt.NDArray[Any], scale: float, multiple: int = 4) -> npt.NDArray[np.float64]:
    """Resize (H, W) or (H, W, C) by about `scale`, to a height and width that are multiples of a number."""
    height, width = (max(round(n * scale / multiple), 1) * multiple for n in image.shape[:2])
    return resize_bicubic(image.astype(np.float32), (height, width))


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
