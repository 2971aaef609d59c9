"""Georeferenced scenes of any size: read lazily, restored in tiles without a seam, written as COG or Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import missing_package
from datprl_toolkit.remote_sensing.formats import is_raster
from datprl_toolkit.remote_sensing.options import SceneOptions

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing.restore import restore_scene
    from datprl_toolkit.remote_sensing.scene import Scene

__all__ = ["Scene", "SceneOptions", "is_raster", "restore_scene"]


def __getattr__(name: str) -> object:
    """Load what needs GDAL when it is first used, so that asking whether a file is a raster stays quick."""
    if name not in {"Scene", "restore_scene"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if name == "Scene":
            from datprl_toolkit.remote_sensing.scene import Scene

            return Scene
        from datprl_toolkit.remote_sensing.restore import restore_scene
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("datprl_toolkit"):
            raise
        raise missing_package(error.name, "geo", "for georeferenced rasters") from error
    return restore_scene
