"""The reader of scenes: GeoTIFF, COG, VRT, JPEG 2000 and Zarr with a georeference, as lazy layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_datprl.layers import LayerData


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the reader if every path is a raster; a TIFF without georeference is left to other plugins."""
    from datprl_toolkit.remote_sensing import is_raster

    paths = [Path(each) for each in (path if isinstance(path, list) else [path])]
    return read_scenes if all(is_raster(each) and _has_place(each) for each in paths) else None


def read_scenes(path: str | list[str]) -> list[LayerData]:
    """Return one layer for each scene.

    Raises
    ------
    InputError
        If a raster is damaged or of a kind that is not read.
    """
    from napari_datprl.reader import watch_viewer
    from napari_datprl.scene_layers import scene_layer

    watch_viewer()
    return [scene_layer(Path(each)) for each in (path if isinstance(path, list) else [path])]


def _has_place(path: Path) -> bool:
    """Return whether a raster says where it lies; a microscope's TIFF does not."""
    from datprl_toolkit.errors import DatprlError
    from datprl_toolkit.remote_sensing import Scene

    try:
        grid = Scene.open(path).grid
    except DatprlError:
        return False
    return grid.transform is not None or bool(grid.control_points) or grid.rpcs is not None
