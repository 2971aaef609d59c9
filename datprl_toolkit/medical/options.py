"""What a person may choose when a DICOM series is restored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.medical.enlarging import SCALES, check_scale
from datprl_toolkit.medical.private_tags import PrivatePolicy
from datprl_toolkit.medical.profiles import CtWindow
from datprl_toolkit.medical.quantity import SuvType

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

ErrorPolicy = Literal["fail", "skip"]


@dataclass(frozen=True, slots=True)
class DicomOptions:
    """Choices for :func:`~datprl_toolkit.medical.restore.restore_dicom`.

    Parameters
    ----------
    strength
        Share of the network's change that is applied, from 0 to 1.
    overwrite
        Replace an existing output.
    all_series
        Restore every volume that was found, each into a folder of its own.
    series
        Which of several volumes to restore: its number in the list, or its SeriesInstanceUID.
    private
        Private attributes to carry over: "keep" all, "quant" those that SUV and scaling need, or "drop" all.
    on_error
        "fail" stops at the first broken file; "skip" leaves it out with a warning.
    uncertainty
        A folder for maps of uncertainty as DICOM Parametric Maps; None for none.
    ct_window
        "soft-tissue", -160 to 240 HU, or "wide", -1360 to 1440 HU in overlapping windows of the same width.
    scale
        By what the grid of an MR series is enlarged before it is restored: 1, 2 or 4.
    suv
        Kind of SUV in which a PET series is written as NIfTI; None for the values of the scanner.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    strength: float = 1.0
    overwrite: bool = False
    all_series: bool = False
    series: str | None = None
    private: PrivatePolicy = "quant"
    on_error: ErrorPolicy = "fail"
    uncertainty: Path | None = None
    ct_window: CtWindow = "soft-tissue"
    suv: SuvType | None = None
    scale: int = 1

    def __post_init__(self) -> None:
        check_strength(self.strength)
        _check_choice("private", self.private, get_args(PrivatePolicy))
        _check_choice("on_error", self.on_error, get_args(ErrorPolicy))
        _check_choice("ct_window", self.ct_window, get_args(CtWindow))
        if self.scale not in SCALES:
            check_scale(self.scale, "MR")
        if self.suv is not None:
            _check_choice("suv", self.suv, get_args(SuvType))
        if self.all_series and self.series is not None:
            raise OptionError(ErrorCode.OPTION, "all series and one series cannot both be chosen", where="series")

    @property
    def skip_errors(self) -> bool:
        """Whether broken files are left out."""
        return self.on_error == "skip"


def _check_choice(name: str, chosen: str, allowed: Collection[str]) -> None:
    if chosen not in allowed:
        raise OptionError(ErrorCode.OPTION, f"'{chosen}' is none of {', '.join(allowed)}", where=name)
