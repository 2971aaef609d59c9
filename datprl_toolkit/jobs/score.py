"""Score what was read against the truth, whatever it is: a table of figures with their units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.metrics import ssim
from datprl_toolkit.metrics.fidelity import PEAK, WINDOW
from datprl_toolkit.metrics.quantities import bias, rmse
from datprl_toolkit.metrics.report import Report
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.images.picture import Picture
    from datprl_toolkit.medical.volume import Volume
    from datprl_toolkit.remote_sensing.scene import Scene

BLOCK = 512
NAMES = {
    "psnr": "PSNR [dB]",
    "ssim": "SSIM",
    "rmse": "RMSE [{unit}]",
    "rmse_window": "RMSE in the window [{unit}]",
    "bias": "bias [{unit}]",
    "bias_percent": "bias [%]",
    "maximum_change": "change of the maximum [{unit}]",
}


def score_volume(volume: Volume, reference: Volume, *, label: str = "", progress: ProgressCallback = silent) -> Report:
    """Score every slice of a volume against the same slices of another.

    PSNR and SSIM are those of the intensity window of the modality; errors are in HU, SUV or the scanner's units.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the slices do not lie at the same places, ``E_QUANTITY`` if the units differ.
    """
    from datprl_toolkit.evaluation.volumes import score_series
    from datprl_toolkit.medical.opening import series_of

    found = [series_of(volume)]
    scores, unit, warnings = score_series(series_of(reference), found, reference.modality, progress)
    rows = [(score.name, score.restored) for score in scores]
    title = f"{reference.modality}, {len(rows)} slices"
    return _report(title, rows, "arbitrary units" if unit == "1" else unit, label, warnings)


def score_picture(picture: Picture, reference: Picture, *, label: str = "") -> Report:
    """Score a picture against another of its size: PSNR and SSIM on 8 bit.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` for different sizes, ``E_UNSUPPORTED`` below 11x11 pixels.
    """
    from pathlib import Path

    from datprl_toolkit.evaluation.pictures import as_rgb_bytes, compare

    figures = compare(as_rgb_bytes(picture.pixels), as_rgb_bytes(reference.pixels), Path("picture"))
    return _report("picture", [("picture", figures)], "", label, ())


def score_scene(
    scene: Scene,
    reference: Scene,
    *,
    scaling: str | None = None,
    label: str = "",
    progress: ProgressCallback = silent,
) -> Report:
    """Score every band of a scene against another on the same grid, block by block.

    Pixels that are no data in either scene do not count; SSIM is the mean over blocks of 512 pixels without missing
    data. PSNR and SSIM are on 8 bit of the reference's window.

    Parameters
    ----------
    scaling
        Stored values of the reference that are [0, 1], as for restoring.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if size, place or number of bands differ.
    """
    from datprl_toolkit.remote_sensing.sampling import sample_scene
    from datprl_toolkit.remote_sensing.scaling import scene_profile
    from datprl_toolkit.remote_sensing.windows import split, whole

    _check_same_grid(scene, reference)
    numbers = [band.number for band in reference.image_bands]
    sums = [_BandSums() for _ in numbers]
    with scene.reader() as reader, reference.reader() as reference_reader:
        sample = sample_scene(reference_reader, numbers, reference.grid.shape)
        profile = scene_profile(scaling, reference.dtype, sample.values)
        blocks = list(split(whole(reference.grid.shape), BLOCK))
        for done, block in enumerate(blocks, start=1):
            given, truth = reader.read(numbers, block), reference_reader.read(numbers, block)
            both = given.valid & truth.valid
            for band, total in enumerate(sums):
                pair = [p.values[band].astype(np.float64) for p in (given, truth)]
                total.add(pair, [np.rint(PEAK * profile.to_unit(each)) for each in pair], both[band])
            progress(Progress("scoring", done, len(blocks), "blocks"))
    rows = [
        (reference.band(number).description or f"band {number}", total.figures())
        for number, total in zip(numbers, sums, strict=True)
    ]
    title = f"scene of {reference.grid.width} x {reference.grid.height} pixels"
    note = f"PSNR and SSIM of stored values {profile.low:g} to {profile.high:g}"
    return _report(title, rows, "stored value", label, (note,))


class _BandSums:
    """Sums over the blocks of one band, from which its figures follow."""

    def __init__(self) -> None:
        self._count = 0
        self._square_8bit = self._square = self._shift = 0.0
        self._ssim: list[tuple[float, int]] = []

    def add(
        self,
        values: Sequence[npt.NDArray[np.float64]],
        bytes_: Sequence[npt.NDArray[np.floating]],
        inside: npt.NDArray[np.bool_],
    ) -> None:
        """Add a block: stored values and 8-bit values of image and truth, and where both are data."""
        count = int(inside.sum())
        if not count:
            return
        self._count += count
        first, second = (each.astype(np.float64) for each in bytes_)
        self._square_8bit += count * rmse(first, second, inside) ** 2
        self._square += count * rmse(values[0], values[1], inside) ** 2
        self._shift += count * bias(values[0], values[1], inside)
        if inside.all() and min(inside.shape) >= WINDOW:
            self._ssim.append((ssim(bytes_[0].astype(np.uint8), bytes_[1].astype(np.uint8)), count))

    def figures(self) -> dict[str, float]:
        """Return the figures of the band; NaN where nothing could be compared."""
        count = self._count or math.nan
        error = self._square_8bit / count
        weights = sum(weight for _, weight in self._ssim)
        return {
            "psnr": math.inf if error == 0 else 10.0 * math.log10(PEAK**2 / error),
            "ssim": sum(value * weight for value, weight in self._ssim) / weights if weights else math.nan,
            "rmse": math.sqrt(self._square / count),
            "bias": self._shift / count,
        }


def _check_same_grid(scene: Scene, reference: Scene) -> None:
    what = ""
    if scene.grid.shape != reference.grid.shape:
        sizes = " and ".join(f"{each.grid.width} x {each.grid.height}" for each in (scene, reference))
        what = f"the scenes have {sizes} pixels"
    elif len(scene.image_bands) != len(reference.image_bands):
        what = f"the scenes have {len(scene.image_bands)} and {len(reference.image_bands)} bands"
    elif scene.grid.crs != reference.grid.crs or not _same_place(scene, reference):
        what = "the scenes do not lie on the same ground"
    if what:
        raise InputError(ErrorCode.GEOMETRY, what, remedy="Compare scenes on one grid, such as before and after")


def _same_place(scene: Scene, reference: Scene) -> bool:
    first, second = scene.grid.transform, reference.grid.transform
    if first is None or second is None:
        return first is None and second is None
    return bool(first.almost_equals(second, precision=1e-6 * abs(second.a)))


def _report(title: str, rows: Sequence[tuple[str, object]], unit: str, label: str, notes: Sequence[str]) -> Report:
    """Return rows of figures by their short names as a report with units."""
    figures: list[tuple[str, dict[str, float]]] = [(name, dict(row)) for name, row in rows]  # type: ignore[call-overload]
    names = list(figures[0][1])
    prefix = f"{label}: " if label else ""
    return Report(
        title=title,
        columns=tuple(NAMES[name].format(unit=unit) for name in names),
        rows=tuple((f"{prefix}{row_label}", tuple(row[name] for name in names)) for row_label, row in figures),
        notes=tuple(notes),
    )
