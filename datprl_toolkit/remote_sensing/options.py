"""What a person can choose when a scene is restored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from datprl_toolkit.errors import ErrorCode, OptionError

OtherBands = Literal["copy", "drop"]
LARGEST_SCALE = 4


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """How a scene is restored.

    Parameters
    ----------
    strength
        Share of the network's change that is applied, 0 to 1.
    overwrite
        Whether an existing output may be replaced.
    bands
        Numbers of the bands to restore, counted from 1: three as red, green, blue, or one. None to find them.
    other_bands
        "copy" keeps the other bands as they are, on the same grid; "drop" leaves them out.
    scaling
        How stored values are mapped to [0, 1]: "uint8", "reflectance:QUANTIFICATION[,offset:OFFSET]",
        "minmax:LOW,HIGH" or "percentile"; None chooses by type.
    scale
        Enlargement of both axes, 1 to 4.
    tile, halo
        Size of the tiles that the network sees, and how far each looks beyond its edge, in pixels of the output.
    nodata
        Replaces the scene's own nodata value.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    strength: float = 1.0
    overwrite: bool = False
    bands: tuple[int, ...] | None = None
    other_bands: OtherBands = "copy"
    scaling: str | None = None
    scale: int = 1
    tile: int = 512
    halo: int = 64
    nodata: float | None = None

    def __post_init__(self) -> None:
        _check(0.0 <= self.strength <= 1.0, "strength", self.strength, "a share from 0 to 1")
        _check(
            self.bands is None or len(self.bands) in {1, 3}, "bands", self.bands, "one band, or three as red,green,blue"
        )
        _check(self.bands is None or len(set(self.bands)) == len(self.bands), "bands", self.bands, "different bands")
        _check(self.other_bands in get_args(OtherBands), "other_bands", self.other_bands, "copy or drop")
        _check(self.scale in range(1, LARGEST_SCALE + 1), "scale", self.scale, "1, 2, 3 or 4")
        _check(self.tile >= 1, "tile", self.tile, "at least 1 pixel")
        _check(self.halo >= 0, "halo", self.halo, "0 pixels or more")


def _check(holds: bool, option: str, value: object, needed: str) -> None:
    if not holds:
        raise OptionError(ErrorCode.OPTION, f"{option} must be {needed}, not {value}", where=option)
