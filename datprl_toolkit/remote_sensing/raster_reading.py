"""Rasters that GDAL reads: their description, and their windows."""

from __future__ import annotations

import logging
import math
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.formats import has_raster_content
from datprl_toolkit.remote_sensing.grid import Grid
from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.reading_composed import compose
from datprl_toolkit.remote_sensing.scene import Band, Scene, Tags
from datprl_toolkit.remote_sensing.storage import as_stored
from datprl_toolkit.remote_sensing.validity import valid_elements
from datprl_toolkit.remote_sensing.windows import as_rasterio, describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.reading_sources import SceneSource
    from datprl_toolkit.restoring.tiling import Window

# GDAL's messages reach people through our errors; without a handler Python would also print each to stderr.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

_OPENING = threading.Lock()
_TRANSIENT_DOMAINS = frozenset({"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "COLOR_PROFILE"})


@contextmanager
def quiet_opening() -> Iterator[None]:
    """Open a dataset without rasterio's warning that it has no georeference: a scene may well have none.

    Python's warning filters belong to the whole process, hence the lock.
    """
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def open_raster(path: Path, dataset: str = "") -> Any:  # rasterio has no types
    """Open a file for reading.

    Parameters
    ----------
    path
        The file, as messages name it.
    dataset
        What GDAL opens, if it is not that file.

    Raises
    ------
    InputError
        ``E_CORRUPT`` if the file begins like a raster but cannot be opened, ``E_MISSING`` if a remote one cannot,
        else ``E_UNKNOWN_FORMAT``.
    """
    try:
        with quiet_opening(), patient_environment(dataset):
            return rasterio.open(dataset or path.absolute())
    except RasterioError as error:
        if dataset.startswith("/vsi"):
            raise InputError(
                ErrorCode.MISSING,
                f"the remote file cannot be opened: {_shortened(error)}",
                where=path,
                remedy="Check the address, the network and, for a bucket, the credentials that GDAL reads",
            ) from error
        if has_raster_content(path):
            raise InputError(
                ErrorCode.CORRUPT,
                "the raster cannot be opened: its header is damaged or names files that are absent",
                where=path,
                remedy="Fetch it again, or check it with gdalinfo",
            ) from error
        raise InputError(
            ErrorCode.UNKNOWN_FORMAT,
            "the file is no raster that GDAL reads",
            where=path,
            remedy="Give a GeoTIFF, COG, VRT, JPEG 2000 or Zarr",
        ) from error


@contextmanager
def patient_environment(dataset: str) -> Iterator[None]:
    """Let GDAL try again where a remote file is read; for local ones nothing changes.

    Folders are not listed, which takes long in a bucket, but masks and overviews beside a file are still found.
    """
    if "/vsi" not in dataset:
        yield
        return
    with rasterio.Env(
        GDAL_HTTP_MAX_RETRY=3, GDAL_HTTP_RETRY_DELAY=1, GDAL_DISABLE_READDIR_ON_OPEN="TRUE", VSI_CACHE=True
    ):
        yield


def _shortened(error: Exception) -> str:
    """Return what GDAL says, without its own names of addresses."""
    return " ".join(str(error).replace("/vsicurl/", "").split())


def describe_dataset(source: SceneSource, *, nodata_given: bool = False) -> Scene:
    """Describe a remote raster, or several files as one; see :meth:`Scene.open`."""
    name = Path(source.name)
    if len(source.files) == 1:
        dataset = source.files[0]
    else:
        dataset = compose(source.files, lambda file: open_raster(Path(file), file if file.startswith("/vsi") else ""))
    return describe_raster(name, nodata_given=nodata_given, name=dataset, files=source.originals)


def describe_raster(path: Path, *, nodata_given: bool = False, name: str = "", files: tuple[Path, ...] = ()) -> Scene:
    """Describe a raster that GDAL reads, by its path or by what else GDAL calls it; see :meth:`Scene.open`."""
    with open_raster(path, name) as dataset:
        _check_supported(dataset, path, nodata_given=nodata_given)
        bands = tuple(_describe_band(dataset, number) for number in dataset.indexes)
        flags = {flag for band in bands if band.colour != "alpha" for flag in _mask_flags(dataset, band)}
        points, control_crs = dataset.gcps
        # Without a georeference GDAL answers with the identity.
        transform = None if dataset.transform == Affine.identity() else dataset.transform
        return Scene(
            path=path,
            grid=Grid(
                height=dataset.height,
                width=dataset.width,
                crs=dataset.crs,
                transform=transform,
                control_points=tuple(points),
                control_crs=(control_crs or None) if points else None,
                rpcs=dataset.rpcs,
            ),
            bands=bands,
            dtype=np.dtype(dataset.dtypes[0]),
            nodata=_nodata(dataset),
            has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
            tags=_tags(dataset),
            dataset=name,
            files=files,
        )


def _nodata(dataset: Any) -> float | None:
    """Return the nodata value as the pixels hold it; one that they cannot hold stays as it is written."""
    value: float | None = dataset.nodatavals[0]
    stored = as_stored(value, np.dtype(dataset.dtypes[0]))
    return value if stored is None else stored


def _mask_flags(dataset: Any, band: Band) -> list[MaskFlags]:
    flags: list[MaskFlags] = dataset.mask_flag_enums[band.number - 1]
    return flags


def _describe_band(dataset: Any, number: int) -> Band:
    place = number - 1
    return Band(
        number=number,
        description=dataset.descriptions[place] or "",
        colour=dataset.colorinterp[place].name,
        scale=dataset.scales[place],
        offset=dataset.offsets[place],
        unit=dataset.units[place] or "",
        tags=dict(dataset.tags(number)),
        other_domains=tuple(domain for domain in dataset.tag_namespaces(number) if _lasts(domain)),
    )


def _tags(dataset: Any) -> dict[str, Tags]:
    domains = {"": dict(dataset.tags())}
    for domain in dataset.tag_namespaces():
        if _lasts(domain):
            domains[domain] = dict(dataset.tags(ns=domain))
    return domains


def _lasts(domain: str) -> bool:
    """Tell whether a metadata domain says something of the image, and not of how just this file stores it."""
    return domain not in _TRANSIENT_DOMAINS and not domain.startswith("xml:")


def _check_supported(dataset: Any, path: Path, *, nodata_given: bool) -> None:
    """Raise ``E_UNSUPPORTED`` for what is a raster but no image that can be restored."""
    problem, remedy = "", ""
    if dataset.count == 0:
        problem = "the file holds several rasters and no bands of its own"
        remedy = "Choose one of them with gdal_translate"
    elif any(colour.name == "palette" for colour in dataset.colorinterp):
        problem = "its values are numbers of colours in a palette, which must not be mixed"
        remedy = "If it is a picture, convert it with: gdal_translate -expand rgb IN OUT"
    elif any(np.dtype(_numpy_name(name)).kind == "c" for name in dataset.dtypes):
        problem = "its values are complex numbers"
        remedy = "Restore their magnitude: compute it first, for example with gdal_calc.py"
    elif len(set(dataset.dtypes)) > 1:
        problem = f"its bands have different types: {', '.join(sorted(set(dataset.dtypes)))}"
        remedy = "Convert them to one type with gdal_translate -ot"
    elif not nodata_given and not _same(dataset.nodatavals):
        problem = "its bands have different nodata values"
        remedy = "Name the one that holds for all with --nodata"
    if problem:
        raise InputError(ErrorCode.UNSUPPORTED, problem, where=path, remedy=remedy)


def _numpy_name(name: str) -> str:
    return "complex64" if name == "complex_int16" else name


def _same(values: Sequence[float | None]) -> bool:
    first = values[0]
    return all(value == first or (_is_nan(value) and _is_nan(first)) for value in values)


def _is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)


class RasterReader:
    """Reads windows through GDAL, with one open file per thread, as GDAL requires."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._local = threading.local()
        self._opened: list[Any] = []
        self._lock = threading.Lock()

    def read(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Read bands in a window; see :class:`SceneReader`."""
        scene = self._scene
        with _read_errors(scene.path, window), patient_environment(scene.dataset):
            values = self._dataset().read(list(numbers), window=as_rasterio(window))
            mask = self._pixel_mask(window)
        return Pixels(values, valid_elements(values, scene.nodata, mask=mask))

    def read_mask(self, window: Window) -> npt.NDArray[np.uint8]:
        """Read the raster's own mask; see :class:`SceneReader`."""
        with _read_errors(self._scene.path, window), patient_environment(self._scene.dataset):
            return self._own_mask(window)

    def close(self) -> None:
        """Close the files of all threads."""
        with self._lock:
            for dataset in self._opened:
                dataset.close()
            self._opened.clear()

    def _own_mask(self, window: Window) -> npt.NDArray[np.uint8]:
        number = self._scene.image_bands[0].number
        mask: npt.NDArray[np.uint8] = self._dataset().read_masks(number, window=as_rasterio(window))
        return mask

    def _pixel_mask(self, window: Window) -> npt.NDArray[np.uint8] | None:
        mask = self._own_mask(window) if self._scene.has_mask else None
        if self._scene.alpha is None:
            return mask
        alpha = self._dataset().read(self._scene.alpha, window=as_rasterio(window))
        seen = np.where(alpha != 0, 255, 0).astype(np.uint8)
        return seen if mask is None else np.minimum(seen, mask)

    def _dataset(self) -> Any:
        dataset = getattr(self._local, "dataset", None)
        if dataset is None or dataset.closed:
            dataset = open_raster(self._scene.path, self._scene.dataset)
            self._local.dataset = dataset
            with self._lock:
                self._opened.append(dataset)
        return dataset

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _read_errors(path: Path, window: Window) -> Iterator[None]:
    try:
        yield
    except RasterioIOError as error:
        raise InputError(
            ErrorCode.CORRUPT,
            f"the raster is damaged or cut short: {describe(window)} cannot be read",
            where=path,
            remedy="Fetch it again, or check it with gdalinfo -checksum",
        ) from error
