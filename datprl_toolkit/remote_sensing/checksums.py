"""The checksum of a piece of a scene: of its pixels as they are stored, whatever the file compresses them to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def pixel_checksum(values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None = None) -> str:
    """Return the SHA-256 of pixels, in hexadecimal digits.

    Parameters
    ----------
    values
        (C, H, W) in the stored type; hashed in this order, in little-endian bytes.
    mask
        (H, W), 0 where invalid; hashed after the values as bytes of 0 and 1.
    """
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    digest = hashlib.sha256(little.view(np.uint8).data if little.size else b"")
    if mask is not None:
        digest.update(np.ascontiguousarray(mask != 0).view(np.uint8).data)
    return digest.hexdigest()
