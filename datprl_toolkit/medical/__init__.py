"""Restored CT, MR and PET series: read by geometry, exact where nothing changed, written as derived images."""

from datprl_toolkit.medical.options import DicomOptions
from datprl_toolkit.medical.reading import is_dicom
from datprl_toolkit.medical.restore import restore_dicom
from datprl_toolkit.medical.volume import Slice, Volume

__all__ = ["DicomOptions", "Slice", "Volume", "is_dicom", "restore_dicom"]
