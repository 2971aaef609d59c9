"""A scene: what a georeferenced raster is, known without reading its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, unreadable
from datprl_toolkit.remote_sensing.formats import has_tiff_content, is_tiff_name, is_zarr
from datprl_toolkit.remote_sensing.reading_sources import locate
from datprl_toolkit.remote_sensing.storage import as_stored

if TYPE_CHECKING:
    import numpy as np

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.remote_sensing.reading import SceneReader

Tags = dict[str, str]


@dataclass(frozen=True, slots=True)
class Band:
    """One band of a scene.

    Parameters
    ----------
    number
        Counted from 1, as GDAL does.
    description
        Name of the band, such as "B04"; empty if it has none.
    colour
        Colour interpretation in GDAL's words: "red", "gray", "alpha", "undefined", ...
    scale, offset
        Physical value = scale * stored value + offset.
    unit
        Unit of the physical value; empty if unknown.
    tags
        The band's own metadata, of the default domain.
    other_domains
        Names of further metadata domains of the band, which no output keeps.
    """

    number: int
    description: str = ""
    colour: str = "undefined"
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    tags: Tags = field(default_factory=dict)
    other_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A georeferenced raster, opened lazily: everything about it but its pixels.

    Parameters
    ----------
    path
        The file or store.
    grid
        Size and georeference.
    bands
        All bands, in the order of the file.
    dtype
        Type of the stored values, the same for all bands.
    nodata
        Stored value that marks absent data, as the file gives it or as an option overrides it.
    has_mask
        True if the raster has a mask of its own, inside the file or beside it.
    tags
        Metadata of the whole raster, by domain; the default domain is ``""``.
    dataset
        What GDAL opens where that is not `path`: an address, or a virtual raster of several files.
    files
        The files of this machine that `dataset` is read from.
    acquisition
        When and with what it was taken, if a STAC item or the names of a product say so; see :class:`StacItem`.
    """

    path: Path
    grid: Grid
    bands: tuple[Band, ...]
    dtype: np.dtype[Any]
    nodata: float | None = None
    has_mask: bool = False
    tags: dict[str, Tags] = field(default_factory=dict)
    dataset: str = ""
    files: tuple[Path, ...] = ()
    acquisition: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, *, nodata: float | None = None) -> Scene:
        """Read what a raster is: GeoTIFF, COG, VRT, JPEG 2000 and the other formats of GDAL, or a Zarr store.

        Parameters
        ----------
        path
            A file, or the folder of a Zarr store; several files, separated by commas, as the bands of one scene; an
            address (``https://``, ``s3://`` and what else GDAL reads remotely); the folder of a Sentinel-2, HLS or
            Landsat product; a STAC item.
        nodata
            Replaces the raster's own nodata value.

        Raises
        ------
        InputError
            ``E_MISSING``, ``E_EMPTY``, ``E_UNKNOWN_FORMAT``, ``E_CORRUPT``, ``E_UNSUPPORTED`` for palettes,
            complex values, and bands of several types or nodata values, ``E_GEOMETRY`` for files that do not cover
            the same ground, or ``E_AMBIGUOUS`` for a STAC item in which several assets could be meant.
        OptionError
            ``E_OPTION`` if no pixel could have the value `nodata`.
        """
        source = locate(path)
        # A STAC item with one raster is that raster, also where its name is needed to open it again.
        path = Path(source.files[0] if source.is_local_file else source.name)
        for original in source.originals:
            try:
                _check_file(original)
            except OSError as error:
                raise unreadable(original, error) from error
        if not source.is_local_file:
            from datprl_toolkit.remote_sensing.raster_reading import describe_dataset

            scene = describe_dataset(source, nodata_given=nodata is not None)
        elif is_zarr(path):
            from datprl_toolkit.remote_sensing.zarr_reading import describe_zarr

            scene = describe_zarr(path)
        else:
            from datprl_toolkit.remote_sensing.raster_reading import describe_raster

            scene = describe_raster(path, nodata_given=nodata is not None)
        scene = replace(scene, acquisition=source.acquisition)
        return scene if nodata is None else scene._with_nodata(nodata)

    def reader(self) -> SceneReader:
        """Return what reads windows of the scene, from any number of threads; use it in a ``with`` statement."""
        if not self.dataset and is_zarr(self.path):
            from datprl_toolkit.remote_sensing.zarr_reading import ZarrReader

            return ZarrReader(self)
        from datprl_toolkit.remote_sensing.raster_reading import RasterReader

        return RasterReader(self)

    @property
    def alpha(self) -> int | None:
        """Number of the alpha band; None if there is none."""
        return next((band.number for band in self.bands if band.colour == "alpha"), None)

    @property
    def image_bands(self) -> tuple[Band, ...]:
        """The bands that hold an image: all but alpha."""
        return tuple(band for band in self.bands if band.colour != "alpha")

    def band(self, number: int) -> Band:
        """Return the band with a number counted from 1."""
        return self.bands[number - 1]

    def _with_nodata(self, nodata: float) -> Scene:
        if as_stored(nodata, self.dtype) is None:
            raise OptionError(
                ErrorCode.OPTION,
                f"nodata {nodata:g} is no value that {self.dtype} pixels can have",
                where=self.path,
                remedy="Give a value of the pixels' own type",
            )
        return replace(self, nodata=as_stored(nodata, self.dtype))


def _check_file(path: Path) -> None:
    """Raise the error that says more than GDAL would about a path that cannot be a raster."""
    if not path.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file", where=path, remedy="Check the name and the folder")
    if path.is_dir():
        if not is_zarr(path):
            raise InputError(
                ErrorCode.UNKNOWN_FORMAT,
                "a folder that is no Zarr store",
                where=path,
                remedy="Give one raster file, or a store that ends in .zarr",
            )
        return
    if path.stat().st_size == 0:
        raise InputError(ErrorCode.EMPTY, "the file is empty", where=path, remedy="Fetch it again")
    # What tells formats apart takes a file that may not be read for one of another format.
    with path.open("rb"):
        pass
    if is_tiff_name(path) and not has_tiff_content(path):
        raise InputError(
            ErrorCode.UNKNOWN_FORMAT,
            "the file is named like a TIFF but its content is not one",
            where=path,
            remedy="Check what it is with the command 'file'",
        )
