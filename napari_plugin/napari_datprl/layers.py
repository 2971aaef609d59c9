"""Layers of series: values in their unit, in millimetres, with what is needed to restore, measure and write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_datprl.geometry import display_geometry
from napari_datprl.slices import SliceStack
from napari_datprl.sources import KEY, VolumeSource
from napari_datprl.windows import full_window, windows_for

if TYPE_CHECKING:
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.medical.grouping import Series
    from napari_datprl.restoration import Restoration

LayerData = tuple[Any, dict[str, Any], str]


def series_layer(series: Series, taken: frozenset[int] = frozenset()) -> LayerData:
    """Return a series as an image layer; a slice is decoded when it is shown.

    Parameters
    ----------
    series
        The series.
    taken
        Series numbers found beside it, so that a derived series gets one of its own.
    """
    source = VolumeSource(series.volume, series.earliest, series.warnings, taken)
    volume = series.volume
    data = SliceStack(source.values, volume.shape)
    told = volume.description.upper().startswith(volume.modality)
    name = volume.description if told else f"{volume.modality} {volume.description}".strip()
    return data, {"name": f"{name} [{volume.unit}]", **_appearance(source, data), **volume_options(source)}, "image"


def volume_options(source: VolumeSource) -> dict[str, Any]:
    """Return what every layer on the grid of a series shares: scale, place, units, names of axes, metadata."""
    volume, place = source.volume, display_geometry(source.volume)
    return {
        "scale": place.scale,
        "translate": place.translate,
        "units": ("mm", "mm", "mm"),
        "axis_labels": place.axis_labels,
        "multiscale": False,
        "metadata": {
            KEY: source,
            "unit": volume.unit,
            "modality": volume.modality,
            "series": volume.series_instance_uid,
            "patient_affine": place.affine,
            "oblique": place.oblique,
            "warnings": source.warnings,
        },
    }


def restored_layer(restoration: Restoration, name: str, like: Any) -> LayerData:
    """Return the layer that shows a restoration, on the grid and in the window of the layer `like`."""
    options: dict[str, Any] = {
        "name": name,
        "scale": like.scale,
        "translate": like.translate,
        "units": like.units,
        "affine": like.affine,
        "axis_labels": like.axis_labels,
        "multiscale": isinstance(restoration.stack, list),
        "rgb": like.rgb,
        "metadata": {**like.metadata, KEY: restoration, "unit": like.metadata.get("unit", "")},
    }
    if not like.rgb:
        options["contrast_limits"], options["colormap"] = tuple(like.contrast_limits), like.colormap
    return restoration.stack, options, "image"


def _appearance(source: VolumeSource, data: SliceStack) -> dict[str, Any]:
    """Return window and colours: soft tissue for CT, SUV 0-10 in inverted grey for PET, nearly all values else."""
    volume = source.volume
    windows = windows_for(volume.unit, source.suv_factor)
    chosen = windows.get("Soft tissue") or windows.get("SUV 0-10") or full_window(data.plane(_middle(volume)))
    options: dict[str, Any] = {"contrast_limits": chosen}
    if volume.modality == "PT":
        options["colormap"] = "gray_r"
    return options


def _middle(volume: Volume) -> int:
    return len(volume.slices) // 2
