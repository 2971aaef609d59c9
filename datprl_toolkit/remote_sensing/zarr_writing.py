"""Scenes written as Zarr 3, with their georeference in the three forms that readers look for."""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import rioxarray  # noqa: F401 (gives xarray its .rio)
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from datprl_toolkit.files import staged_folder
from datprl_toolkit.remote_sensing.plan import shard_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from rasterio.crs import CRS

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.remote_sensing.scene import Scene
    from datprl_toolkit.restoring.tiling import Window

ARRAY = "restored"
MASK = "mask"
GRID_MAPPING = "spatial_ref"
CHUNK = 256

_SPECIFICATIONS = "https://github.com/zarr-conventions"
# The specification's version 0.1 says "proj" and "spatial"; rioxarray looks for the names with a colon.
CONVENTIONS = (
    {
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "name": "proj:",
        "description": "Coordinate reference system",
        "schema_url": f"{_SPECIFICATIONS}/geo-proj/blob/v1/schema.json",
        "spec_url": f"{_SPECIFICATIONS}/geo-proj/blob/v1/README.md",
    },
    {
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "name": "spatial:",
        "description": "Spatial grid of the array",
        "schema_url": f"{_SPECIFICATIONS}/spatial/blob/v1/schema.json",
        "spec_url": f"{_SPECIFICATIONS}/spatial/blob/v1/README.md",
    },
)


@contextmanager
def zarr_writer(
    destination: Path, target: Scene, provenance: dict[str, str], *, overwrite: bool = False
) -> Iterator[ZarrWriter]:
    """Give a writer of `target`; when the block ends without an error, `destination` is a complete store.

    Raises
    ------
    OutputError
        ``E_EXISTS``, ``E_DISK_FULL`` or ``E_OUTPUT``; nothing is left behind.
    """
    with staged_folder(destination, overwrite=overwrite) as folder:
        _lay_out(folder, target, provenance)
        yield ZarrWriter(folder, target)
        with _quiet():
            # Without it xarray warns everyone who opens the store; readers that do not know it ignore it.
            zarr.consolidate_metadata(folder)


class ZarrWriter:
    """Writes whole shards; see :class:`SceneWriter`."""

    def __init__(self, folder: Path, target: Scene) -> None:
        self._values = _open_array(folder / ARRAY)
        self._mask = _open_array(folder / MASK) if target.has_mask else None
        self._shard = shard_size(target)

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> None:
        """Write all bands of a shard; see :class:`SceneWriter`."""
        if window.top % self._shard or window.left % self._shard:
            # Two writers in one shard lose each other's data without a word.
            raise ValueError(f"a write at row {window.top}, column {window.left} begins inside a shard")
        rows, columns = window.slices
        self._values[:, rows, columns] = values
        if mask is not None and self._mask is not None:
            self._mask[rows, columns] = np.where(mask != 0, 255, 0).astype(np.uint8)


def _open_array(path: Path) -> Any:  # zarr's indexing accepts more than its types say
    return zarr.open_array(path, mode="r+")


def _lay_out(folder: Path, target: Scene, provenance: dict[str, str]) -> None:
    """Create the store with all its metadata and no pixels."""
    dataset = _template(target)
    dataset.attrs = {**provenance, "zarr_conventions": list(CONVENTIONS), **_convention_attributes(target.grid)}
    encoding: dict[str, Any] = {ARRAY: _encoding(target, len(target.bands), target.nodata)}
    if MASK in dataset:
        encoding[MASK] = _encoding(target, None, None)
    with _quiet():
        dataset.to_zarr(folder, mode="a", compute=False, zarr_format=3, consolidated=False, encoding=encoding)


def _template(target: Scene) -> xr.Dataset:
    grid, bands = target.grid, target.bands
    side = shard_size(target)
    values = da.zeros((len(bands), *grid.shape), dtype=target.dtype, chunks=(len(bands), side, side))
    variables = {ARRAY: xr.Variable(("band", "y", "x"), values, _array_attributes(target))}
    if target.has_mask:
        mask = da.zeros(grid.shape, dtype=np.uint8, chunks=(side, side))
        meaning = {"long_name": "validity", "flag_values": [0, 255], "flag_meanings": "invalid valid"}
        variables[MASK] = xr.Variable(("y", "x"), mask, meaning)
    coordinates = {"band": [band.number for band in bands]} | _centres(grid)
    dataset = xr.Dataset(variables, coordinates)
    crs = grid.control_crs if grid.control_points else grid.crs
    if crs is not None:
        dataset = dataset.rio.write_crs(crs, grid_mapping_name=GRID_MAPPING)
        for name, attributes in _axis_attributes(crs).items():
            if name in dataset.coords:
                dataset[name].attrs.update(attributes)
    if grid.transform is not None:
        dataset = dataset.rio.write_transform(grid.transform, grid_mapping_name=GRID_MAPPING)
    if grid.control_points:
        dataset = dataset.rio.write_gcps(list(grid.control_points), crs, grid_mapping_name=GRID_MAPPING)
    if GRID_MAPPING not in dataset.coords:
        dataset = dataset.assign_coords({GRID_MAPPING: xr.Variable((), 0)})
    if grid.rpcs is not None:
        dataset[GRID_MAPPING].attrs["rpcs"] = json.dumps(grid.rpcs.to_dict())
    return dataset


def _array_attributes(target: Scene) -> dict[str, Any]:
    """Return the attributes of the pixels: CF where it has a word for it, GDAL's own words for the rest."""
    bands = target.bands
    attributes: dict[str, Any] = {
        "long_name": [band.description or f"band {band.number}" for band in bands],
        "band_colours": [band.colour for band in bands],
        "band_scales": [band.scale for band in bands],
        "band_offsets": [band.offset for band in bands],
        "band_units": [band.unit for band in bands],
        "band_tags": [band.tags for band in bands],
        "raster_tags": target.tags,
    }
    scales = {(band.scale, band.offset) for band in bands}
    if len(scales) == 1 and scales != {(1.0, 0.0)}:
        attributes |= {"scale_factor": bands[0].scale, "add_offset": bands[0].offset}
    if len({band.unit for band in bands}) == 1 and bands[0].unit:
        attributes["units"] = bands[0].unit
    if target.nodata is not None:
        attributes["_FillValue"] = target.nodata
    if target.grid.crs is not None:
        attributes["_CRS"] = {"wkt": target.grid.crs.to_wkt()}  # GDAL's own form, before it knew CF
    return attributes | {"zarr_conventions": list(CONVENTIONS)} | _convention_attributes(target.grid)


def _convention_attributes(grid: Grid) -> dict[str, Any]:
    """Return the attributes of the Zarr conventions "proj" and "spatial"."""
    attributes: dict[str, Any] = {
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": list(grid.shape),
        "spatial:registration": "pixel",
    }
    if grid.crs is not None:
        authority = grid.crs.to_authority()
        if authority is not None:
            attributes["proj:code"] = ":".join(authority)
        attributes["proj:wkt2"] = grid.crs.to_wkt(version="WKT2_2019")
    if grid.transform is not None:
        a, b, c, d, e, f = grid.transform[:6]
        corners = [(0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)]
        x = [a * column + b * row + c for column, row in corners]
        y = [d * column + e * row + f for column, row in corners]
        attributes["spatial:transform"] = [a, b, c, d, e, f]
        attributes["spatial:bbox"] = [min(x), min(y), max(x), max(y)]
    return attributes


def _centres(grid: Grid) -> dict[str, npt.NDArray[np.float64]]:
    """Return the map coordinates of columns and rows; a rotated scene has none that depend on one axis alone."""
    if grid.transform is None or grid.is_rotated:
        return {}
    a, _, c, _, e, f = grid.transform[:6]
    return {"y": f + e * (np.arange(grid.height) + 0.5), "x": c + a * (np.arange(grid.width) + 0.5)}


def _axis_attributes(crs: CRS) -> dict[str, dict[str, str]]:
    """Return what CF says of the axes of a reference system."""
    if crs.is_geographic:
        x = {"axis": "X", "long_name": "longitude", "standard_name": "longitude", "units": "degrees_east"}
        y = {"axis": "Y", "long_name": "latitude", "standard_name": "latitude", "units": "degrees_north"}
        return {"x": x, "y": y}
    unit = crs.linear_units or "metre"
    return {
        name: {
            "axis": name.upper(),
            "long_name": f"{name} coordinate of projection",
            "standard_name": f"projection_{name}_coordinate",
            "units": "metre" if unit in {"metre", "meter", "m"} else unit,
        }
        for name in ("x", "y")
    }


def _encoding(target: Scene, bands: int | None, nodata: float | None) -> dict[str, Any]:
    """Return chunks, shards and compression.

    GDAL takes the array's fill value for nodata, whatever ``_FillValue`` says, so that both are the same. Without a
    nodata value xarray would make one up for floating-point values; None keeps it from doing so.
    """
    side = shard_size(target)
    chunk = [min(CHUNK, length) for length in target.grid.shape]
    shard = [min(side, -(-length // step) * step) for length, step in zip(target.grid.shape, chunk, strict=True)]
    leading = [] if bands is None else [bands]
    encoding: dict[str, Any] = {
        "chunks": (*leading, *chunk),
        "shards": (*leading, *shard),
        "compressors": (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),),
        "fill_value": 0 if nodata is None else nodata,
        "grid_mapping": GRID_MAPPING,
    }
    return encoding if nodata is not None else encoding | {"_FillValue": None}


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide that consolidated metadata are no part of the Zarr 3 specification yet: they are optional to readers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        yield
