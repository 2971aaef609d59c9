"""The report of a NIfTI volume: measured and checked as a series is, by what NIfTI holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from datprl_toolkit.jobs.report_series import MOST_SHOWN, SeriesComparison, series_facts
from datprl_toolkit.medical.geometry import distances
from datprl_toolkit.medical.nifti_matching import NiftiPair, NiftiPixelChecks, check_nifti_header, match_nifti
from datprl_toolkit.medical.profiles import (
    CT_PROFILES,
    mr_profile,
    pet_percentile_profile,
    pet_profile,
)

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.certificate import PixelChecks
    from datprl_toolkit.medical.profiles import CtWindow
    from datprl_toolkit.medical.survey import Survey
    from datprl_toolkit.reports.report import Part
    from datprl_toolkit.restoring import ProgressCallback, Restorer
    from datprl_toolkit.restoring.checks import Check


def nifti_part(
    before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback, *, before_is_dicom: bool
) -> tuple[tuple[tuple[str, str], ...], Part]:
    """Compare a restored NIfTI volume with the NIfTI volume or the DICOM series it was made from.

    Returns
    -------
    How the result says that it was made, and the measures.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.nifti_matching.match_nifti`, and what reading a slice raises.
    """
    pair = match_nifti(before, after, before_is_dicom=before_is_dicom)
    return series_facts([pair]), _NiftiComparison(pair, restorer, progress, MOST_SHOWN, 1).part()


class _NiftiComparison(SeriesComparison):
    """One NIfTI volume before and after."""

    __slots__ = ()

    @property
    def _files(self) -> NiftiPair:
        return cast("NiftiPair", self.pair)

    def _title(self) -> str:
        slices, rows, columns = self.pair.before.shape
        return f"NIfTI, {slices} slices of {columns} x {rows}"

    def _facts(self) -> tuple[tuple[str, str], ...]:
        slices, rows, columns = self.pair.before.shape
        height, width = self.pair.before.slices[0].geometry.spacing
        along = distances([image.geometry for image in self.pair.before.slices])
        between = f" x {np.median(np.diff(along)):.4g}" if len(along) > 1 else ""
        unit = self.pair.after.unit
        source = self._files.source
        return (
            ("Size", f"{slices} slices of {columns} x {rows} pixels"),
            ("Spacing", f"{width:.4g} x {height:.4g}{between} mm"),
            ("Made from", "a DICOM series" if source is None else f"NIfTI of {source.stored.dtype.name}"),
            ("Stored as", self._files.result.stored.dtype.name),
            ("Unit", "arbitrary units, or not said" if unit == "1" else unit),
        )

    def _suv(self) -> tuple[float | None, list[Check]]:
        # What is in SUV has the factor 1; a file in Bq/ml says neither dose nor weight.
        return (1.0, []) if self.pair.after.unit == "SUV" else (None, [])

    def _pixel_checks(self) -> PixelChecks:
        return NiftiPixelChecks(self._files, self._written_window())

    def _header_checks(self) -> list[Check]:
        return check_nifti_header(self._files)

    def _profile(self, found: Survey, ct_window: CtWindow) -> IntensityProfile:
        if self._files.source is None:
            return SeriesComparison._profile(self, found, ct_window)
        unit, path = self.pair.after.unit, self._files.source.path
        if unit == "HU":
            return CT_PROFILES[ct_window]
        if unit == "SUV":
            return pet_profile(1.0, unit)
        make = pet_percentile_profile if unit == "Bq/ml" else mr_profile
        return make(found.values, unit, path)
