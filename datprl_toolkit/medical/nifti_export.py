"""A DICOM series written as NIfTI with its values as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit import __version__
from datprl_toolkit.medical.nifti_from_dicom import SeriesSource, new_header
from datprl_toolkit.medical.nifti_writing import StoredType, check_nifti_name, nifti_writer
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.medical.volume import Volume


def write_nifti(
    volume: Volume, destination: Path, *, overwrite: bool = False, progress: ProgressCallback = silent
) -> None:
    """Write a volume as one NIfTI file: the voxels and the affine that dcm2niix writes, nothing about the patient.

    Where one rescale serves all slices, stored values stay as they are; slices with a rescale of their own (PET) are
    written as float32 in the unit of the volume.

    Parameters
    ----------
    destination
        ``.nii`` or ``.nii.gz``.

    Raises
    ------
    OptionError
        ``E_OPTION`` for another ending.
    InputError
        ``E_GEOMETRY`` for slices at uneven distances, for which NIfTI has no place.
    """
    check_nifti_name(destination)
    rescales = {image.rescale for image in volume.slices}
    first = volume.slices[0]
    common = next(iter(rescales)) if len(rescales) == 1 else None
    stored_type = (
        StoredType(np.dtype(np.float32))
        if common is None
        else StoredType(first.pixel_format.dtype, common.slope, common.intercept)
    )
    header = new_header(volume, stored_type, first.path.parent)
    source, comment = SeriesSource(volume), f"written by datprl-toolkit {__version__}; unit {volume.unit}"
    with nifti_writer(destination, header, stored_type, comment, overwrite=overwrite) as voxels:
        for index in range(len(volume.slices)):
            stored = source.read_stored(index)
            values = stored if common is not None else source.to_physical(stored, index)
            source.slice_in(voxels, index)[...] = values
            progress(Progress("writing", index + 1, len(volume.slices), "slices"))
