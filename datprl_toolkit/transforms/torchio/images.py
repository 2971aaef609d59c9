"""DICOM series as TorchIO images, with what TorchIO's own reader loses: slopes of PET slices, unit, modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torchio import ScalarImage

from datprl_toolkit.transforms.series import read_series

if TYPE_CHECKING:
    from pathlib import Path


def load_series(path: str | Path, series: str | None = None) -> ScalarImage:
    """Read a CT, MR or PET series as an image with its modality and unit, which the transforms of this room go by.

    Parameters
    ----------
    path, series
        As for :func:`~datprl_toolkit.transforms.series.read_series`.

    Returns
    -------
    Image of (1, columns, rows, slices) in HU, Bq/ml, SUV or stored units; what is known besides stands in it by name,
    such as ``image["modality"]``.
    """
    found = read_series(path, series)
    return ScalarImage(tensor=torch.from_numpy(found.values[None]), affine=found.affine, **found.metadata)
