"""Restored CT, MR and PET series: read by geometry, exact where nothing changed, written as derived images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.reading import is_dicom
from datprl_toolkit.medical.volume import Slice, Volume

if TYPE_CHECKING:
    from datprl_toolkit.medical.restore import restore_dicom

__all__ = ["DicomOptions", "Slice", "Volume", "is_dicom", "restore_dicom"]


def __getattr__(name: str) -> object:
    """Load what needs torch when it is first used, so that looking at a series stays light."""
    if name != "restore_dicom":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from datprl_toolkit.medical.restore import restore_dicom

    return restore_dicom
