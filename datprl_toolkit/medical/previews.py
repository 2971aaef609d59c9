"""What of a restored volume a person is shown at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.medical.profiles import CT_SOFT_TISSUE, PET_HIGHEST_SUV, PET_SUV
from datprl_toolkit.restoring import Comparison

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile

PET_SHOWN_SUV = 5.0  # the upper end of the grey scale at which PET is usually read


def compare_slice(
    original: npt.NDArray[np.float64], written: npt.NDArray[np.float64], profile: IntensityProfile, title: str
) -> Comparison:
    """Return a slice before and after, (rows, columns) in physical values, with a grey scale that shows something."""
    before, after = original.astype(np.float32), written.astype(np.float32)
    # All Hounsfield units at once would show no contrast; a PET window ends far above what most slices hold.
    shown = CT_SOFT_TISSUE if profile.windows else profile
    highest = shown.high * PET_SHOWN_SUV / PET_HIGHEST_SUV if shown.name == PET_SUV else shown.high
    brightest = float(np.nan_to_num(before, nan=0.0).max())
    high = min(highest, max(brightest, shown.low + 0.05 * shown.width))
    return Comparison(before, after, shown.low, high, profile.unit, title)
