"""Where the values of a layer come from: kept in the layer, so that it can be restored, measured and written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_datprl.slices import SliceStack

if TYPE_CHECKING:
    from datprl_toolkit.medical import Volume
    from datprl_toolkit.remote_sensing import Scene

STORED_BYTES = 64 * 2**20
COLOUR_BANDS = 3
KEY = "datprl"
"""Key of a layer's metadata under which its source or its restoration stands."""


@dataclass(frozen=True)
class VolumeSource:
    """A DICOM series.

    Parameters
    ----------
    volume
        The series.
    earliest
        Earliest acquisition, for the SUV factor.
    warnings
        What a person should know of it.
    taken
        Series numbers found beside it.
    """

    volume: Volume
    earliest: datetime | None = None
    warnings: tuple[str, ...] = ()
    taken: frozenset[int] = frozenset()

    @cached_property
    def stored(self) -> SliceStack:
        """Stored values; the original and the restored layer of a slice decode it once between them."""
        volume = self.volume
        return SliceStack(
            lambda index: volume.slices[index].read_stored(),
            volume.shape,
            dtype=volume.slices[0].pixel_format.dtype,
            cache_bytes=STORED_BYTES,
        )

    def values(self, index: int) -> npt.NDArray[np.float64]:
        """Return the values of a slice in the unit of the volume."""
        return self.volume.slices[index].rescale.to_physical(self.stored.plane(index))

    @cached_property
    def suv_factor(self) -> float | None:
        """Factor from the values to SUV by body weight; None where there is none."""
        from datprl_toolkit.errors import DatprlError
        from datprl_toolkit.medical.profiles import volume_suv_factor

        if self.volume.modality != "PT":
            return None
        try:
            return volume_suv_factor(self.volume, self.earliest)
        except DatprlError:
            return None


@dataclass(frozen=True, eq=False)
class SceneSource:
    """A georeferenced raster.

    Parameters
    ----------
    scene
        What the raster is.
    bands
        The bands that are shown, numbered from 1.
    levels
        Lazy arrays of stored values, (rows, columns) or (rows, columns, bands), the finest first.
    window
        Stored values that are shown black and white.
    """

    scene: Scene
    bands: tuple[int, ...]
    levels: list[Any]
    window: tuple[float, float]

    @property
    def is_coloured(self) -> bool:
        """Whether three bands are shown as colours."""
        return len(self.bands) == COLOUR_BANDS

    def stretched(self, values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Return stored values as they are shown: the window as 0 to 255."""
        low, high = self.window
        scaled = values.astype(np.float32)
        scaled -= np.float32(low)
        scaled *= np.float32(255 / (high - low))
        np.rint(scaled, out=scaled)
        # Of NaN and 0 this maximum is 0, so that what is missing is black.
        np.fmin(np.fmax(scaled, 0, out=scaled), 255, out=scaled)
        shown: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
        return shown


@dataclass(frozen=True)
class ArraySource:
    """An image layer of whatever origin: planes in memory.

    Parameters
    ----------
    values
        (planes, rows, columns) or (planes, rows, columns, 3).
    shape
        Shape of the layer's data.
    """

    values: npt.NDArray[Any]
    shape: tuple[int, ...] = field(default=())


Source = VolumeSource | SceneSource | ArraySource


def source_of(layer: Any) -> Source | None:
    """Return the source of a layer that this plugin made; None of any other."""
    found = layer.metadata.get(KEY) if hasattr(layer, "metadata") else None
    return found if isinstance(found, VolumeSource | SceneSource | ArraySource) else None


def array_source(layer: Any) -> ArraySource:
    """Return the planes of an image layer; a multiscale layer gives its full resolution."""
    data = layer.data[0] if layer.multiscale else layer.data
    values = np.asarray(data)
    plane = values.shape[-3:] if layer.rgb else values.shape[-2:]
    planes = values.reshape(-1, *plane)
    return ArraySource(planes[..., :3] if layer.rgb else planes, values.shape)
