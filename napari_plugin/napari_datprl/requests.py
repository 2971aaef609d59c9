"""Requests about layers: writing what was restored, and looking into the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.messages import Network, ReadPrompts, WriteScene, WriteSeries
from napari_datprl.restoration import Restoration, SliceRestoration
from napari_datprl.sources import KEY, SceneSource, VolumeSource

if TYPE_CHECKING:
    from napari.layers import Image

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring.tiling import Window


def can_write(restoration: Restoration | None) -> bool:
    """Return whether :func:`write_request` has something to write."""
    if restoration is None or restoration.profile is None:
        return False
    return isinstance(restoration.source, SceneSource) or (
        isinstance(restoration.source, VolumeSource) and restoration.complete
    )


def write_request(restoration: Restoration | None, destination: Path) -> WriteSeries | WriteScene:
    """Return the request that writes a restoration: as a derived DICOM series, or as the whole restored scene.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is nothing complete to write, or it came from neither DICOM nor a scene.
    """
    from datprl_toolkit.errors import ErrorCode, OptionError
    from datprl_toolkit.medical import DicomOptions
    from napari_datprl.scene_restoration import SceneRestoration

    if isinstance(restoration, SceneRestoration):
        return _scene_request(restoration, destination)
    if (
        not isinstance(restoration, SliceRestoration)
        or not isinstance(restoration.source, VolumeSource)
        or restoration.profile is None
    ):
        raise OptionError(ErrorCode.OPTION, "only a layer restored from a DICOM series is written as one")
    if not restoration.complete:
        raise OptionError(
            ErrorCode.OPTION,
            f"only {restoration.done} of {restoration.total} slices are restored",
            remedy="Restore the rest first",
        )
    return WriteSeries(
        restoration.source.volume,
        tuple(restoration.answer(index) for index in range(restoration.total)),
        restoration.profile,
        restoration.card,
        restoration.arithmetic,
        destination,
        replace(DicomOptions(), strength=restoration.strength),
        restoration.source.taken,
        restoration.network.self_ensemble,
    )


def _scene_request(restoration: Any, destination: Path) -> WriteScene:
    """Return the request that restores all of a scene, whatever part of it was looked at."""
    from datprl_toolkit.remote_sensing import SceneOptions

    source: SceneSource = restoration.source
    options = SceneOptions(strength=restoration.strength, bands=source.bands, scaling=restoration.scaling)
    return WriteScene(source.scene.path, destination, restoration.network, options)


def copy_request(source: SceneSource, destination: Path) -> WriteScene:
    """Return the request that writes a scene as it is, in another format."""
    from datprl_toolkit.remote_sensing import SceneOptions

    return WriteScene(source.scene.path, destination, None, SceneOptions())


def prompts_request(layer: Image, index: int | Window, network: Network, profile: IntensityProfile) -> ReadPrompts:
    """Return the request that tells what the network chooses for one plane of a layer, or of its original.

    Parameters
    ----------
    layer
        An original or restored layer.
    index
        Place of the plane among its planes, or of a scene the part that is shown.
    network
        Weights and device.
    profile
        Window that the network sees.
    """
    from napari_datprl.combined import Planes

    found = layer.metadata.get(KEY)
    source = found.source if isinstance(found, Restoration) else found
    if not isinstance(index, int):
        values = _middle(source, index)
    elif isinstance(found, SliceRestoration):
        values = found.original(index)
    else:
        values = Planes(layer)[index]
    return ReadPrompts(network, profile.to_unit(values[..., :3] if values.ndim > 2 else values))


def _middle(source: Any, shown: Window) -> Any:
    """Return the stored values of a tile in the middle of a part of a scene."""
    from napari_datprl.scene_restoration import TILE

    rows, columns = (
        slice(max(0, (start + stop - TILE) // 2), (start + stop + TILE) // 2)
        for start, stop in ((shown.top, shown.bottom), (shown.left, shown.right))
    )
    return np.asarray(source.levels[0][rows, columns])
