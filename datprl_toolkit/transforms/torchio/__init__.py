"""TorchIO: transforms with history and replay, and DICOM series as images, to be used like TorchIO's own."""

from datprl_toolkit.transforms.torchio.degradations import (
    Degradation,
    RandomBicubicLowResolution,
    RandomKSpaceTruncation,
    RandomLowCountPET,
    RandomLowDoseCT,
)
from datprl_toolkit.transforms.torchio.images import load_series
from datprl_toolkit.transforms.torchio.restore import Restore

__all__ = [
    "Degradation",
    "RandomBicubicLowResolution",
    "RandomKSpaceTruncation",
    "RandomLowCountPET",
    "RandomLowDoseCT",
    "Restore",
    "load_series",
]
