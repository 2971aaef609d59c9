"""DICOM series against the truth: PSNR and SSIM in the window of the modality, errors in HU and in SUV."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.evaluation.scores import ImageScore
from datprl_toolkit.medical.grouping import group_series
from datprl_toolkit.medical.profiles import choose_profile, volume_suv_factor
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.survey import survey
from datprl_toolkit.metrics import psnr, ssim
from datprl_toolkit.metrics.fidelity import WINDOW
from datprl_toolkit.metrics.quantities import bias, rmse
from datprl_toolkit.restoring import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.evaluation.sets import ImageSet
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.medical.volume import Slice, Volume
    from datprl_toolkit.restoring import ProgressCallback, Restorer

SAME_PLACE = 0.05  # mm between slices that are compared
SAME_DIRECTION = 1e-3
SUV_BODY = 0.1
"""Pixels whose truth exceeds this SUV count as body."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A volume and the factor that brings its values to the unit in which errors are given."""

    volume: Volume
    factor: float

    def read(self, index: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return one slice in that unit, and where it is no padding."""
        image = self.volume.slices[index]
        stored = image.read_stored()
        return image.rescale.to_physical(stored) * self.factor, ~image.pixel_format.padding_mask(stored)


def score_volumes(
    images: ImageSet, restorer: Restorer | None, progress: ProgressCallback
) -> tuple[list[ImageScore], str, tuple[str, ...]]:
    """Score every slice of a series; with a restorer, the first folder is degraded and restored to a temporary one.

    Returns
    -------
    Scores in the order of the positions, the unit of the errors, and warnings.

    Raises
    ------
    DatprlError
        What reading raises; ``E_AMBIGUOUS`` if a folder holds several series, ``E_GEOMETRY`` if slices do not lie
        at the same places, ``E_QUANTITY`` if the units differ.
    """
    if restorer is None:
        return _score(images, images.restored, images.degraded, progress)
    from datprl_toolkit.medical.restore import restore_dicom

    with tempfile.TemporaryDirectory(prefix="datprl-evaluate-") as folder:
        restored = Path(folder) / "restored"
        restore_dicom(images.restored, restored, restorer, progress=progress)
        return _score(images, restored, images.restored, progress)


def _score(
    images: ImageSet, restored: Path, degraded: Path | None, progress: ProgressCallback
) -> tuple[list[ImageScore], str, tuple[str, ...]]:
    truth = _one_series(images.truth)
    found = [_one_series(restored), *([] if degraded is None else [_one_series(degraded)])]
    return score_series(truth, found, images.name, progress)


def score_series(
    truth: Series, found: Sequence[Series], name: str, progress: ProgressCallback
) -> tuple[list[ImageScore], str, tuple[str, ...]]:
    """Score every slice of a restored series, and of the degraded one if it is given after it.

    Returns and raises as :func:`score_volumes`.
    """
    for other in found:
        _check_same_places(other.volume, truth.volume)
    profile, _ = choose_profile(survey(truth.volume, progress=progress), truth.earliest)
    measured, unit, warnings = _in_one_unit([truth, *found])
    factor = measured[0].factor
    total = len(truth.volume.slices)
    scores = []
    for index in range(total):
        reference, inside = measured[0].read(index)
        figures = [
            _compare(other.read(index)[0], reference, inside, profile, factor, unit, truth.volume.modality)
            for other in measured[1:]
        ]
        scores.append(ImageScore(f"slice {index + 1:03d}", figures[0], figures[1] if len(figures) > 1 else {}))
        progress(Progress(f"scoring {name}", index + 1, total, "slices"))
    return scores, unit, warnings


def _compare(
    values: npt.NDArray[np.float64],
    truth: npt.NDArray[np.float64],
    inside: npt.NDArray[np.bool_],
    profile: IntensityProfile,
    factor: float,
    unit: str,
    modality: str,
) -> dict[str, float]:
    """Return the figures of one slice; `values` and `truth` are in the unit of the errors."""
    first, second = (profile.to_unit(array / factor) for array in (values, truth))
    figures = {"psnr": psnr(first, second), "ssim": ssim(first, second)}
    if modality == "CT":
        window = inside & (truth >= profile.low) & (truth <= profile.high)
        figures |= {
            "rmse": rmse(values, truth, inside),
            "rmse_window": rmse(values, truth, window),
            "bias": bias(values, truth, inside),
        }
    elif modality == "PT":
        body = inside & (truth > (SUV_BODY if unit == "SUV" else 0.0))
        mean = float(truth[body].mean()) if body.any() else float("nan")
        shift = bias(values, truth, body)
        figures |= {
            "rmse": rmse(values, truth, body),
            "bias": shift,
            "bias_percent": 100.0 * shift / mean,
            "maximum_change": float(values[body].max() - truth[body].max()) if body.any() else float("nan"),
        }
    return figures


def _one_series(path: Path) -> Series:
    """Return the only series under a path."""
    found = scan(path)
    if found.problems:
        raise found.problems[0].error
    series = group_series(found.instances)
    if not series:
        raise InputError(ErrorCode.EMPTY, "no CT, MR or PET image was found", where=path)
    if len(series) > 1:
        listed = "; ".join(each.label for each in series[:5])
        raise InputError(
            ErrorCode.AMBIGUOUS,
            f"{len(series)} series were found: {listed}",
            where=path,
            remedy="Give a folder with one series for each side of the comparison",
        )
    if series[0].error is not None:
        raise series[0].error
    return series[0]


def _check_same_places(volume: Volume, truth: Volume) -> None:
    """Raise unless two volumes have the same slices, in number, size and place."""
    what = ""
    if volume.modality != truth.modality:
        what = f"a {volume.modality} series is compared with a {truth.modality} series"
    elif volume.shape != truth.shape:
        what = f"one series has {_size(volume)} and its truth {_size(truth)}"
    elif min(truth.shape[1:]) < WINDOW:
        what = f"SSIM needs slices of {WINDOW}x{WINDOW} pixels or more"
    else:
        far = [
            index
            for index, (one, other) in enumerate(zip(volume.slices, truth.slices, strict=True), start=1)
            if not _same_place(one, other)
        ]
        if far:
            what = f"slice {far[0]} does not lie where that of the truth lies, and {len(far) - 1} more"
    if what:
        raise InputError(
            ErrorCode.GEOMETRY,
            what,
            where=volume.slices[0].path.parent.name,
            remedy="Compare series with the same slices, such as a restored series and its source's full dose",
        )


def _same_place(one: Slice, other: Slice) -> bool:
    first, second = one.geometry, other.geometry
    return bool(
        np.abs(np.subtract(first.position, second.position)).max() < SAME_PLACE
        and np.abs(np.subtract(first.orientation, second.orientation)).max() < SAME_DIRECTION
        and np.allclose(first.spacing, second.spacing, rtol=1e-3)
    )


def _size(volume: Volume) -> str:
    slices, rows, columns = volume.shape
    return f"{slices} slices of {columns}x{rows}"


def _in_one_unit(series: Sequence[Series]) -> tuple[list[Measured], str, tuple[str, ...]]:
    """Return the volumes with their factors to one unit: SUV for PET where every one has what it takes."""
    volumes = [each.volume for each in series]
    units = {volume.unit for volume in volumes}
    warnings: tuple[str, ...] = ()
    if volumes[0].modality == "PT":
        try:
            factors = [volume_suv_factor(each.volume, each.earliest) for each in series]
            return [Measured(*pair) for pair in zip(volumes, factors, strict=True)], "SUV", ()
        except DatprlError as error:
            warnings = (f"W_NO_SUV: {error.what}; errors are given in {volumes[0].unit}",)
    if len(units) > 1:
        raise InputError(ErrorCode.QUANTITY, f"the series have different units: {', '.join(sorted(units))}")
    return [Measured(volume, 1.0) for volume in volumes], volumes[0].unit, warnings
