"""What a person chooses from where scenes are restored, one or many."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """What a person sees to be wrong with a scene or picture."""

    natural_super_resolution = "natural_super_resolution"
    natural_deraining = "natural_deraining"
    natural_deblurring = "natural_deblurring"
    remote_sensing_super_resolution = "remote_sensing_super_resolution"
    cloud_removal = "cloud_removal"
    dehazing = "dehazing"


class OtherBands(StrEnum):
    """What happens to bands that are not restored."""

    copy = "copy"
    drop = "drop"


class ContextMode(StrEnum):
    """From what the context of a tile is computed."""

    auto = "auto"
    scene = "scene"
    field = "field"
    local = "local"
    tile = "tile"


class ZarrProfile(StrEnum):
    """Which readers a Zarr store is for."""

    default = "default"
    qgis = "qgis"
    legacy = "legacy"


class UnreadableBlock(StrEnum):
    """What happens when a block of a scene cannot be read."""

    fail = "fail"
    nodata = "nodata"
    passthrough = "passthrough"
