"""What a NIfTI file is and how it would be restored, once it is said what its values are."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.medical.geometry import describe_stack, distances
from datprl_toolkit.medical.inspection_facts import describe_plane, profile_fact
from datprl_toolkit.medical.nifti_reading import NiftiVolume, Quantity, read_nifti
from datprl_toolkit.medical.nifti_restore import choose_nifti_profile, count_values, describe_nifti
from datprl_toolkit.medical.nifti_writing import StoredType, choose_type
from datprl_toolkit.medical.survey import ValueCount
from datprl_toolkit.restoring.inspection import Fact, Finding, Inspected, Inspection
from datprl_toolkit.restoring.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path


def inspect_nifti(source: Path, *, quick: bool = False, progress: ProgressCallback = silent) -> Inspection:
    """Describe a NIfTI file; its free texts (descrip, aux_file, extensions) are not told, since they may name anyone.

    Parameters
    ----------
    source
        ``.nii`` or ``.nii.gz``.
    quick
        Do not read the values.
    progress
        Told after each slice.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.nifti_reading.read_nifti`.
    """
    volume = read_nifti(source)
    values, extent = (None, None) if quick else count_values(volume, progress)
    slices, rows, columns = volume.shape
    times = f", {volume.times} volumes" if volume.times > 1 else ""
    needed = Finding(
        "W_QUANTITY", "NIfTI does not say what its values are: restore with --quantity hu, suv, bqml or mr"
    )
    lines = (*describe_stack(volume.geometries()), *describe_nifti(volume))
    item = Inspected(
        number=1,
        kind="nifti",
        title=f"NIfTI, {slices // volume.times} slices of {columns} x {rows}{times}",
        restorable=True,
        facts=_facts(volume, extent),
        treatment=_treatment(volume, values),
        problems=(needed, *map(Finding.of_line, lines)),
    )
    return Inspection(source, (item,))


def _facts(volume: NiftiVolume, extent: tuple[float, float] | None) -> tuple[Fact, ...]:
    slices, rows, columns = volume.shape
    times = f", {volume.times} times" if volume.times > 1 else ""
    geometries = volume.geometries()
    height, width = geometries[0].spacing
    step = float(np.linalg.norm(volume.affine_lps[:3, 2]))
    header = volume.header
    codes = int(header["qform_code"]), int(header["sform_code"])
    scaling = f"slope {volume.slope:g}, intercept {volume.intercept:g}"
    facts = [
        Fact(
            "size",
            "size",
            f"{slices // volume.times} slices of {columns} columns x {rows} rows{times}",
            {"slices": slices // volume.times, "rows": rows, "columns": columns, "times": volume.times},
        ),
        Fact("pixel_spacing_mm", "pixel", f"{width:g} x {height:g} mm", {"columns": width, "rows": height}),
        Fact("slice_spacing_mm", "slice to slice", f"{step:.4g} mm", step),
        Fact("orientation", "orientation", *[describe_plane(geometries[0].normal)] * 2),
        Fact("affine_ras", "", "", [[float(item) for item in row] for row in volume.affine]),
        Fact("forms", "forms", f"qform code {codes[0]}, sform code {codes[1]}", {"qform": codes[0], "sform": codes[1]}),
        Fact("stored", "stored as", f"{volume.stored.dtype.name}, {scaling}", str(volume.stored.dtype.name)),
        Fact("scaling", "", "", {"slope": volume.slope, "intercept": volume.intercept}),
        Fact("unit", "unit", "not said by NIfTI", None),
    ]
    if extent is not None and np.isfinite(extent).all():
        facts.append(
            Fact(
                "values", "values", f"{extent[0]:.6g} to {extent[1]:.6g}", {"smallest": extent[0], "largest": extent[1]}
            )
        )
    if len(geometries) > 1:
        along = distances(geometries)
        facts.append(Fact("extent_mm", "extent", f"{along[-1] - along[0]:.4g} mm", float(along[-1] - along[0])))
    return tuple(facts)


def _treatment(volume: NiftiVolume, values: ValueCount | None) -> tuple[Fact, ...]:
    """Return what each quantity would mean."""
    facts = []
    for quantity in get_args(Quantity):
        try:
            profile, _ = choose_nifti_profile(quantity, values or ValueCount(), volume.path)
        except DatprlError:
            continue  # values that were not read, or are all equal, give no window
        _, words = choose_type(StoredType(volume.stored.dtype, volume.slope, volume.intercept), profile)
        fact = profile_fact(profile)
        facts.append(Fact(f"profile_{quantity}", f"as {quantity}", f"{fact.text}; {words}", fact.value))
    return tuple(facts)
