"""Images of data sets as arrays for training: pictures, DICOM and NIfTI slices, NumPy files."""

from datprl_toolkit.datasets.reading import Place, expand_volume, read_place, read_size

__all__ = ["Place", "expand_volume", "read_place", "read_size"]
