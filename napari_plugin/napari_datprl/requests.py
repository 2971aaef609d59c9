"""Requests about layers: writing what was restored, and looking into the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.messages import Network, ReadPrompts, WriteSeries
from napari_datprl.restoration import Restoration
from napari_datprl.sources import KEY, VolumeSource

if TYPE_CHECKING:
    from napari.layers import Image

    from datprl_toolkit.intensity import IntensityProfile


def write_request(restoration: Restoration | None, destination: Path) -> WriteSeries:
    """Return the request that writes a restoration as a derived DICOM series.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is nothing complete to write, or it did not come from DICOM.
    """
    from datprl_toolkit.errors import ErrorCode, OptionError
    from datprl_toolkit.medical import DicomOptions

    if restoration is None or not isinstance(restoration.source, VolumeSource) or restoration.profile is None:
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
        destination,
        replace(DicomOptions(), strength=restoration.strength),
        restoration.source.taken,
    )


def prompts_request(layer: Image, index: int, network: Network, profile: IntensityProfile) -> ReadPrompts:
    """Return the request that tells what the network chooses for one plane of a layer, or of its original.

    Parameters
    ----------
    layer
        An original or restored layer.
    index
        Place of the plane among its planes.
    network
        Weights and device.
    profile
        Window that the network sees.
    """
    from napari_datprl.combined import Planes

    found = layer.metadata.get(KEY)
    values: Any = found.original(index) if isinstance(found, Restoration) else Planes(layer)[index]
    return ReadPrompts(network, profile.to_unit(np.asarray(values)[..., :3] if layer.rgb else np.asarray(values)))
