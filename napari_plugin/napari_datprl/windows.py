"""Windows: which values are shown black and white, by the names that readers of images use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Window = tuple[float, float]

WINDOWS: dict[str, dict[str, Window]] = {
    "HU": {
        "Soft tissue": (-160.0, 240.0),
        "Lung": (-1350.0, 150.0),
        "Bone": (-700.0, 1300.0),
        "Brain": (0.0, 80.0),
    },
    "SUV": {"SUV 0-5": (0.0, 5.0), "SUV 0-10": (0.0, 10.0)},
}
"""By unit and name; ends in that unit. Width 400 level 40, 1500/-600, 2000/300, 80/40."""
WIDEST_SHARE = 99.9  # percentile of the shown values that an unknown quantity's window reaches


def windows_for(unit: str, suv_factor: float | None = None) -> dict[str, Window]:
    """Return the named windows for values of a unit.

    Parameters
    ----------
    unit
        "HU", "SUV", "Bq/ml" or another.
    suv_factor
        Factor from the values to SUV; with it the windows in SUV serve activity too.
    """
    if unit in WINDOWS:
        return WINDOWS[unit]
    if suv_factor:
        return {name: (low / suv_factor, high / suv_factor) for name, (low, high) in WINDOWS["SUV"].items()}
    return {}


def full_window(values: npt.NDArray[np.floating]) -> Window:
    """Return a window that holds nearly all values: minimum to 99.9th percentile, never empty."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(np.percentile(finite, WIDEST_SHARE))
    if low < high:
        return low, high
    return (low, float(finite.max())) if low < float(finite.max()) else (low, low + 1.0)
