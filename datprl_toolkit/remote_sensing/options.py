"""What a person can choose when a scene is restored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from datprl_toolkit.errors import ErrorCode, OptionError

OtherBands = Literal["copy", "drop"]
ResolvedContext = Literal["scene", "field", "local", "tile"]
ContextMode = Literal["auto", "scene", "field", "local", "tile"]
OnError = Literal["fail", "nodata", "passthrough"]
ZarrProfile = Literal["default", "qgis", "legacy"]
Product = Literal["restored", "deviation"]
LARGEST_SCALE = 4
_CLUSTER = re.compile(r"local:[1-9][0-9]{0,2}|[a-z]+://\S+")


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
        The bands to restore, three as red, green, blue, or one: numbers, counted from 1, or names. None to find them.
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
    resume
        Go on with what an earlier run of the same job left unfinished; begin where there is nothing.
    on_error
        What a block of the scene that cannot be read does, after three retries: "fail" ends the job; with "nodata"
        it becomes no data and what surrounds it is restored; with "passthrough" it becomes no data and the tiles
        that would have looked at it are copied as they are.
    zarr_profile
        Which readers a Zarr store is for: "default" is sharded Zarr 3, "qgis" Zarr 3 without shards (GDAL from 3.12
        on), "legacy" Zarr 2 (older GDAL).
    cluster
        Where the shards are done: None in threads of this process, "local:N" in N processes of this machine, or the
        address of a Dask scheduler such as "tcp://host:8786", whose workers must see the same files.
    context
        From what the prompt and the global statistics of the network are computed: from a sample of the whole
        "scene", once for all tiles, so that they fit without a seam; at up to 4 x 4 places of it, for a "field" that
        is interpolated at every pixel; "local", for each tile from the 256 pixels around it too; or each "tile" alone,
        as networks with global attention are mostly run. "auto" is "field", and "scene" where an ONNX file or a context
        that scenes share allows no field.
    stac
        Whether a STAC item is written beside the output, under its name with the ending .json.
    product
        What is written: the "restored" scene; or, for each restored band, the standard "deviation" of what is
        restored over the four flips of the scene, in stored values as float32: what the image determines does not
        depend on how it lies. It takes four times the time.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a value that cannot be used.
    """

    strength: float = 1.0
    overwrite: bool = False
    bands: tuple[int | str, ...] | None = None
    other_bands: OtherBands = "copy"
    scaling: str | None = None
    scale: int = 1
    tile: int = 512
    halo: int = 64
    nodata: float | None = None
    resume: bool = False
    on_error: OnError = "fail"
    zarr_profile: ZarrProfile = "default"
    cluster: str | None = None
    context: ContextMode = "auto"
    stac: bool = False
    product: Product = "restored"

    def __post_init__(self) -> None:
        _check(0.0 <= self.strength <= 1.0, "strength", self.strength, "a share from 0 to 1")
        _check(
            self.bands is None or len(self.bands) in {1, 3}, "bands", self.bands, "one band, or three as red,green,blue"
        )
        _check(self.bands is None or len(set(self.bands)) == len(self.bands), "bands", self.bands, "different bands")
        _check(self.other_bands in get_args(OtherBands), "other_bands", self.other_bands, "copy or drop")
        _check(self.context in get_args(ContextMode), "context", self.context, "auto, scene, field, local or tile")
        _check(self.on_error in get_args(OnError), "on_error", self.on_error, "fail, nodata or passthrough")
        _check(self.product in get_args(Product), "product", self.product, "restored or deviation")
        _check(self.zarr_profile in get_args(ZarrProfile), "zarr_profile", self.zarr_profile, "default, qgis or legacy")
        _check(
            self.cluster is None or _CLUSTER.fullmatch(self.cluster) is not None,
            "cluster",
            self.cluster,
            "local:2, or the address of a scheduler such as tcp://host:8786",
        )
        _check(self.scale in range(1, LARGEST_SCALE + 1), "scale", self.scale, "1, 2, 3 or 4")
        _check(self.tile >= 1, "tile", self.tile, "at least 1 pixel")
        _check(self.halo >= 0, "halo", self.halo, "0 pixels or more")


def _check(holds: bool, option: str, value: object, needed: str) -> None:
    if not holds:
        raise OptionError(ErrorCode.OPTION, f"{option} must be {needed}, not {value}", where=option)
