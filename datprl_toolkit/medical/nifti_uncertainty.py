"""Maps of where a network may have invented, beside a restored NIfTI volume, with its header."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.medical.nifti_writing import StoredType, nifti_writer
from datprl_toolkit.medical.uncertainty import KINDS
from datprl_toolkit.restoring.progress import Progress
from datprl_toolkit.restoring.stack import batch_length
from datprl_toolkit.restoring.uncertainty import UncertaintyEstimator

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.medical.nifti_job import NiftiJob, NiftiOutput, StackSource

FLOAT = StoredType(np.dtype(np.float32))


def write_nifti_uncertainty(
    job: NiftiJob, source: StackSource, output: NiftiOutput, folder: Path, *, inverted: bool = False
) -> None:
    """Write ``deviation.nii.gz`` and ``noise_ratio.nii.gz``, float32, slice by slice; what is no image gets 0.

    Parameters
    ----------
    job, source, output, inverted
        As the volume was restored and written; the maps have its place and shape.
    folder
        An existing folder that becomes visible when all is written.
    """
    comment = job.describe()
    total = source.shape[0]
    estimator = UncertaintyEstimator.of_volume(
        lambda index: source.to_physical(source.read_stored(index), index),
        total,
        job.restorer,
        job.profile,
        strength=job.strength,
        inverted=inverted,
        progress=job.progress,
    )
    size = batch_length(*source.shape[1:])
    with ExitStack() as stack:
        written = {}
        for kind in KINDS:
            words = f"{kind.explanation}; {comment}"
            path = folder / f"{kind.name}.nii.gz"
            written[kind.name] = output.layout(
                stack.enter_context(nifti_writer(path, _plain(output.header), FLOAT, words, overwrite=False))
            )
        for start in range(0, total, size):
            indices = range(start, min(start + size, total))
            stored = [source.read_stored(index) for index in indices]
            original = [source.to_physical(each, index) for each, index in zip(stored, indices, strict=True)]
            maps = estimator.maps(np.stack(original))
            for place, index in enumerate(indices):
                image = source.is_image(stored[place], index)
                for kind in KINDS:
                    values = np.where(image, getattr(maps, kind.name)[place], 0)
                    source.slice_in(written[kind.name], index)[...] = values
            job.progress(Progress("estimating uncertainty", indices.stop, total, "slices"))


def _plain(header: Any) -> Any:
    """Return a copy without the scaling and the display range of the volume, which are not those of a map."""
    plain = header.copy()
    plain.set_slope_inter(1.0, 0.0)
    plain["cal_max"] = plain["cal_min"] = 0
    return plain
