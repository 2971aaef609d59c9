"""A STAC item beside an output: where it lies on the ground, what it was made from, and how."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom

from datprl_toolkit import __version__
from datprl_toolkit.files import check_absent, staged_file
from datprl_toolkit.remote_sensing.scaling import describe_scaling
from datprl_toolkit.restoring.self_ensemble import SAID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datprl_toolkit.remote_sensing.grid import Grid
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.restoring.tiling import Window

_SCHEMAS = "https://stac-extensions.github.io"
EXTENSIONS = (
    f"{_SCHEMAS}/projection/v2.0.0/schema.json",
    f"{_SCHEMAS}/raster/v1.1.0/schema.json",
    f"{_SCHEMAS}/processing/v1.2.0/schema.json",
    f"{_SCHEMAS}/file/v2.1.0/schema.json",
)
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_ZARR = "application/vnd+zarr"
_EDGE_POINTS = 8  # an edge that is straight on the map is none on the globe
_SHA256 = "1220"  # as a multihash: the algorithm, and its length of 32 bytes
_AT_ONCE = 2**22
_WEIGHTS = "datprl:weights_sha256"  # no other program writes it


def item_path(output: Path) -> Path:
    """Return where the item of an output lies."""
    return output.with_suffix(".json")


def check_item(output: Path, *, overwrite: bool, resume: bool) -> None:
    """Raise ``E_EXISTS`` if the item of an output would replace a file that is not an earlier one of this output.

    Parameters
    ----------
    output
        The scene, finished or not.
    overwrite
        Whether any file may be replaced.
    resume
        Whether the item that an earlier run wrote for this output may be replaced.
    """
    path = item_path(output)
    check_absent(path, overwrite=overwrite or (resume and _is_item_of(output, path)))


def _is_item_of(output: Path, path: Path) -> bool:
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
        by_us: bool = _WEIGHTS in item["properties"] and item["assets"]["data"]["href"] == _reference(output)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return by_us


def write_item(
    output: Path, plan: Plan, restorer: Restorer, unreadable: tuple[Window, ...] = (), *, overwrite: bool = False
) -> Path:
    """Write the item of a finished output (STAC 1.0.0), and return its path.

    Raises
    ------
    OutputError
        ``E_EXISTS``, ``E_DISK_FULL`` or ``E_OUTPUT``.
    """
    path = item_path(output)
    item = stac_item(output, plan, restorer, unreadable)
    with staged_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    return path


def stac_item(output: Path, plan: Plan, restorer: Restorer, unreadable: tuple[Window, ...] = ()) -> dict[str, Any]:
    """Return the item of a finished output.

    Its times are those of the source's :attr:`Scene.acquisition`; without them `datetime` is that of the input where
    the input has one (TIFF tag 306), else that of the processing, which the item then says.
    """
    card = restorer.card
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    taken = plan.source.acquisition or _acquired(plan)
    description = "" if taken else "The input gives no time of acquisition; datetime is that of the processing. "
    properties: dict[str, Any] = {
        **(taken or {"datetime": now}),
        "created": now,
        "description": f"{description}Restored with {card.name}; the values are estimates of a network.",
        "processing:software": {"datprl-toolkit": __version__},
        "processing:lineage": _lineage(plan, restorer),
        _WEIGHTS: card.sha256,
        **_projection(plan.target.grid),
    }
    if unreadable:
        properties["datprl:unreadable"] = [[part.top, part.bottom, part.left, part.right] for part in unreadable]
    geometry = _geometry(plan.target.grid)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(EXTENSIONS),
        "id": output.stem,
        "geometry": geometry,
        "properties": properties,
        "links": [{"rel": "derived_from", "href": _source_reference(output, plan)}],
        "assets": {"data": _asset(output, plan)},
    }
    return item if geometry is None else item | {"bbox": _box(geometry)}


def _lineage(plan: Plan, restorer: Restorer) -> str:
    asked = "" if restorer.task is None else f", asked for {restorer.task},"
    mean = f", {SAID}" if restorer.self_ensemble else ""
    bands = ", ".join(map(str, plan.restored))
    enlarged = f", enlarged {plan.factor} times" if plan.factor > 1 else ""
    return (
        f"bands {bands} restored with the weights {restorer.card.name}{asked} at strength "
        f"{plan.strength:g}{mean}{enlarged}; "
        f"{describe_scaling(plan.profile)}; tiles of {plan.tile} pixels with a halo of {plan.halo}"
    )


def _acquired(plan: Plan) -> dict[str, Any]:
    text = plan.source.tags.get("", {}).get("TIFFTAG_DATETIME", "")
    try:
        taken = datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return {}
    return {"datetime": taken.isoformat().replace("+00:00", "Z")}


def _projection(grid: Grid) -> dict[str, Any]:
    properties: dict[str, Any] = {"proj:shape": list(grid.shape)}
    if grid.crs is not None:
        authority = grid.crs.to_authority()
        properties["proj:code"] = None if authority is None else ":".join(authority)
        if authority is None:
            properties["proj:wkt2"] = grid.crs.to_wkt(version="WKT2_2019")
    if grid.transform is not None:
        properties["proj:transform"] = list(grid.transform[:6])
    return properties


def _geometry(grid: Grid) -> dict[str, Any] | None:
    """Return the outline in longitude and latitude; None for a scene without a transform or reference system."""
    if grid.crs is None or grid.transform is None:
        return None
    ring = [list(grid.transform @ corner) for corner in _outline(grid)]
    try:
        outline: dict[str, Any] = transform_geom(
            grid.crs, CRS.from_epsg(4326), {"type": "Polygon", "coordinates": [ring]}, antimeridian_cutting=True
        )
    except RasterioError:
        return None  # a system that has no way to longitude and latitude, such as that of another planet
    return json.loads(json.dumps(outline))  # type: ignore[no-any-return]


def _outline(grid: Grid) -> Iterator[tuple[float, float]]:
    """Yield columns and rows around a grid, counterclockwise on a map whose rows run south, and closed."""
    corners = [(0, 0), (0, grid.height), (grid.width, grid.height), (grid.width, 0), (0, 0)]
    for (column, row), (next_column, next_row) in pairwise(corners):
        for step in range(_EDGE_POINTS):
            share = step / _EDGE_POINTS
            yield column + share * (next_column - column), row + share * (next_row - row)
    yield 0.0, 0.0


def _box(geometry: dict[str, Any]) -> list[float]:
    """Return west, south, east, north; across the antimeridian west is greater than east."""
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    boxes = [_ring_box(polygon[0]) for polygon in polygons]
    south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
    if len(boxes) == 1:
        return boxes[0]
    return [max(box[0] for box in boxes), south, min(box[2] for box in boxes), north]


def _ring_box(ring: list[list[float]]) -> list[float]:
    x, y = [point[0] for point in ring], [point[1] for point in ring]
    return [min(x), min(y), max(x), max(y)]


def _source_reference(output: Path, plan: Plan) -> str:
    """Return the input as seen from the output, without the folders of this machine."""
    source = plan.source.path
    if not source.exists():
        return str(source)
    relative = os.path.relpath(source.absolute(), output.absolute().parent)
    return source.name if relative.startswith("../..") else relative


def _asset(output: Path, plan: Plan) -> dict[str, Any]:
    target = plan.target
    bands = []
    for band in target.bands:
        entry: dict[str, Any] = {"data_type": target.dtype.name}
        if target.nodata is not None:
            entry["nodata"] = target.nodata if target.nodata == target.nodata else "nan"
        if (band.scale, band.offset) != (1.0, 0.0):
            entry |= {"scale": band.scale, "offset": band.offset}
        if band.unit:
            entry["unit"] = band.unit
        bands.append(entry)
    asset: dict[str, Any] = {
        "href": _reference(output),
        "type": _ZARR if output.is_dir() else _COG,
        "roles": ["data"],
        "title": "Restored scene",
        "raster:bands": bands,
    }
    if output.is_file():
        asset |= {"file:size": output.stat().st_size, "file:checksum": _SHA256 + _file_checksum(output)}
    return asset


def _reference(output: Path) -> str:
    return f"./{output.name}"


def _file_checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()
