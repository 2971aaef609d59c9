"""What a raster is, as facts for a person and for a program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.remote_sensing.formats import is_zarr
from datprl_toolkit.remote_sensing.options import SceneOptions
from datprl_toolkit.remote_sensing.plan import LARGEST_SHARD
from datprl_toolkit.remote_sensing.raster_reading import open_raster
from datprl_toolkit.restoring.inspection import Fact

if TYPE_CHECKING:
    from rasterio.crs import CRS

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.remote_sensing.scene import Band, Scene
    from datprl_toolkit.restoring.inspection import Json

BANDS_NAMED = 8
_NAMES = {"GTiff": "GeoTIFF", "JP2OpenJPEG": "JPEG 2000", "VRT": "virtual raster"}
_LOSSY = re.compile(r"JPEG|WEBP|LERC", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels lie in the file.

    Parameters
    ----------
    format
        Such as "GeoTIFF" or "COG".
    block
        Rows and columns that are read at once.
    compression
        Name of the method; empty for none or if it is not known.
    lossy
        Whether it loses something; False where that is not known.
    overviews
        Factors of the smaller versions that the file holds.
    strip_cost
        How many times the pixels of a piece that is restored at once are read in order to get them.
    """

    format: str
    block: tuple[int, int]
    compression: str
    lossy: bool
    overviews: tuple[int, ...]
    strip_cost: float


def read_layout(scene: Scene) -> Layout:
    """Read how the pixels of a scene lie in its file or store.

    Raises
    ------
    InputError
        As :func:`datprl_toolkit.remote_sensing.raster_reading.open_raster`.
    """
    if is_zarr(scene.path):
        return _zarr_layout(scene)
    with open_raster(scene.path, scene.dataset) as dataset:
        return _raster_layout(dataset, scene.grid)


def _raster_layout(dataset: Any, grid: Grid) -> Layout:
    structure = dataset.tags(ns="IMAGE_STRUCTURE")
    jpeg2000 = dataset.driver.startswith("JP2")
    method = "JPEG 2000" if jpeg2000 else structure.get("COMPRESSION", "")
    reversibility = structure.get("COMPRESSION_REVERSIBILITY", "").upper()
    lossy = reversibility == "LOSSY" if jpeg2000 else bool(_LOSSY.search(method)) and "LOSSLESS" not in reversibility
    cog = structure.get("LAYOUT") == "COG"
    block = tuple(dataset.block_shapes[0])
    return Layout(
        format="COG" if cog else short_name(dataset.driver),
        block=(block[0], block[1]),
        compression=method,
        lossy=lossy,
        overviews=tuple(dataset.overviews(1)),
        strip_cost=_strip_cost((block[0], block[1]), grid),
    )


def _zarr_layout(scene: Scene) -> Layout:
    import zarr

    from datprl_toolkit.remote_sensing.zarr_reading import chunk_shape

    block = chunk_shape(scene.path)
    version = zarr.open(scene.path, mode="r").metadata.zarr_format
    return Layout(f"Zarr {version}", block, "", False, (), _strip_cost(block, scene.grid))


def _strip_cost(block: tuple[int, int], grid: Grid) -> float:
    """Return how many times the pixels of a piece with its surroundings lie in the blocks that it touches."""
    cost = 1.0
    for length, step in zip(grid.shape, block, strict=True):
        needed = min(LARGEST_SHARD + 2 * SceneOptions().halo, length)
        touched = min(-(-needed // step) * step, length)
        cost *= touched / needed
    return cost


def short_name(driver: str) -> str:
    """Return a driver's name as people know it."""
    return _NAMES.get(driver, driver)


def layout_fact(layout: Layout) -> Fact:
    """Return how the pixels lie in the file."""
    known = not layout.format.startswith(("Zarr", _NAMES["VRT"]))  # of these it is not known
    overviews = f"overviews {', '.join(map(str, layout.overviews))}" if layout.overviews else "no overviews"
    compression = layout.compression or "not compressed"
    details = f", {compression}, {overviews}" if known else ""
    return Fact(
        "layout",
        "layout",
        f"{layout.format}, blocks of {layout.block[1]} x {layout.block[0]}{details}",
        {
            "format": layout.format,
            "block_rows": layout.block[0],
            "block_columns": layout.block[1],
            "compression": layout.compression,
            "lossy": layout.lossy,
            "overviews": list(layout.overviews),
        },
    )


def scene_facts(scene: Scene) -> tuple[Fact, ...]:
    """Return what a scene is."""
    grid = scene.grid
    return (
        _size(grid.height, grid.width),
        Fact(
            "bands",
            "bands",
            f"{len(scene.bands)} of {scene.dtype}: {_band_names(scene.bands)}",
            [_band_json(band) for band in scene.bands],
        ),
        Fact("dtype", "", "", str(scene.dtype)),
        *_place(grid),
        Fact("nodata", "no data", _nodata(scene), None if scene.nodata is None else str(scene.nodata)),
    )


def dataset_facts(dataset: Any) -> tuple[Fact, ...]:
    """Return what a raster is that is no scene: a palette, complex numbers, several types."""
    types = sorted(set(dataset.dtypes))
    colours = sorted({colour.name for colour in dataset.colorinterp})
    facts = [
        _size(dataset.height, dataset.width),
        Fact(
            "bands",
            "bands",
            f"{dataset.count} of {', '.join(types) or 'no type'} ({', '.join(colours) or 'no colours'})",
            [{"number": number, "dtype": dataset.dtypes[number - 1]} for number in dataset.indexes],
        ),
        Fact("crs", "reference", describe_crs(dataset.crs), _crs_json(dataset.crs)),
    ]
    if dataset.subdatasets:
        count = len(dataset.subdatasets)
        facts.append(Fact("subdatasets", "inside", f"{count} rasters of their own", count))
    return tuple(facts)


def _size(height: int, width: int) -> Fact:
    return Fact("size", "size", f"{width} x {height} pixels", {"rows": height, "columns": width})


def _band_names(bands: tuple[Band, ...]) -> str:
    names = [
        f"{band.number} {band.description or (band.colour if band.colour != 'undefined' else 'unnamed')}"
        for band in bands[:BANDS_NAMED]
    ]
    return ", ".join(names) + (", ..." if len(bands) > BANDS_NAMED else "")


def _band_json(band: Band) -> dict[str, Json]:
    return {
        "number": band.number,
        "description": band.description,
        "colour": band.colour,
        "scale": band.scale,
        "offset": band.offset,
        "unit": band.unit,
    }


def _place(grid: Grid) -> list[Fact]:
    crs = grid.crs if grid.crs is not None else grid.control_crs
    facts = [Fact("crs", "reference", describe_crs(crs), _crs_json(crs))]
    if grid.transform is not None:
        a, b, c, d, e, f = grid.transform[:6]
        unit = _unit(crs)
        width, height = float(np.hypot(a, d)), float(np.hypot(b, e))
        corners = [grid.transform * corner for corner in _corners(grid)]
        xs, ys = zip(*corners, strict=True)
        bounds = (min(xs), min(ys), max(xs), max(ys))
        facts += [
            Fact(
                "pixel_size",
                "pixel",
                f"{width:.9g} x {height:.9g} {unit}".rstrip(),
                {"columns": width, "rows": height, "unit": unit},
            ),
            Fact("transform", "", "", [a, b, c, d, e, f]),
            Fact("bounds", "bounds", ", ".join(f"{number:.9g}" for number in bounds), list(bounds)),
        ]
    if grid.control_points:
        count = len(grid.control_points)
        facts.append(Fact("control_points", "placed by", f"{count} ground control points", count))
    if grid.rpcs is not None:
        facts.append(Fact("rpcs", "placed by", "rational polynomial coefficients", True))
    return facts


def _corners(grid: Grid) -> tuple[tuple[int, int], ...]:
    return (0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height)


def describe_crs(crs: CRS | None) -> str:
    """Name a reference system with its code, if it has one."""
    if crs is None:
        return "none"
    code = crs.to_epsg()
    named = re.match(r'\s*\w+\["([^"]+)"', crs.to_wkt())
    name = named[1] if named else "unnamed"
    return f"{name} (EPSG:{code})" if code is not None else name


def _crs_json(crs: CRS | None) -> Json:
    return None if crs is None else {"epsg": crs.to_epsg(), "wkt": crs.to_wkt()}


def _unit(crs: CRS | None) -> str:
    if crs is None:
        return ""
    return "degrees" if crs.is_geographic else str(crs.linear_units or "")


def _nodata(scene: Scene) -> str:
    marks = []
    if scene.nodata is not None:
        marks.append(f"{scene.nodata:g}")
    if scene.has_mask:
        marks.append("a mask")
    if scene.alpha is not None:
        marks.append("alpha")
    return ", ".join(marks) or "not marked"
