"""Restored slices to files: one derived image for each source image, in a folder that appears when it is complete."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.derive import DerivedSeries, derive_image, drop_overlays
from datprl_toolkit.medical.encoding import EncodedSlice, encode_activity, encode_in_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import FileDataset

    from datprl_toolkit.medical.pixels import StoredArray
    from datprl_toolkit.medical.volume import Slice, Volume

UNFINISHED = ".part"
"""Ending of the files of a series that is being written: a job that is killed leaves nothing that is named DICOM."""


class SeriesWriter:
    """Writes the restored slices of one classic volume, in any order, each as one file named by its position.

    PET slices without activity wait until :meth:`finish`, since their slope is the median of the others.

    Parameters
    ----------
    volume
        The source.
    derived
        What all new images share.
    folder
        An existing folder, which becomes visible under its final name only when all is written.
    """

    def __init__(self, volume: Volume, derived: DerivedSeries, folder: Path) -> None:
        self._volume = volume
        self._derived = derived
        self._folder = folder
        self._slopes: list[float] = []
        self._waiting: list[int] = []
        self.overlays_dropped = 0

    def write(
        self,
        index: int,
        stored: StoredArray,
        original: npt.NDArray[np.float64],
        restored: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Write one slice.

        Parameters
        ----------
        index
            Place of the slice in the volume.
        stored, original
            Stored and physical values of the source, (rows, columns).
        restored
            Restored physical values.

        Returns
        -------
        The physical values that a reader will see.
        """
        image = self._volume.slices[index]
        if self._volume.modality != "PT":
            encoded = encode_in_place(stored, original, restored, image.pixel_format, image.rescale)
        else:
            padding = image.pixel_format.padding_mask(stored)
            if not restored[~padding].any():
                self._waiting.append(index)
                return np.where(padding, original, 0.0)
            encoded = encode_activity(restored, padding, image.pixel_format, empty_slope=1.0)
            self._slopes.append(encoded.rescale.slope)
        self._save(index, encoded)
        return encoded.to_physical()

    def finish(self) -> None:
        """Write the PET slices without activity, and give all files their names."""
        for index in self._waiting:
            image = self._volume.slices[index]
            stored = image.read_stored()
            slope = float(np.median(self._slopes)) if self._slopes else abs(image.rescale.slope)
            padding = image.pixel_format.padding_mask(stored)
            restored = np.where(padding, image.rescale.to_physical(stored), 0.0)
            self._save(index, encode_activity(restored, padding, image.pixel_format, slope))
        for path in sorted(self._folder.glob(f"*{UNFINISHED}")):
            path.rename(path.with_suffix(".dcm"))

    def _save(self, index: int, encoded: EncodedSlice) -> None:
        image = self._volume.slices[index]
        source = header.read_dataset(image.path, pixels=True)
        with source_errors(image), header.tolerant_pydicom():
            self.overlays_dropped += drop_overlays(source, image)
            dataset = derive_image(source, image, encoded, self._derived)
            save(dataset, self._folder / f"{index + 1:04d}{UNFINISHED}")


@contextmanager
def source_errors(image: Slice) -> Iterator[None]:
    """Turn what pydicom raises over a broken attribute of the source into one line about the source."""
    try:
        yield
    # The first are told already, the second are about the output and told by the one who opened it.
    except (DatprlError, OSError):
        raise
    except Exception as error:
        raise InputError(
            ErrorCode.CORRUPT,
            f"an attribute of the header cannot be carried over ({type(error).__name__}: {error})",
            where=image.path,
            remedy="Repair the file, for example with dcmconv, or leave it out",
        ) from error


def save(dataset: FileDataset, path: Path) -> None:
    """Write a data set as an explicit little endian DICOM file (PS3.10)."""
    dataset.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
