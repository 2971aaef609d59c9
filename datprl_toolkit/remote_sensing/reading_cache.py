"""How much of a raster GDAL keeps decoded: the more, the less is decoded twice; the less, the less memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rasterio

from datprl_toolkit.remote_sensing.unreadable import native_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.remote_sensing.scene import Scene

FOR_EDGES = 64 * 2**20
"""Enough where neighbouring shards share nothing but the blocks along their edges."""

FOR_STRIPS = 256 * 2**20
"""The most; where strips reach across the scene, all shards of a row share them."""


def sparing() -> rasterio.Env:
    """Return the environment in which a scene is read through once, whoever's it is.

    Without it GDAL keeps up to a twentieth of the memory of the machine, which on a large one is more than a job is
    granted, and none of which is read again.
    """
    return rasterio.Env(GDAL_CACHEMAX=FOR_STRIPS)


def cache_bytes(scene: Scene, numbers: Sequence[int]) -> int:
    """Return how many bytes GDAL may keep of a scene that is read shard by shard.

    Parameters
    ----------
    scene
        What is read.
    numbers
        Bands that are read together, counted from 1. The others are read after them, from blocks that often hold
        all bands and are not to be decoded again.
    """
    # Of a scene that is less than two blocks wide, a block is a strip.
    is_tiled = 2 * native_block(scene)[1] <= scene.grid.width
    return FOR_EDGES if is_tiled and len(numbers) == len(scene.bands) else FOR_STRIPS
