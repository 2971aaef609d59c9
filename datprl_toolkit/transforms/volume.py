"""Restoring a volume in memory: the one function behind the MONAI and the TorchIO transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.restoring.stack import restore_stack
from datprl_toolkit.transforms.arrangement import UNKNOWN_AFFINE, arrange
from datprl_toolkit.transforms.windows import check_volume_task, choose_volume_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.transforms.windows import ProfileChoice


def restore_volume(
    values: npt.NDArray[np.generic],
    restorer: Restorer,
    *,
    affine: npt.ArrayLike | None = None,
    metadata: Mapping[str, Any] | None = None,
    profile: ProfileChoice = "auto",
    strength: float = 1.0,
    slice_axis: int | None = None,
    told: Callable[[IntensityProfile], object] = lambda profile: None,
) -> npt.NDArray[np.float32]:
    """Restore a volume slice by slice under one context, as its series would be restored as DICOM.

    Parameters
    ----------
    values
        (C, X, Y, Z), physical values; each channel is a volume of its own.
    restorer
        The network.
    affine
        (4, 4), from index to mm, RAS+; None for an array whose axes are columns, rows, slices.
    metadata
        What is known besides: "modality", "unit", "suv_factor", "padding" (smallest and largest value that means "no
        image here"), "inverted" (small values shown bright), "image_orientation_patient" of the source.
    profile
        See :func:`~datprl_toolkit.transforms.windows.choose_volume_profile`.
    strength
        Share of the change that is applied, 0 to 1.
    slice_axis
        See :func:`~datprl_toolkit.transforms.arrangement.arrange`.
    told
        Called with the profile of each channel.

    Returns
    -------
    float32 array of the same shape. Outside the window, in padding and at NaN exactly the given values.

    Raises
    ------
    DatprlError
        With the codes that :mod:`datprl_toolkit.errors` explains.
    """
    known = metadata or {}
    check_volume_task(profile, known, restorer.card)
    check_volume(values)
    arrangement = arrange(
        UNKNOWN_AFFINE if affine is None else affine,
        slice_axis=slice_axis,
        orientation=known.get("image_orientation_patient"),
    )
    result = np.empty(values.shape, dtype=np.float32)
    for channel, volume in enumerate(values):
        stack = arrangement.to_stack(volume.astype(np.float32, copy=False))
        padding = padding_mask(stack, known)
        window = choose_volume_profile(profile, stack, known, padding)
        told(window)
        restored = restore_stack(
            stack, restorer, window, strength=strength, inverted=bool(known.get("inverted", False)), padding=padding
        )
        result[channel] = arrangement.from_stack(restored)
    return result


def check_volume(values: npt.NDArray[np.generic]) -> None:
    """Raise ``E_UNSUPPORTED`` unless an array is (C, X, Y, Z), not empty, of real numbers."""
    real = np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)
    if values.ndim != 4 or 0 in values.shape or not real:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"a volume has the shape (C, X, Y, Z) and real values, not {values.shape} of {values.dtype}",
            remedy="Put the channel first; a single slice has the shape (C, X, Y, 1)",
        )


def padding_mask(values: npt.NDArray[np.floating], metadata: Mapping[str, Any]) -> npt.NDArray[np.bool_] | None:
    """Return where there is no image, or None if the metadata do not say what marks it."""
    if "padding" not in metadata:
        return None
    low, high = (float(end) for end in metadata["padding"])
    mask: npt.NDArray[np.bool_] = (values >= low) & (values <= high)
    return mask
