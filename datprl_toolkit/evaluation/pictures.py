"""Pictures against the truth: PSNR and SSIM on the rounded 8-bit RGB image, as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.evaluation.scores import ImageScore
from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.metrics import psnr, ssim
from datprl_toolkit.metrics.fidelity import WINDOW
from datprl_toolkit.pairing import pair_folders
from datprl_toolkit.restoring import Progress
from datprl_toolkit.restoring.resize import enlarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.evaluation.perceptual import Perceptual
    from datprl_toolkit.evaluation.sets import ImageSet
    from datprl_toolkit.restoring import ProgressCallback, Restorer

METRICS = ("psnr", "ssim")


def score_pictures(
    images: ImageSet,
    restorer: Restorer | None,
    scale: int,
    progress: ProgressCallback,
    perceptual: Perceptual | None = None,
) -> list[ImageScore]:
    """Score every pair of a set; with a restorer, the first folder is degraded and restored here, in memory.

    `perceptual` adds its figures to those of every image, and keeps the images for those of the set.

    Raises
    ------
    DatprlError
        ``E_MISSING`` and the like for names without partner, ``E_GEOMETRY`` for images of different sizes,
        ``E_UNSUPPORTED`` for images smaller than the window of SSIM.
    """
    triples = list(_triples(images))
    scores = []
    for number, (name, first, second, degraded) in enumerate(triples, start=1):
        truth = as_rgb_bytes(read_picture(second).pixels)
        if restorer is None:
            restored = as_rgb_bytes(read_picture(first).pixels)
            before = None if degraded is None else as_rgb_bytes(read_picture(degraded).pixels)
        else:
            given = read_picture(first).pixels
            restored = as_rgb_bytes(restorer.restore(given, scale=scale))
            before = as_rgb_bytes(_enlarged(given, scale))
        after_figures = compare(restored, truth, first)
        before_figures = {} if before is None else compare(before, truth, degraded or first)
        if perceptual is not None:
            perceptual.keep(truth, "truth")
            after_figures |= perceptual.of_image(restored, "restored")
            if before is not None:
                before_figures |= perceptual.of_image(before, "degraded")
        scores.append(ImageScore(name, after_figures, before_figures))
        progress(Progress(f"scoring {images.name}", number, len(triples), "images"))
    return scores


def compare(image: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], where: Path) -> dict[str, float]:
    """Return PSNR in dB and SSIM of an image, (H, W, 3)."""
    if image.shape != truth.shape:
        (height, width), (rows, columns) = image.shape[:2], truth.shape[:2]
        raise InputError(
            ErrorCode.GEOMETRY,
            f"the image has {width}x{height} pixels and its truth {columns}x{rows}",
            where=where,
            remedy="Compare images of one size; inputs of super-resolution are enlarged first",
        )
    if min(truth.shape[:2]) < WINDOW:
        raise InputError(ErrorCode.UNSUPPORTED, f"SSIM needs images of {WINDOW}x{WINDOW} pixels or more", where=where)
    return {"psnr": psnr(image, truth), "ssim": ssim(image, truth)}


def as_rgb_bytes(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Return 8-bit RGB: 16 bits are divided by 257 and rounded, a grey channel is replicated.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3), uint8 or uint16.
    """
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels.astype(np.float64) / 257.0).astype(np.uint8)
    bytes_: npt.NDArray[np.uint8] = pixels.astype(np.uint8)
    return np.repeat(bytes_[..., None], 3, axis=2) if bytes_.ndim == 2 else bytes_


def _triples(images: ImageSet) -> Iterator[tuple[str, Path, Path, Path | None]]:
    """Yield name, first file, truth and degraded file, all paired before any is read."""
    pairs = pair_folders(images.restored, images.truth, match=images.match)
    if images.degraded is None:
        yield from ((pair.name, pair.first, pair.second, None) for pair in pairs)
        return
    degraded = pair_folders(images.degraded, images.truth, match=images.match)
    yield from ((pair.name, pair.first, pair.second, other.first) for pair, other in zip(pairs, degraded, strict=True))


def _enlarged(pixels: npt.NDArray[np.generic], scale: int) -> npt.NDArray[np.generic]:
    """Return what the network was given: the image, interpolated where it is enlarged."""
    if scale == 1:
        return pixels
    high = np.iinfo(np.uint16).max if pixels.dtype == np.uint16 else np.iinfo(np.uint8).max
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    larger = np.rint(np.clip(enlarge(planes.astype(np.float32), scale), 0, high)).astype(pixels.dtype)
    return larger[0] if pixels.ndim == 2 else np.moveaxis(larger, 0, -1)
