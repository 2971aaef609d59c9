"""Words that options of series take on the command line."""

from __future__ import annotations

from enum import StrEnum


class CtWindow(StrEnum):
    """Which Hounsfield units of a CT are restored."""

    soft_tissue = "soft-tissue"
    wide = "wide"


class Suv(StrEnum):
    """Kind of standardised uptake, by DICOM's own names in small letters."""

    bw = "bw"
    lbmjanma = "lbmjanma"
    lbmjames128 = "lbmjames128"
    bsa = "bsa"
