"""What is measured of the shapes that a person drew, in the slice that is shown, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.combined import Planes
from napari_datprl.roi import (
    Profile,
    Statistics,
    Uptake,
    line_profile,
    noise_power,
    region_mask,
    statistics,
    suv,
    to_pixels,
)
from napari_datprl.status import volume_source

if TYPE_CHECKING:
    from napari.layers import Image

    from datprl_toolkit.reports.measures import NoisePower

LINES = ("line", "path")
PEAK_REACH = 6.3  # mm beside the slice that the sphere of SUVpeak needs


@dataclass(frozen=True, slots=True)
class Measured:
    """What one layer gives for one shape; None for what does not apply."""

    name: str
    unit: str
    statistics: Statistics | None = None
    uptake: Uptake | None = None
    profile: Profile | None = None
    noise: NoisePower | None = None


def measure(layer: Image, index: int, vertices: Any, kind: str) -> Measured:
    """Measure one shape in one plane of a grey layer.

    Parameters
    ----------
    layer
        The layer.
    index
        Place of the plane among its planes.
    vertices
        (N, 2 or more), in the world of the layer.
    kind
        napari's name of the shape: "rectangle", "ellipse", "polygon", "line", "path".
    """
    planes = Planes(layer)
    values, unit = planes[index], str(layer.metadata.get("unit", ""))
    spacing = (abs(float(layer.scale[-2])), abs(float(layer.scale[-1])))
    pixels = to_pixels(vertices, layer.scale, layer.translate)
    if kind in LINES:
        return Measured(layer.name, unit, profile=line_profile(values, pixels[0], pixels[-1], spacing))
    mask = region_mask(pixels, kind, (values.shape[0], values.shape[1]))
    return Measured(
        layer.name,
        unit,
        statistics=statistics(values, mask),
        uptake=_uptake(layer, planes, index, mask, spacing),
        noise=noise_power(values, pixels, spacing),
    )


def _uptake(layer: Image, planes: Planes, index: int, mask: Any, spacing: tuple[float, float]) -> Uptake | None:
    """Measure SUV if the layer is a PET whose factor is known."""
    source = volume_source(layer)
    if source is None or source.suv_factor is None:
        return None
    distance = abs(float(layer.scale[0]))
    reach = int(PEAK_REACH // distance)
    first, last = max(0, index - reach), min(len(planes), index + reach + 1)
    box = np.stack([planes[each] for each in range(first, last)]).astype(np.float64)
    return suv(box, mask, index - first, (distance, *spacing), source.suv_factor)


def rows(measured: tuple[Measured, ...]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield the lines of a table: what and its unit, and a number for each layer."""
    units = {each.unit for each in measured} - {"", "1"}
    unit = f", {units.pop()}" if len(units) == 1 else ""
    if all(each.statistics is not None for each in measured):
        found = [each.statistics for each in measured if each.statistics is not None]
        yield "Pixels", tuple(float(each.pixels) for each in found)
        yield f"Mean{unit}", tuple(each.mean for each in found)
        yield f"SD{unit}", tuple(each.sd for each in found)
        yield "Minimum", tuple(each.minimum for each in found)
        yield "Maximum", tuple(each.maximum for each in found)
    if all(each.uptake is not None for each in measured):
        hot = [each.uptake for each in measured if each.uptake is not None]
        yield "SUVmean", tuple(each.mean for each in hot)
        yield "SUVmax", tuple(each.maximum for each in hot)
        yield "SUVpeak (1 ml)", tuple(each.peak for each in hot)
    if all(each.noise is not None for each in measured):
        noise = [each.noise for each in measured if each.noise is not None]
        yield f"Noise SD{unit}", tuple(float(np.sqrt(each.variance)) for each in noise)
        yield "NPS mean, 1/mm", tuple(each.mean_frequency for each in noise)
