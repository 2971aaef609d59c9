"""Between MONAI's tensors and our arrays: values, affine and metadata out, result back in kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.utils import convert_to_dst_type, convert_to_numpy

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

Image = torch.Tensor | np.ndarray[Any, Any]
"""What MONAI's array transforms take: channel first; MetaTensor, tensor or numpy array."""

FLIP_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def image_values(image: Image) -> npt.NDArray[Any]:
    """Return the values of an image as a numpy array."""
    values: npt.NDArray[Any] = convert_to_numpy(image)
    return values


def image_geometry(image: Image, metadata: Mapping[str, Any] | None = None) -> npt.NDArray[np.float64] | None:
    """Return the affine (4, 4) of an image, RAS+, or None if it has none."""
    if not isinstance(image, MetaTensor):
        return None
    return as_ras(image.affine.cpu().numpy(), image.meta if metadata is None else metadata)


def as_ras(affine: npt.NDArray[Any], metadata: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return an affine with its axes to the right, to the front and to the head, whatever the reader was told."""
    space = metadata.get("space", "")
    named = str(space[0] if isinstance(space, list | tuple) and space else space)
    matrix = np.asarray(affine, dtype=np.float64)
    return FLIP_TO_RAS @ matrix if named.rsplit(".", 1)[-1].upper() == "LPS" else matrix


def image_metadata(image: Image) -> Mapping[str, Any]:
    """Return what is known of an image besides its affine."""
    return image.meta if isinstance(image, MetaTensor) else {}


def like(values: npt.NDArray[np.float32], image: Image) -> Image:
    """Return values as what `image` is, on its device and with its metadata, in float32."""
    result: Image = convert_to_dst_type(np.ascontiguousarray(values), image, dtype=np.float32)[0]
    return result
