"""Evaluate sets of images, whatever they are."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.evaluation.perceptual import Perceptual
from datprl_toolkit.evaluation.scores import IDENTICAL_PSNR, RESAMPLES, SetScore, score_set
from datprl_toolkit.evaluation.sets import ImageSet, check_sets
from datprl_toolkit.pairing import PICTURE_SUFFIXES, files_with_suffix
from datprl_toolkit.restoring import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datprl_toolkit.restoring import ProgressCallback, Restorer

__all__ = ["Evaluation", "ImageSet", "evaluate"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found.

    Parameters
    ----------
    sets
        Figures of each set, in the order in which they were given.
    warnings
        Lines that begin with a stable code.
    settings
        What the figures depend on beside the images: seed, resamples, weights and their checksum.
    """

    sets: tuple[SetScore, ...]
    warnings: tuple[str, ...]
    settings: dict[str, object]


def evaluate(
    sets: Sequence[ImageSet],
    *,
    restorer: Restorer | None = None,
    scale: int = 1,
    seed: int = 42,
    resamples: int = RESAMPLES,
    also: Sequence[str] = (),
    device: str = "cpu",
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Compare sets of images with their truth.

    Pictures are compared as published: PSNR and SSIM on the rounded 8-bit RGB image without a border crop. DICOM
    series are compared slice by slice in the window of their modality (CT -160 to 240 HU, PET SUV 0 to 20, MR the
    minimum to the 99.9th percentile of the truth), with errors in HU or SUV beside them.

    Parameters
    ----------
    sets
        What is compared with what.
    restorer
        Restores the first folder of each set before it is compared, and the images as they were are scored too.
    scale
        Factor by which the restorer enlarges pictures.
    seed, resamples
        Of the bootstrap.
    also
        Further figures of photographs, of :data:`~datprl_toolkit.evaluation.perceptual.PERCEPTUAL`.
    device
        Where the models of these figures run.
    progress
        Told after each image.

    Raises
    ------
    DatprlError
        With a stable code for whatever cannot be compared; nothing is scored in part.
    """
    if not sets:
        raise OptionError(ErrorCode.OPTION, "there is no set to evaluate")
    if resamples < 100:
        raise OptionError(ErrorCode.OPTION, f"a bootstrap needs 100 resamples or more, not {resamples}")
    if scale != 1 and restorer is None:
        raise OptionError(ErrorCode.OPTION, "only with weights is anything enlarged", where="scale")
    check_sets(list(sets), restoring=restorer is not None)
    scores, warnings = [], []
    with ExitStack() as stack:
        perceptual = stack.enter_context(Perceptual(also, device)) if also else None
        for each in sets:
            score, notes = _evaluate_set(each, restorer, scale, seed, resamples, perceptual, progress)
            scores.append(score)
            warnings += [f"{line} [{each.name}]" for line in (*notes, *_identical(score))]
    settings: dict[str, object] = {"seed": seed, "resamples": resamples}
    if perceptual is not None:
        settings["pyiqa"] = perceptual.version
    if restorer is not None:
        settings |= {"weights": restorer.card.name, "weights_sha256": restorer.card.sha256, "scale": scale}
    return Evaluation(tuple(scores), tuple(warnings), settings)


def _evaluate_set(
    images: ImageSet,
    restorer: Restorer | None,
    scale: int,
    seed: int,
    resamples: int,
    perceptual: Perceptual | None,
    progress: ProgressCallback,
) -> tuple[SetScore, tuple[str, ...]]:
    if not _holds_pictures(images.truth):
        from datprl_toolkit.medical import is_dicom

        if is_dicom(images.truth):
            from datprl_toolkit.evaluation.volumes import score_volumes

            if scale != 1 or images.match is not None:
                raise OptionError(ErrorCode.OPTION, "scale and match have no meaning for DICOM", where=images.name)
            if perceptual is not None:
                raise OptionError(
                    ErrorCode.OPTION,
                    "perceptual figures are learnt from photographs and say nothing of DICOM",
                    where=images.name,
                    remedy="Leave out --also",
                )
            scores, unit, notes = score_volumes(images, restorer, progress)
            return score_set(images.name, unit, scores, seed=seed, resamples=resamples), notes
    from datprl_toolkit.evaluation.pictures import score_pictures

    scores = score_pictures(images, restorer, scale, progress, perceptual)
    score = score_set(images.name, "", scores, seed=seed, resamples=resamples)
    return score if perceptual is None else replace(score, summary={**score.summary, **perceptual.of_set()}), ()


def _holds_pictures(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in PICTURE_SUFFIXES
    return bool(files_with_suffix(path))


def _identical(score: SetScore) -> tuple[str, ...]:
    equal = sum(np.isposinf(image.restored["psnr"]) for image in score.images)
    if not equal:
        return ()
    return (
        f"W_IDENTICAL: {equal} of {len(score.images)} images equal the truth; each counts as {IDENTICAL_PSNR:g} dB",
    )
