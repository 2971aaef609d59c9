"""A series as a value: slices in the order of their position, read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from datprl_toolkit.medical import header, pixels
from datprl_toolkit.restoring.stack import spread

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from pydicom.dataset import FileDataset

    from datprl_toolkit.medical.geometry import SliceGeometry
    from datprl_toolkit.medical.pixels import PixelFormat, StoredArray
    from datprl_toolkit.medical.quantity import Rescale


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: a classic image, or one frame of an enhanced one.

    Parameters
    ----------
    path
        The file.
    frame
        Index of the frame in an enhanced image; None for a classic image.
    sop_class_uid, sop_instance_uid
        What the file holds, for references to the source.
    geometry
        Place in the patient.
    pixel_format
        How pixels are stored.
    rescale
        This slice's own way from stored to physical values; PET slices differ in it.
    """

    path: Path
    frame: int | None
    sop_class_uid: str
    sop_instance_uid: str
    geometry: SliceGeometry
    pixel_format: PixelFormat
    rescale: Rescale

    @property
    def step(self) -> float:
        """Distance between neighbouring physical values; 0 where values are not rounded."""
        return abs(self.rescale.slope)

    def read_stored(self) -> StoredArray:
        """Decode the stored values, (rows, columns).

        Raises
        ------
        DatprlError
            As :func:`datprl_toolkit.medical.pixels.decode`.
        """
        dataset = (
            header.read_dataset(self.path, pixels=True)
            if self.frame is None
            else _read_multiframe(self.path, self.path.stat().st_mtime_ns)
        )
        return pixels.decode(dataset, self.path, self.pixel_format, self.frame or 0)

    def read(self) -> npt.NDArray[np.float64]:
        """Decode the physical values, (rows, columns), in the unit of the volume."""
        return self.rescale.to_physical(self.read_stored())


@lru_cache(maxsize=2)
def _read_multiframe(path: Path, changed: int) -> FileDataset:
    """Keep enhanced images that are being read, since each frame needs the whole file: two, to compare them."""
    return header.read_dataset(path, pixels=True)


@dataclass(frozen=True, slots=True)
class Volume:
    """A stack of slices of one size and orientation with one unit.

    Parameters
    ----------
    modality
        "CT", "MR" or "PT".
    unit
        Unit of the physical values: "HU", "Bq/ml", "SUV", or "1" where the scanner gives none.
    slices
        Sorted by the position of the slice along the common normal, in mm rising.
    series_instance_uid, series_number, description
        What the source says about its series.
    """

    modality: str
    unit: str
    slices: tuple[Slice, ...]
    series_instance_uid: str
    series_number: int | None
    description: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        pixel_format = self.slices[0].pixel_format
        return len(self.slices), pixel_format.rows, pixel_format.columns

    @property
    def enhanced(self) -> bool:
        """Whether all slices are frames of one enhanced image."""
        return self.slices[0].frame is not None

    @property
    def inverted(self) -> bool:
        """Whether the network is given the inverted image (MONOCHROME1).

        Only where the values have no unit: Hounsfield units and activity mean the same however they are shown.
        """
        return self.slices[0].pixel_format.inverted and self.unit == "1"

    def sample(self, count: int) -> tuple[Slice, ...]:
        """Return at most `count` slices spread evenly over the volume: the middle of each of `count` equal parts."""
        return tuple(self.slices[index] for index in spread(len(self.slices), count))
