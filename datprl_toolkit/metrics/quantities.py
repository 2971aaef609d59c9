"""Differences in the unit of the values: Hounsfield units, activity, standardised uptake."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, OptionError

Float64Array = npt.NDArray[np.float64]


def rmse(image: Float64Array, reference: Float64Array, inside: npt.NDArray[np.bool_] | None = None) -> float:
    """Root mean square error, in the unit of the values.

    Parameters
    ----------
    image, reference
        Arrays of one shape, in one unit.
    inside
        Which pixels count; None for all.

    Returns
    -------
    The error; NaN where no pixel counts.

    Raises
    ------
    OptionError
        ``E_OPTION`` if the shapes differ.
    """
    difference = _difference(image, reference, inside)
    return float(np.sqrt(np.mean(difference**2))) if difference.size else float("nan")


def bias(image: Float64Array, reference: Float64Array, inside: npt.NDArray[np.bool_] | None = None) -> float:
    """Mean of ``image - reference``, in the unit of the values; parameters as for :func:`rmse`."""
    difference = _difference(image, reference, inside)
    return float(np.mean(difference)) if difference.size else float("nan")


def _difference(image: Float64Array, reference: Float64Array, inside: npt.NDArray[np.bool_] | None) -> Float64Array:
    if image.shape != reference.shape or (inside is not None and inside.shape != image.shape):
        raise OptionError(ErrorCode.OPTION, f"arrays of one shape are needed, not {image.shape} and {reference.shape}")
    difference = image.astype(np.float64) - reference.astype(np.float64)
    return difference.ravel() if inside is None else difference[inside]
