"""MR series on a finer grid: k-space filled with zeros, and a place for every new pixel.

The network knows such images: it was trained on slices whose k-space was cut to its middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydicom.valuerep import DSfloat

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.volume import Slice, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom.dataset import Dataset

    from datprl_toolkit.medical.geometry import SliceGeometry
    from datprl_toolkit.medical.pixels import StoredArray

SCALES = (1, 2, 4)


@lru_cache(maxsize=16)
def zero_filling(size: int, scale: int) -> npt.NDArray[np.float64]:
    """Return the (scale * size, size) matrix that interpolates one axis by filling its k-space with zeros.

    The axis is continued by mirroring it, so that its ends do not ring into each other as under the plain Fourier
    transform; k-space is then that of the cosine transform. New pixels lie at ``(j + 1/2) / scale - 1/2``: they cover
    the same length, and the centre of the first one moves outwards.
    """
    frequency = np.arange(size)
    weight = np.where(frequency == 0, 1.0, 2.0) / size
    old = np.cos(np.pi * np.outer(np.arange(size) + 0.5, frequency) / size)
    new = np.cos(np.pi * np.outer(np.arange(scale * size) + 0.5, frequency) / (scale * size))
    matrix: npt.NDArray[np.float64] = (new * weight) @ old.T
    matrix.setflags(write=False)
    return matrix


def fill_k_space(image: npt.NDArray[np.floating], scale: int) -> npt.NDArray[np.float64]:
    """Enlarge a slice by filling its k-space with zeros.

    Parameters
    ----------
    image
        (rows, columns), any unit. Where nothing is negative it is a magnitude, and so is the result, as a scanner
        forms it.
    scale
        Whole factor.

    Returns
    -------
    (scale * rows, scale * columns) in the unit of `image`, with its mean and the ringing at edges that a measurement
    of so few samples has.
    """
    rows, columns = (zero_filling(size, scale) for size in image.shape)
    filled: npt.NDArray[np.float64] = rows @ image.astype(np.float64) @ columns.T
    return filled if image.min() < 0 else np.abs(filled)


def enlarged_geometry(geometry: SliceGeometry, scale: int) -> SliceGeometry:
    """Return the place of a slice whose pixels were each divided into `scale` x `scale`.

    The outer edges stay where they are, so that the centre of the first pixel moves by ``(1/scale - 1) / 2`` of a
    pixel along the row and along the column.
    """
    (height, width), cosines = geometry.spacing, np.array(geometry.orientation)
    shift = (1.0 / scale - 1.0) / 2.0 * (cosines[:3] * width + cosines[3:] * height)
    x, y, z = (float(old + moved) for old, moved in zip(geometry.position, shift, strict=True))
    return replace(geometry, position=(x, y, z), spacing=(height / scale, width / scale))


@dataclass(frozen=True, slots=True)
class EnlargedSlice(Slice):
    """A slice on a finer grid; geometry and size are those of the new grid, everything else is the source's.

    Parameters
    ----------
    source
        The slice as it was measured.
    scale
        New pixels for an old one, along either axis.
    """

    source: Slice
    scale: int

    def read_stored(self) -> StoredArray:
        """Decode and enlarge the stored values, rounded as they are stored; padding stays what it is."""
        stored = self.source.read_stored()
        padding = self.source.pixel_format.padding_mask(stored)
        image = np.where(padding, stored[~padding].min(initial=stored.max()), stored)
        low, high = self.pixel_format.limits
        filled = np.clip(np.rint(fill_k_space(image.astype(np.float64), self.scale)), low, high).astype(stored.dtype)
        if not padding.any():
            return filled
        again = stored.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        return np.where(padding.repeat(self.scale, axis=0).repeat(self.scale, axis=1), again, filled)


def enlarge_volume(volume: Volume, scale: int) -> Volume:
    """Return an MR volume on a grid that is `scale` times as fine along rows and columns; slices stay where they are.

    Raises
    ------
    OptionError
        ``E_OPTION`` for CT and PET, whose networks were trained on the grid of the scanner, and for another factor
        than 1, 2 and 4.
    """
    if scale == 1:
        return volume
    check_scale(scale, volume.modality)
    return replace(volume, slices=tuple(_enlarged(image, scale) for image in volume.slices))


def check_scale(scale: int, modality: str) -> None:
    """Raise ``E_OPTION`` for a factor that an image of a modality cannot be enlarged by."""
    if scale != 1 and modality != "MR":
        raise OptionError(
            ErrorCode.OPTION,
            f"--scale has no meaning for {modality}: only MR is enlarged, the others are restored on their own grid",
            remedy="Leave it out",
        )
    if scale not in SCALES:
        raise OptionError(ErrorCode.OPTION, f"MR is enlarged by 2 or 4, not {scale}", where="scale")


def _enlarged(image: Slice, scale: int) -> EnlargedSlice:
    size = image.pixel_format
    return EnlargedSlice(
        path=image.path,
        frame=image.frame,
        sop_class_uid=image.sop_class_uid,
        sop_instance_uid=image.sop_instance_uid,
        geometry=enlarged_geometry(image.geometry, scale),
        pixel_format=replace(size, rows=size.rows * scale, columns=size.columns * scale),
        rescale=image.rescale,
        source=image,
        scale=scale,
    )


def scale_of(volume: Volume) -> int:
    """Return by what a volume was enlarged; 1 if it was not."""
    first = volume.slices[0]
    return first.scale if isinstance(first, EnlargedSlice) else 1


def write_grid(dataset: Dataset, images: Sequence[Slice]) -> None:
    """Write the grid of enlarged slices into the data set of their source, in place.

    Parameters
    ----------
    dataset
        A classic image, or an enhanced one.
    images
        The slice that it holds, or all frames in the order of the file. Nothing is done for slices that were not
        enlarged.
    """
    first = images[0]
    if not isinstance(first, EnlargedSlice):
        return
    dataset.Rows, dataset.Columns = first.pixel_format.rows, first.pixel_format.columns
    if first.frame is None:
        dataset.ImagePositionPatient = _written(first.geometry.position)
        dataset.PixelSpacing = _written(first.geometry.spacing)
        return
    shared = next(iter(header.items(dataset, "SharedFunctionalGroupsSequence")), None)
    holders = [*header.items(dataset, "PerFrameFunctionalGroupsSequence"), *([] if shared is None else [shared])]
    for place, groups in enumerate(holders):
        # Frames have one spacing, so that any of them serves for what they share.
        geometry = images[min(place, len(images) - 1)].geometry
        for measures in header.items(groups, "PixelMeasuresSequence"):
            measures.PixelSpacing = _written(geometry.spacing)
        for position in header.items(groups, "PlanePositionSequence"):
            position.ImagePositionPatient = _written(geometry.position)


def _written(numbers: Sequence[float]) -> list[DSfloat]:
    return [DSfloat(number, auto_format=True) for number in numbers]
