"""The reader of DICOM series: lazy layers in HU, Bq/ml or stored units, with spacing and place in mm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datprl_toolkit.medical import Volume

LayerData = tuple[Any, dict[str, Any], str]
WINDOWS = {"HU": (-160.0, 240.0)}
"""Values shown as black and white at first, by unit."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the reader if `path` really is DICOM, whatever its name; None leaves it to other plugins."""
    from datprl_toolkit.medical import is_dicom

    first = Path(path[0] if isinstance(path, list) else path)
    return read_dicom if first.exists() and is_dicom(first) else None


def read_dicom(path: str | list[str]) -> list[LayerData]:
    """Return one image layer for each series.

    Raises
    ------
    DatprlError
        If a file is damaged or nothing can be shown.
    """
    from datprl_toolkit.medical.grouping import group_series
    from datprl_toolkit.medical.reading import scan

    paths = path if isinstance(path, list) else [path]
    instances = [instance for each in paths for instance in scan(Path(each)).instances]
    return [_layer(series.volume) for series in group_series(instances) if series.error is None]


def _layer(volume: Volume) -> LayerData:
    """Return a series as an image layer; a slice is decoded when it is shown."""
    import dask.array
    import numpy as np
    from dask.delayed import delayed

    slices = [
        dask.array.from_delayed(delayed(image.read)(), volume.shape[1:], np.float64)  # type: ignore[no-untyped-call]
        for image in volume.slices
    ]
    places = [float(np.dot(image.geometry.position, image.geometry.normal)) for image in volume.slices]
    # Spacing from positions: slice thickness says how thick a slice is, not how far the next one lies.
    distance = (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else 1.0
    geometry = volume.slices[0].geometry
    options: dict[str, Any] = {
        "name": f"{volume.modality} {volume.description} [{volume.unit}]",
        "scale": (distance or 1.0, *geometry.spacing),
        "units": ("mm", "mm", "mm"),
        "metadata": {"unit": volume.unit, "modality": volume.modality, "series": volume.series_instance_uid},
    }
    if volume.unit in WINDOWS:
        options["contrast_limits"] = WINDOWS[volume.unit]
    return dask.array.stack(slices), options, "image"  # type: ignore[no-untyped-call]
