"""How a scene lies in a Zarr store: arrays, levels, chunks, and the georeference in three forms for its readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import dask.array as da
import numcodecs
import numpy as np
import rioxarray  # noqa: F401 (gives xarray its .rio)
import xarray as xr
from zarr.codecs import BloscCodec, ZstdCodec

from datprl_toolkit.remote_sensing.plan import shard_size
from datprl_toolkit.remote_sensing.pyramid import level_count, level_scene

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from rasterio.crs import CRS

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.remote_sensing.options import ZarrProfile
    from datprl_toolkit.remote_sensing.scene import Scene

ARRAY = "restored"
MASK = "mask"
GRID_MAPPING = "spatial_ref"

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
MULTISCALES = {
    "uuid": "d35379db-88df-4056-af3a-620245f8e347",
    "name": "multiscales",
    "description": "Multiscale layout of zarr datasets",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/multiscales/refs/tags/v1/schema.json",
    "spec_url": f"{_SPECIFICATIONS}/multiscales/blob/v1/README.md",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which arrays a store has, and how they are cut.

    Parameters
    ----------
    target
        The scene at full resolution.
    profile
        "default": Zarr 3 in shards, for xarray and zarr. "qgis": Zarr 3 without shards, which GDAL reads from 3.12 on.
        "legacy": Zarr 2, which older GDAL reads too.
    shard
        Side of what one task writes at full resolution; 0 chooses by the size of a pixel.
    """

    target: Scene
    profile: ZarrProfile = "default"
    shard: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shard", self.shard or shard_size(self.target))

    @property
    def zarr_format(self) -> Literal[2, 3]:
        """Version of the Zarr format."""
        return 2 if self.profile == "legacy" else 3

    @property
    def chunk(self) -> int:
        """Side of what is compressed, and read, as one."""
        return min(256 if self.profile == "default" else 512, self.shard)

    @property
    def levels(self) -> int:
        """Number of levels above the full resolution."""
        return level_count(self.target.grid.shape)

    @property
    def direct_levels(self) -> int:
        """Number of levels of which each shard fills whole chunks; the others are made from the last of these."""
        direct = 0
        while direct < self.levels and self.shard >> (direct + 1) >= self.chunk:
            direct += 1
        return direct

    def side(self, level: int) -> int:
        """Return the side of what is written as one at a level: nobody else writes into the same chunks."""
        return self.shard >> level if level <= self.direct_levels else max(self.shard // 2, self.chunk)

    def encoding(self, level: int, bands: int | None) -> dict[str, Any]:
        """Return chunks, shards and compression of the pixels, or of the mask, which has no bands, at a level.

        GDAL takes the array's fill value for nodata, whatever ``_FillValue`` says, so that both are the same. Without
        a nodata value xarray would make one up for floating-point values; None keeps it from doing so.
        """
        shape = level_scene(self.target, level).grid.shape
        chunk = [min(self.chunk, length) for length in shape]
        leading = [] if bands is None else [bands]
        nodata = None if bands is None else self.target.nodata
        encoding: dict[str, Any] = {"chunks": (*leading, *chunk), "grid_mapping": GRID_MAPPING}
        if self.profile == "default":
            side = self.side(level)
            shard = [min(side, -(-length // step) * step) for length, step in zip(shape, chunk, strict=True)]
            codec = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")
            encoding |= {"shards": (*leading, *shard), "compressors": (codec,)}
        elif self.profile == "qgis":
            encoding |= {"compressors": (ZstdCodec(level=3),)}
        else:
            encoding |= {"compressors": (numcodecs.Zlib(level=4),)}
        if self.zarr_format == 3:
            encoding |= {"fill_value": 0 if nodata is None else nodata}
        return encoding if nodata is not None else encoding | {"_FillValue": None}


def array_path(level: int, name: str = ARRAY) -> str:
    """Return where an array lies in the store: the full resolution at its root, each level in a group of its number."""
    return name if level == 0 else f"{level}/{name}"


def lay_out(folder: Path, layout: Layout, provenance: dict[str, str]) -> None:
    """Create the store with all its metadata and no pixels."""
    for level in range(layout.levels + 1):
        target = level_scene(layout.target, level)
        dataset = _template(target)
        conventions = [*CONVENTIONS, MULTISCALES] if level == 0 and layout.levels else list(CONVENTIONS)
        dataset.attrs = {"zarr_conventions": conventions, **_convention_attributes(target.grid)}
        if level == 0:
            dataset.attrs = provenance | dataset.attrs | _multiscales(layout)
        encoding: dict[str, Any] = {ARRAY: layout.encoding(level, len(target.bands))}
        if MASK in dataset:
            encoding[MASK] = layout.encoding(level, None)
        dataset.to_zarr(
            folder,
            group=None if level == 0 else str(level),
            mode="a",
            compute=False,
            zarr_format=layout.zarr_format,
            consolidated=False,
            encoding=encoding,
        )


def _multiscales(layout: Layout) -> dict[str, Any]:
    """Return the attribute of the Zarr convention "multiscales"."""
    if not layout.levels:
        return {}
    entries: list[dict[str, Any]] = []
    for level in range(layout.levels + 1):
        size = 1.0 if level == 0 else 2.0
        entry: dict[str, Any] = {
            "asset": array_path(level),
            "transform": {"scale": [size, size], "translation": [0.0, 0.0]},
        }
        if level:
            entry |= {"derived_from": array_path(level - 1)}
        grid = level_scene(layout.target, level).grid
        placed = _convention_attributes(grid)
        entries.append(entry | {key: placed[key] for key in ("spatial:transform", "spatial:shape") if key in placed})
    return {"multiscales": {"layout": entries, "resampling_method": "average"}}


def _template(target: Scene) -> xr.Dataset:
    grid, bands = target.grid, target.bands
    # Nothing of it is ever computed; of many chunks xarray would make a graph all the same.
    values = da.zeros((len(bands), *grid.shape), dtype=target.dtype, chunks=-1)
    variables = {ARRAY: xr.Variable(("band", "y", "x"), values, _array_attributes(target))}
    if target.has_mask:
        mask = da.zeros(grid.shape, dtype=np.uint8, chunks=-1)
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
