"""What a volume is and how it would be restored, as facts for a person and for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.medical.affine import stack_affine
from datprl_toolkit.medical.geometry import distances
from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE
from datprl_toolkit.medical.provenance import MODALITY_TASKS
from datprl_toolkit.restoring.inspection import Fact
from datprl_toolkit.restoring.stack import context_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.header_notes import SeriesNotes
    from datprl_toolkit.medical.volume import Volume

PLANES = ("sagittal", "coronal", "axial")  # by the axis of the patient along which the normal lies
SQUARE = 0.999999  # cosine above which a plane counts as exactly axial, coronal or sagittal


def volume_facts(volume: Volume, notes: SeriesNotes) -> list[Fact]:
    """Return what a DICOM volume is."""
    files = len({image.path for image in volume.slices})
    kind = "enhanced multi-frame" if volume.enhanced else "classic"
    lossy = any(note.lossy for note in notes.slices)
    syntaxes = sorted({str(note.syntax.name) for note in notes.slices})
    return [
        Fact("modality", "modality", f"{volume.modality}, {kind}", volume.modality),
        Fact("description", "description", notes.description or "none", notes.description),
        Fact("scanner", "scanner", notes.scanner or "not said", notes.scanner),
        Fact("image_type", "image type", "\\".join(notes.image_type) or "none", list(notes.image_type)),
        Fact("enhanced", "", "", volume.enhanced),
        Fact("files", "files", str(files), files),
        *grid_facts(volume),
        Fact("slice_thickness_mm", "thickness", _millimetres(notes.thickness), notes.thickness),
        *value_facts(volume),
        Fact(
            "transfer_syntaxes",
            "encoding",
            ", ".join(syntaxes) + ("; compressed with loss" if lossy else ""),
            list(syntaxes),
        ),
        Fact("lossy", "", "", lossy),
    ]


def grid_facts(volume: Volume) -> list[Fact]:
    """Return size and geometry."""
    slices, rows, columns = volume.shape
    geometries = [image.geometry for image in volume.slices]
    first = geometries[0]
    height, width = first.spacing
    facts = [
        Fact(
            "size",
            "size",
            f"{slices} slices of {columns} columns x {rows} rows",
            {"slices": slices, "rows": rows, "columns": columns},
        ),
        Fact("pixel_spacing_mm", "pixel", f"{width:g} x {height:g} mm", {"columns": width, "rows": height}),
    ]
    if slices > 1:
        gaps = np.diff(distances(geometries))
        low, middle, high = float(gaps.min()), float(np.median(gaps)), float(gaps.max())
        text = f"{middle:.4g} mm" if high - low < 1e-3 else f"{low:.4g} to {high:.4g} mm, mostly {middle:.4g} mm"
        facts.append(
            Fact("slice_spacing_mm", "slice to slice", text, {"smallest": low, "median": middle, "largest": high})
        )
    affine = stack_affine(geometries)
    place = ", ".join(f"{item:.2f}" for item in first.position)
    facts += [
        Fact("orientation", "orientation", describe_plane(first.normal), describe_plane(first.normal)),
        Fact("position_mm", "first pixel at", f"{place} mm (left, posterior, superior)", list(first.position)),
        Fact("affine_lps", "", "", [[float(item) for item in row] for row in affine]),
    ]
    return facts


def describe_plane(normal: Sequence[float] | np.ndarray) -> str:
    """Name the plane whose normal is given."""
    largest = int(np.argmax(np.abs(normal)))
    cosine = min(1.0, float(abs(normal[largest])))
    if cosine > SQUARE:
        return PLANES[largest]
    return f"{PLANES[largest]}, turned by {np.degrees(np.arccos(cosine)):.1f} degrees"


def value_facts(volume: Volume) -> list[Fact]:
    """Return unit, storage and rescale."""
    pixel_format = volume.slices[0].pixel_format
    slopes = [image.rescale.slope for image in volume.slices]
    intercepts = [image.rescale.intercept for image in volume.slices]
    each = len(set(zip(slopes, intercepts, strict=True))) > 1
    sign = "signed" if pixel_format.signed else "unsigned"
    polarity = ", MONOCHROME1" if pixel_format.inverted else ""
    rescale = (
        f"slopes {min(slopes):.6g} to {max(slopes):.6g}, one for each slice"
        if each
        else f"slope {slopes[0]:.6g}, intercept {intercepts[0]:.6g}"
    )
    unit = "none (arbitrary)" if volume.unit == "1" else volume.unit
    return [
        Fact("unit", "unit", unit, volume.unit),
        Fact(
            "stored",
            "stored as",
            f"{sign}, {pixel_format.bits_stored} of {pixel_format.bits_allocated} bits{polarity}",
            {
                "signed": pixel_format.signed,
                "bits_stored": pixel_format.bits_stored,
                "bits_allocated": pixel_format.bits_allocated,
                "inverted": pixel_format.inverted,
            },
        ),
        Fact(
            "rescale",
            "rescale",
            rescale,
            {
                "each_slice": each,
                "smallest_slope": min(slopes),
                "largest_slope": max(slopes),
                "smallest_intercept": min(intercepts),
                "largest_intercept": max(intercepts),
            },
        ),
    ]


def range_fact(minima: Sequence[float], maxima: Sequence[float], unit: str) -> Fact:
    """Return the smallest and the largest value, padding left out."""
    low, high = min(minima), max(maxima)
    written = "" if unit == "1" else f" {unit}"
    return Fact("values", "values", f"{low:.6g} to {high:.6g}{written}", {"smallest": low, "largest": high})


def profile_fact(profile: IntensityProfile) -> Fact:
    """Return what the network would see."""
    unit = "" if profile.unit == "1" else f" {profile.unit}"
    fade = max(profile.taper_low, profile.taper_high)
    faded = f"; the change fades out over {fade:.4g}{unit} inside the ends" if fade else ""
    fixed = "" if profile is not CT_SOFT_TISSUE else "; what lies outside stays identical"
    return Fact(
        "profile",
        "window",
        f"{profile.name}: {profile.low:.6g} to {profile.high:.6g}{unit}{faded}{fixed}",
        {
            "name": profile.name,
            "low": profile.low,
            "high": profile.high,
            "unit": profile.unit,
            "taper_low": profile.taper_low,
            "taper_high": profile.taper_high,
        },
    )


def context_fact(volume: Volume) -> Fact:
    """Return from which slices the one context comes."""
    sampled = [index + 1 for index in context_sample(*volume.shape)]
    places = ", ".join(map(str, sampled))
    return Fact("context_slices", "context", f"one for all slices, from slices {places}", list(sampled))


def output_fact(volume: Volume) -> Fact:
    """Return what is written."""
    count = len({image.path for image in volume.slices})
    what = "1 enhanced image" if volume.enhanced else f"{count} images, one for each slice"
    shared = volume.enhanced and len({image.rescale for image in volume.slices}) == 1
    activity = "with a new slope for all frames" if shared else "with a slope for each slice"
    pixels = activity if volume.modality == "PT" else "in the type and rescale of the source"
    return Fact(
        "output",
        "output",
        f"a derived series: {what}, {pixels}, Explicit VR Little Endian",
        {"images": count, "transfer_syntax": "Explicit VR Little Endian"},
    )


def weights_fact(volume: Volume) -> Fact:
    """Return which weights are needed."""
    prefix = f"{MODALITY_TASKS[volume.modality]}_"
    return Fact("weights_task", "weights", f"with a task whose name begins with {prefix}", prefix)


def _millimetres(number: float | None) -> str:
    return "not said" if number is None else f"{number:g} mm"
