"""Sample data: real images that come with installed packages, opened as a person would open their own."""

from __future__ import annotations

from pathlib import Path

from napari_datprl.layers import LayerData


def ct_slice() -> list[LayerData]:
    """Return a slice of a CT, 128 x 128, that comes with pydicom."""
    return _dicom("CT_small.dcm")


def mr_slice() -> list[LayerData]:
    """Return a slice of an MR, 64 x 64, that comes with pydicom."""
    return _dicom("MR_small.dcm")


def ct_series() -> list[LayerData]:
    """Return the largest CT series of the DICOMDIR that comes with pydicom."""
    layers = [layer for layer in _opened(Path(_file("dicomdirtests/DICOMDIR"))) if layer[1]["metadata"]["unit"] == "HU"]
    return [max(layers, key=lambda layer: layer[0].size)]


def _dicom(name: str) -> list[LayerData]:
    return _opened(Path(_file(name)))


def _opened(path: Path) -> list[LayerData]:
    from napari_datprl.reader import read_dicom

    return read_dicom(str(path))


def _file(name: str) -> str:
    """Return the place of a file that comes with pydicom.

    Raises
    ------
    InputError
        ``E_MISSING`` if this pydicom came without it.
    """
    from pydicom.data import get_testdata_file

    from datprl_toolkit.errors import ErrorCode, InputError

    found = get_testdata_file(name, download=False)
    if found is None:
        raise InputError(ErrorCode.MISSING, f"this pydicom came without '{name}'", remedy="Install pydicom 3 from PyPI")
    return str(found)
