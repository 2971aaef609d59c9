"""Several files as the bands of one scene: a virtual raster (GDAL: VRT) that is never written to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.bands import COLOURS, colours_by_name
from datprl_toolkit.remote_sensing.reading_products import colour_of_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}
_NEAR = 0.5  # of the finer pixel: how far the corners of two files may lie apart


@dataclass(frozen=True, slots=True)
class _Part:
    """One band of one file."""

    file: str
    band: int
    height: int
    width: int
    dtype: str
    block: tuple[int, int]
    nodata: float | None
    description: str
    colour: str | None
    scale: float
    offset: float
    unit: str


def compose(files: Sequence[str], open_file: Callable[[str], Any]) -> str:
    """Return a virtual raster whose bands are those of several files, one after the other.

    Parameters
    ----------
    files
        What GDAL opens. All cover the same ground. The finest of them gives the grid; bands of the others are
        interpolated to it, and say so in their description.
    open_file
        Opens one of them with rasterio.

    Returns
    -------
    The XML that GDAL takes for a dataset. Single bands are red, green and blue where the names of their files say
    so, or else in their order if there are three.

    Raises
    ------
    InputError
        ``E_GEOMETRY`` if the files lie in different places or reference systems, or what opening them raises.
    """
    datasets = [open_file(file) for file in files]
    try:
        finest = max(datasets, key=lambda dataset: dataset.width * dataset.height)
        for file, dataset in zip(files, datasets, strict=True):
            _check_same_ground(finest, dataset, file)
        parts = [part for file, dataset in zip(files, datasets, strict=True) for part in _parts(file, dataset)]
        return _virtual_raster(finest, parts, _colours(parts, len(files)))
    finally:
        for dataset in datasets:
            dataset.close()


def _check_same_ground(finest: Any, dataset: Any, file: str) -> None:
    problem = ""
    if dataset.crs != finest.crs:
        problem = "it has another coordinate reference system than the others"
    elif (dataset.width, dataset.height) != (finest.width, finest.height) and dataset.transform.is_identity:
        problem = "it has another size than the others, and no georeference"
    elif not dataset.transform.is_identity:
        tolerance = _NEAR * max(abs(finest.transform.a), abs(finest.transform.b), 1e-12)
        for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
            here = dataset.transform * (column * dataset.width, row * dataset.height)
            there = finest.transform * (column * finest.width, row * finest.height)
            if any(abs(a - b) > tolerance for a, b in zip(here, there, strict=True)):
                problem = "it covers other ground than the others"
    if problem:
        raise InputError(
            ErrorCode.GEOMETRY,
            f"the files are no bands of one scene: {problem}",
            where=Path(file).name,
            remedy="Bring them to one grid with: gdalbuildvrt -separate OUT.vrt FILES",
        )


def _parts(file: str, dataset: Any) -> list[_Part]:
    name = Path(file).name
    return [
        _Part(
            file=file,
            band=number,
            height=dataset.height,
            width=dataset.width,
            dtype=dataset.dtypes[number - 1],
            block=dataset.block_shapes[number - 1],
            nodata=dataset.nodatavals[number - 1],
            description=dataset.descriptions[number - 1] or (Path(name).stem if dataset.count == 1 else ""),
            colour=colour_of_file(name) if dataset.count == 1 else _named_colour(dataset, number),
            scale=dataset.scales[number - 1],
            offset=dataset.offsets[number - 1],
            unit=dataset.units[number - 1] or "",
        )
        for number in dataset.indexes
    ]


def _named_colour(dataset: Any, number: int) -> str | None:
    colour: str = dataset.colorinterp[number - 1].name
    return colour if colour in {*COLOURS, "alpha"} else None


def _colours(parts: Sequence[_Part], files: int) -> list[str | None]:
    """Return the colour of each band: as the files' names say, as descriptions say, or in their order."""
    known = [part.colour for part in parts]
    if any(colour in COLOURS for colour in known):
        return known
    by_name = colours_by_name([part.description for part in parts])
    if by_name is not None:
        return [
            next((colour for colour, place in by_name.items() if place == here), None) for here in range(len(parts))
        ]
    if len(parts) == files == len(COLOURS):
        return list(COLOURS)
    return known


def _virtual_raster(finest: Any, parts: Sequence[_Part], colours: Sequence[str | None]) -> str:
    root = ElementTree.Element("VRTDataset", rasterXSize=str(finest.width), rasterYSize=str(finest.height))
    if finest.crs is not None and not finest.transform.is_identity:
        ElementTree.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = finest.crs.to_wkt()
    if not finest.transform.is_identity:
        numbers = ", ".join(repr(number) for number in finest.transform.to_gdal())
        ElementTree.SubElement(root, "GeoTransform").text = numbers
    _add_control_points(root, finest)
    for domain in ("", "RPC"):
        _add_metadata(root, finest.tags(ns=domain) if domain else finest.tags(), domain)
    for number, (part, colour) in enumerate(zip(parts, colours, strict=True), start=1):
        _add_band(root, number, part, colour, finest)
    return ElementTree.tostring(root, encoding="unicode")


def _add_control_points(root: ElementTree.Element, dataset: Any) -> None:
    points, crs = dataset.gcps
    if not points:
        return
    listed = ElementTree.SubElement(root, "GCPList", Projection=crs.to_wkt() if crs else "")
    if crs:
        listed.set("dataAxisToSRSAxisMapping", "1,2")
    for point in points:
        ElementTree.SubElement(
            listed,
            "GCP",
            Id=str(point.id or ""),
            Info=str(point.info or ""),
            Pixel=repr(point.col),
            Line=repr(point.row),
            X=repr(point.x),
            Y=repr(point.y),
            Z=repr(point.z or 0.0),
        )


def _add_metadata(root: ElementTree.Element, items: dict[str, str], domain: str) -> None:
    if not items:
        return
    listed = ElementTree.SubElement(root, "Metadata", {"domain": domain} if domain else {})
    for key, value in items.items():
        ElementTree.SubElement(listed, "MDI", key=key).text = str(value)


def _add_band(root: ElementTree.Element, number: int, part: _Part, colour: str | None, finest: Any) -> None:
    kind = _TYPES.get(part.dtype)
    if kind is None:
        raise InputError(
            ErrorCode.UNSUPPORTED, f"values of the type {part.dtype} are no image", where=Path(part.file).name
        )
    band = ElementTree.SubElement(root, "VRTRasterBand", dataType=kind, band=str(number))
    same = (part.height, part.width) == (finest.height, finest.width)
    block = (min(part.block[0], finest.height), min(part.block[1], finest.width)) if same else (512, 512)
    band.set("blockYSize", str(block[0]))
    band.set("blockXSize", str(block[1]))
    factor = f" (resampled x{finest.width / part.width:g}, cubic)"
    for name, text in (
        ("Description", part.description if same else f"{part.description}{factor}"),
        ("ColorInterp", (colour or "undefined").capitalize()),
        ("NoDataValue", "" if part.nodata is None else repr(part.nodata)),
        ("Scale", repr(part.scale)),
        ("Offset", repr(part.offset)),
        ("UnitType", part.unit),
    ):
        if text:
            ElementTree.SubElement(band, name).text = text
    source = ElementTree.SubElement(band, "SimpleSource", {} if same else {"resampling": "cubic"})
    local = "" if part.file.startswith("/vsi") else str(Path(part.file).absolute())
    ElementTree.SubElement(source, "SourceFilename", relativeToVRT="0").text = local or part.file
    ElementTree.SubElement(source, "SourceBand").text = str(part.band)
    for name, width, height in (("SrcRect", part.width, part.height), ("DstRect", finest.width, finest.height)):
        ElementTree.SubElement(source, name, xOff="0", yOff="0", xSize=str(width), ySize=str(height))
