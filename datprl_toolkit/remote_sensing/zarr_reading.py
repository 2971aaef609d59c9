"""Zarr stores as scenes: our own, and others with the CF georeference that rioxarray and GDAL write."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import zarr
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.remote_sensing.grid import Grid
from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.scene import Band, Scene
from datprl_toolkit.remote_sensing.validity import valid_elements
from datprl_toolkit.remote_sensing.windows import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    import numpy.typing as npt

    from datprl_toolkit.restoring.tiling import Window

_ARRAY = "restored"
_MASK = "mask"
_ROWS = ("y", "lat", "latitude", "row", "northing")
_COLUMNS = ("x", "lon", "longitude", "column", "easting")
_TIMES = ("time", "t", "date")


def describe_zarr(path: Path) -> Scene:
    """Describe a Zarr store with one image in it; see :meth:`Scene.open`."""
    with _store_errors(path, "its metadata are damaged"):
        group, name = _image(path)
        array = group[name]
        _check_axes(path, array)
        attributes = dict(array.attrs)
        mapping = _grid_mapping(group, attributes)
        dtype = np.dtype(array.dtype).newbyteorder("=")
        if dtype.kind not in "iuf":
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"values of the type {dtype} are no image",
                where=path,
                remedy="Convert them to integers or floating point",
            )
        count = array.shape[0] if array.ndim == 3 else 1
        return Scene(
            path=path,
            grid=_grid(group, array, mapping),
            bands=tuple(_band(attributes, place) for place in range(count)),
            dtype=dtype,
            nodata=_nodata(array, attributes, dtype),
            has_mask=_is_mask(group),
            tags={domain: dict(items) for domain, items in attributes.get("raster_tags", {}).items()},
        )


def chunk_shape(path: Path) -> tuple[int, int]:
    """Return height and width of what the image of a store is compressed in."""
    with _store_errors(path, "its metadata are damaged"):
        group, name = _image(path)
        height, width = group[name].chunks[-2:]
        return int(height), int(width)


def _image(path: Path) -> tuple[Any, str]:
    """Return the store and the name of the array in it that holds the image."""
    group = zarr.open(path, mode="r")
    if not isinstance(group, zarr.Group):
        raise InputError(
            ErrorCode.UNSUPPORTED,
            "the store is a bare array without coordinates",
            where=path,
            remedy="Give a store as xarray or GDAL writes it",
        )
    arrays: dict[str, Any] = dict(group.arrays())
    candidates = [name for name, array in arrays.items() if array.ndim in {2, 3} and name != _MASK]
    if _ARRAY in candidates:
        return group, _ARRAY
    if len(candidates) != 1:
        names = ", ".join(sorted(candidates)) or "none"
        raise InputError(
            ErrorCode.AMBIGUOUS,
            f"a store with one image of two or three dimensions is needed; this one has: {names}",
            where=path,
            remedy="Write the one to restore into a store of its own",
        )
    return group, candidates[0]


def _axes(array: Any) -> tuple[str, ...]:
    """Return the names of an array's axes, none where the store has none."""
    found = array.metadata.dimension_names if array.metadata.zarr_format == 3 else array.attrs.get("_ARRAY_DIMENSIONS")
    return tuple(str(name) for name in found or ())


def _check_axes(path: Path, array: Any) -> None:
    """Raise ``E_UNSUPPORTED`` if the names of the axes tell that they are not bands, rows and columns."""
    names = _axes(array)
    places = {name.lower(): place - len(names) for place, name in enumerate(names)}
    turned = any(places.get(name, -2) != -2 for name in _ROWS) or any(places.get(name, -1) != -1 for name in _COLUMNS)
    dates = len(names) == 3 and names[0].lower() in _TIMES and array.shape[0] > 1
    if turned or dates:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"an image has bands, rows and columns in this order; this one has {', '.join(names)}",
            where=path,
            remedy="Choose one date" if dates else "Transpose it, in xarray with .transpose(band, y, x)",
        )


def _is_mask(group: Any) -> bool:
    return _MASK in group and "flag_meanings" in group[_MASK].attrs


def _grid_mapping(group: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    name = attributes.get("grid_mapping", "spatial_ref")
    return dict(group[name].attrs) if name in group else {}


def _grid(group: Any, array: Any, mapping: dict[str, Any]) -> Grid:
    wkt = mapping.get("crs_wkt") or mapping.get("spatial_ref")
    crs = CRS.from_wkt(wkt) if wkt else None
    features = json.loads(mapping["gcps"])["features"] if "gcps" in mapping else []
    points = tuple(_control_point(feature) for feature in features)
    return Grid(
        height=array.shape[-2],
        width=array.shape[-1],
        crs=None if points else crs,
        transform=None if points else _transform(group, array, mapping),
        control_points=points,
        control_crs=crs if points else None,
        rpcs=RPC(**json.loads(mapping["rpcs"])) if "rpcs" in mapping else None,
    )


def _control_point(feature: dict[str, Any]) -> GroundControlPoint:
    properties, place = feature["properties"], feature["geometry"]["coordinates"]
    return GroundControlPoint(
        row=properties["row"],
        col=properties["col"],
        x=place[0],
        y=place[1],
        z=place[2] if len(place) > 2 else None,
        id=properties.get("id"),
        info=properties.get("info"),
    )


def _transform(group: Any, array: Any, mapping: dict[str, Any]) -> Affine | None:
    """Return the transform that is written out, or else the one that evenly spaced coordinates imply."""
    if "GeoTransform" in mapping:
        return Affine.from_gdal(*(float(number) for number in mapping["GeoTransform"].split()))
    names = _axes(array)
    if not names or any(name not in group or group[name].shape[0] < 2 for name in names[-2:]):
        return None
    y, x = (np.asarray(group[name][:2], np.float64) for name in names[-2:])
    return Affine(x[1] - x[0], 0, x[0] - (x[1] - x[0]) / 2, 0, y[1] - y[0], y[0] - (y[1] - y[0]) / 2)


def _band(attributes: dict[str, Any], place: int) -> Band:
    names = attributes.get("long_name", [])
    described = isinstance(names, list) and place < len(names) and names[place] != f"band {place + 1}"

    def entry(key: str, default: Any) -> Any:
        values = attributes.get(key, [])
        return values[place] if place < len(values) else default

    return Band(
        number=place + 1,
        description=names[place] if described else "",
        colour=entry("band_colours", "undefined"),
        scale=entry("band_scales", attributes.get("scale_factor", 1.0)),
        offset=entry("band_offsets", attributes.get("add_offset", 0.0)),
        unit=entry("band_units", attributes.get("units", "")),
        tags=dict(entry("band_tags", {})),
    )


def _nodata(array: Any, attributes: dict[str, Any], dtype: np.dtype[np.generic]) -> float | None:
    """Return the value of ``_FillValue``, which in Zarr 2 is the fill value of the array itself."""
    value = attributes.get("_FillValue", array.fill_value if array.metadata.zarr_format == 2 else None)
    if isinstance(value, str):  # xarray keeps floating-point values exact in base 64
        value = "nan" if value.lower() == "nan" else struct.unpack("<d", base64.standard_b64decode(value))[0]
    if value is None:
        return None
    return int(value) if dtype.kind in "iu" else float(value)


class ZarrReader:
    """Reads windows of a Zarr store; see :class:`SceneReader`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        with _store_errors(scene.path, "its metadata are damaged"):
            group, name = _image(scene.path)
            self._array = group[name]
            self._mask = group[_MASK] if scene.has_mask else None

    def read(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Read bands in a window; see :class:`SceneReader`."""
        rows, columns = window.slices
        with _store_errors(self._scene.path, f"{describe(window)} cannot be read"):
            if self._array.ndim == 2:
                values = self._array[rows, columns][None]
            else:
                first = min(numbers) - 1  # a chunk holds all bands, and plain slices are much the quickest
                read = self._array[first : max(numbers), rows, columns]
                values = read if list(numbers) == _run(numbers) else read[[number - 1 - first for number in numbers]]
            return Pixels(values, valid_elements(values, self._scene.nodata, mask=self._pixel_mask(window)))

    def read_mask(self, window: Window) -> npt.NDArray[np.uint8]:
        """Read the store's own mask; see :class:`SceneReader`."""
        if self._mask is None:
            raise ValueError("the scene has no mask")
        mask: npt.NDArray[np.uint8] = np.asarray(self._mask[window.slices])
        return mask

    def close(self) -> None:
        """Do nothing: a Zarr store has no file that stays open."""

    def _pixel_mask(self, window: Window) -> npt.NDArray[np.uint8] | None:
        mask = None if self._mask is None else self.read_mask(window)
        alpha = self._scene.alpha
        if alpha is None:
            return mask
        rows, columns = window.slices
        seen: npt.NDArray[np.uint8] = np.where(self._array[alpha - 1, rows, columns] != 0, 255, 0).astype(np.uint8)
        return seen if mask is None else np.minimum(seen, mask)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _run(numbers: Sequence[int]) -> list[int]:
    """Return the whole numbers from the smallest to the largest of `numbers`."""
    return list(range(min(numbers), max(numbers) + 1))


@contextmanager
def _store_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except DatprlError:
        raise
    except Exception as error:  # codecs, JSON and storage each have errors of their own
        raise InputError(
            ErrorCode.CORRUPT, f"the Zarr store is damaged: {what}", where=path, remedy="Fetch it again"
        ) from error
