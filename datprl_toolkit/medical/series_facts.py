"""What may be said of a series on a page that is shown around: how it was made, nothing of the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.medical import header
from datprl_toolkit.medical.enlarging import scale_of
from datprl_toolkit.medical.geometry import distances
from datprl_toolkit.medical.profiles import volume_suv_factors
from datprl_toolkit.medical.quantity import SUV_UNITS, SuvType

if TYPE_CHECKING:
    from datprl_toolkit.medical.matching import SeriesPair

# Technical attributes that name no person and no place.
SHOWN = (
    ("Manufacturer", "Manufacturer", ""),
    ("Scanner", "ManufacturerModelName", ""),
    ("Convolution kernel", "ConvolutionKernel", ""),
    ("Tube voltage", "KVP", " kV"),
    ("Reconstruction", "ReconstructionMethod", ""),
    ("Field strength", "MagneticFieldStrength", " T"),
    ("Repetition time", "RepetitionTime", " ms"),
    ("Echo time", "EchoTime", " ms"),
    ("Slice thickness", "SliceThickness", " mm"),
)

OTHER_SUV: dict[SuvType, str] = {
    "LBMJANMA": "lean body mass (Janmahasatian)",
    "LBMJAMES128": "lean body mass (James)",
    "BSA": "body surface area (Du Bois)",
}


def describe_series(pair: SeriesPair) -> tuple[tuple[str, str], ...]:
    """Return label and text of what is known of a series before it was restored."""
    volume = pair.before
    slices, rows, columns = volume.shape
    first = volume.slices[0]
    scale = scale_of(volume)
    grid = "" if scale == 1 else f", enlarged from {columns // scale} x {rows // scale} by filling k-space with zeros"
    facts = [("Size", f"{slices} slices of {columns} x {rows} pixels{grid}"), ("Spacing", _spacing(pair))]
    dataset = header.read_dataset(first.path, pixels=False)
    for label, keyword, unit in SHOWN:
        text = "/".join(filter(None, header.texts(dataset, keyword)))[:64]
        if text:
            facts.append((label, f"{_plain(text)}{unit}"))
    facts += _suv_kinds(pair)
    unit = "arbitrary units (none in the file)" if volume.unit == "1" else volume.unit
    facts.append(("Stored unit", unit))
    return tuple(facts)


def _suv_kinds(pair: SeriesPair) -> list[tuple[str, str]]:
    """Return what SUV by body weight has to be multiplied by for the other kinds, where the header has enough."""
    if pair.before.modality != "PT":
        return []
    factors = volume_suv_factors(pair.before, pair.before_series.earliest)
    return [
        (f"SUV by {words}", f"x {factors[suv_type] / factors['BW']:.4f} of SUV by body weight, {SUV_UNITS[suv_type]}")
        for suv_type, words in OTHER_SUV.items()
        if suv_type in factors
    ]


def _spacing(pair: SeriesPair) -> str:
    rows, columns = pair.before.slices[0].geometry.spacing
    along = distances([image.geometry for image in pair.before.slices])
    between = f" x {np.median(np.diff(along)):.4g}" if len(along) > 1 else ""
    return f"{columns:.4g} x {rows:.4g}{between} mm"


def _plain(text: str) -> str:
    """Shorten a number that a scanner wrote with more digits than it has."""
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text
