"""A restored NIfTI volume beside what it was made from, a NIfTI volume or a DICOM series, slice by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.certificate import PixelChecks
from datprl_toolkit.medical.grouping import Series, group_series
from datprl_toolkit.medical.made_by import MadeBy, parse_made_by
from datprl_toolkit.medical.matching import SAME_PLACE, SeriesPair
from datprl_toolkit.medical.nifti_reading import NiftiVolume, read_nifti
from datprl_toolkit.medical.nifti_writing import COMMENT
from datprl_toolkit.medical.pixels import PixelFormat
from datprl_toolkit.medical.quantity import Rescale
from datprl_toolkit.medical.reading import scan
from datprl_toolkit.medical.volume import Slice, Volume
from datprl_toolkit.restoring.checks import Check

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.medical.geometry import SliceGeometry
    from datprl_toolkit.medical.pixels import StoredArray

MODALITIES = {"HU": "CT", "SUV": "PT", "Bq/ml": "PT"}
"""Modality by unit; what has no unit is treated as MR is."""

KEPT_FIELDS = (
    "dim", "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y",
    "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units", "intent_code", "intent_name", "descrip", "toffset",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NiftiFormat(PixelFormat):
    """How voxels of a NIfTI file are stored; what is not finite is no image."""

    def padding_mask(self, stored: StoredArray) -> npt.NDArray[np.bool_]:
        """Return where `stored` holds no number."""
        return ~np.isfinite(stored)


@dataclass(frozen=True, slots=True)
class NiftiSlice(Slice):
    """One slice of a NIfTI volume, read as slices of a series are.

    Parameters
    ----------
    source, index
        The file, and the place of the slice in it.
    """

    source: NiftiVolume
    index: int

    @property
    def step(self) -> float:
        """Distance between neighbouring physical values; 0 where values are not rounded."""
        return 0.0 if self.source.stored.dtype.kind == "f" else abs(self.rescale.slope)

    def read_stored(self) -> StoredArray:
        """Return the stored values, (rows, columns); they may be floating-point numbers."""
        return cast("StoredArray", self.source.read_stored(self.index))


@dataclass(frozen=True, slots=True)
class NiftiPair(SeriesPair):
    """A volume before and after; nothing in a NIfTI file names its source, so that places alone pair the slices.

    Parameters
    ----------
    source, result
        The files; `source` is None where the source is a DICOM series.
    """

    source: NiftiVolume | None
    result: NiftiVolume


def match_nifti(before: Path, after: Path, *, before_is_dicom: bool) -> NiftiPair:
    """Pair a NIfTI volume with the NIfTI volume or the DICOM series it was made from.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if they have another size, place or unit; ``E_UNSUPPORTED`` for several volumes in one file;
        else as :func:`read_nifti` and :func:`datprl_toolkit.medical.reading.scan`.
    """
    result = read_nifti(after)
    made_by = nifti_made_by(result)
    unit = "1" if made_by is None else made_by.unit
    if before_is_dicom:
        original, source = _series_at(before, result, unit), None
        unit = original.volume.unit if made_by is None else unit
    else:
        source = read_nifti(before)
        earlier = nifti_made_by(source)
        original = _as_series(source, unit if earlier is None else earlier.unit)
    if result.times > 1 or (source is not None and source.times > 1):
        raise InputError(
            ErrorCode.UNSUPPORTED, "a report compares one volume, and the file holds several", where=after,
            remedy="Take one of them out of both files",
        )  # fmt: skip
    made = _as_series(result, unit)
    problem = _difference(original.volume, made.volume)
    if problem is not None:
        raise _mismatch(problem, after)
    return NiftiPair(
        before=original.volume,
        after=made.volume,
        before_series=original,
        after_series=made,
        linked=0,
        made_by=made_by,
        source=source,
        result=result,
    )


def nifti_made_by(volume: NiftiVolume) -> MadeBy | None:
    """Return how a volume says that it was restored, in the last of its comments that says so."""
    comments = [each.get_content() for each in volume.header.extensions if each.get_code() == COMMENT]
    texts = [each.decode(errors="replace") if isinstance(each, bytes) else str(each) for each in comments]
    found = [made_by for text in texts if (made_by := parse_made_by(text)) is not None]
    return found[-1] if found else None


def _as_series(volume: NiftiVolume, unit: str) -> Series:
    """Return a NIfTI volume as if it were a series."""
    stored = volume.stored.dtype
    pixel_format = NiftiFormat(
        rows=volume.shape[1],
        columns=volume.shape[2],
        bits_allocated=8 * stored.itemsize,
        bits_stored=8 * stored.itemsize,
        signed=stored.kind != "u",
        inverted=False,
        padding=None,
    )
    rescale = Rescale(volume.slope, volume.intercept)
    places: list[SliceGeometry] = volume.geometries() * volume.times
    slices = tuple(
        NiftiSlice(volume.path, None, "", "", place, pixel_format, rescale, volume, index)
        for index, place in enumerate(places)
    )
    return Series(1, Volume(MODALITIES.get(unit, "MR"), unit, slices, "", None, ""), (), None, None)


def _series_at(before: Path, result: NiftiVolume, unit: str) -> Series:
    """Return the series of a folder that lies where a volume lies."""
    made = _as_series(result, unit).volume
    problems = []
    for series in group_series(scan(before).instances):
        problem = _difference(series.volume, made)
        if problem is None:
            return series
        problems.append(problem)
    raise _mismatch(problems[0] if problems else "there is no series before", result.path)


def _difference(before: Volume, after: Volume) -> str | None:
    """Say in what two volumes differ that cannot be compared."""
    if before.shape != after.shape:
        sizes = [" x ".join(map(str, reversed(volume.shape))) for volume in (before, after)]
        return f"{sizes[0]} voxels before, {sizes[1]} after"
    if before.unit != after.unit and "1" not in (before.unit, after.unit):
        return f"values in {before.unit} before, in {after.unit} after"
    places = [np.array([image.geometry.position for image in volume.slices]) for volume in (before, after)]
    away = float(np.linalg.norm(places[1] - places[0], axis=1).max())
    if away > SAME_PLACE:
        return f"slices lie up to {away:.3g} mm apart"
    return None


def _mismatch(what: str, where: Path) -> InputError:
    return InputError(
        ErrorCode.MISMATCH,
        f"the volumes do not belong together: {what}",
        where=where,
        remedy="Give the original and what was made from it",
    )


class NiftiPixelChecks(PixelChecks):
    """What must not change in a NIfTI volume: there is no slope for each slice, so that every bit is compared."""

    def __init__(self, pair: NiftiPair, window: tuple[float, float] | None) -> None:
        super().__init__(pair, window, exact=True)
        self._result = pair.result
        self._source = pair.source

    def _changed(
        self,
        before: StoredArray,
        after: StoredArray,
        physical: npt.NDArray[np.float64],
        restored: npt.NDArray[np.float64],
        result: Slice,
    ) -> npt.NDArray[np.bool_]:
        missing = ~np.isfinite(physical) & ~np.isfinite(restored)
        if before.dtype == after.dtype and self._source is not None:
            return np.not_equal(before, after) & ~missing
        # Stored in another type: what it cannot help rounding is half a step, or half a unit in the last place.
        last_place = np.spacing(np.abs(physical).astype(np.float32)) if after.dtype.kind == "f" else 0.0
        return np.greater(np.abs(restored - physical), np.maximum(0.501 * result.step, last_place)) & ~missing

    def _check_rescale(self) -> Check:
        stored = self._result.stored.dtype.name
        scaling = f"slope {self._result.slope:g}, intercept {self._result.intercept:g}"
        if self._source is None:
            return Check("Stored type", None, f"{stored}, {scaling}; made from DICOM")
        kept = f"{self._source.stored.dtype.name} before, {stored} after; {scaling}"
        same = self._source.stored.dtype == self._result.stored.dtype
        rescaled = (self._source.slope, self._source.intercept) == (self._result.slope, self._result.intercept)
        # Another type is chosen where the file's own would cut values off, which the restoring says.
        return Check("Stored type", rescaled if same else None, kept)


def check_nifti_header(pair: NiftiPair) -> list[Check]:
    """Check that the header of the source was kept: qform and sform with their codes, spacing, units, intent."""
    if pair.source is None:
        return []
    before, after = pair.source.header, pair.result.header
    changed = [name for name in KEPT_FIELDS if not np.array_equal(before[name], after[name])]
    extensions = len(before.extensions)
    same = all(
        one.get_code() == two.get_code() and one.get_content() == two.get_content()
        for one, two in zip(before.extensions, after.extensions, strict=False)
    )
    return [
        Check(
            "Header fields",
            not changed,
            f"{len(KEPT_FIELDS) - len(changed)} of {len(KEPT_FIELDS)} as in the source"
            + (f"; not {', '.join(changed)}" if changed else ""),
        ),
        Check("Header extensions", same and len(after.extensions) >= extensions, f"{extensions} before, all kept"
              if same else f"{extensions} before, not all kept"),
    ]  # fmt: skip
