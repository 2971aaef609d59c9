"""Shards in files of their own, seen as one raster with everything that describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.crs import CRS
from rasterio.enums import ColorInterp

from datprl_toolkit.remote_sensing.bands import COLOURS
from datprl_toolkit.remote_sensing.raster_reading import quiet_opening
from datprl_toolkit.remote_sensing.windows import as_rasterio
from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from datprl_toolkit.remote_sensing.scene import Scene

BLOCK = 512
_TEMPLATE, _MOSAIC = "template.tif", "mosaic.vrt"


def creation(target: Scene, height: int, width: int) -> dict[str, Any]:
    """Return how GDAL creates a tiled file for a part of a scene."""
    return {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": len(target.bands),
        "dtype": target.dtype.name,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "DEFLATE",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
        "photometric": "MINISBLACK",
    }


def lay_mosaic(folder: Path, target: Scene, files: Mapping[str, Window], tags: dict[str, str]) -> Path:
    """Write a virtual raster of files that lie in one folder.

    GDAL itself writes it, from an empty file that has all the metadata; only the sources are put in afterwards.

    Parameters
    ----------
    folder
        Where the files lie, and where the virtual raster will.
    target
        The scene that it is.
    files
        Name of each file, and where it lies in the scene.
    tags
        Further items for the default domain.

    Returns
    -------
    Path of the virtual raster.
    """
    template, mosaic = folder / _TEMPLATE, folder / _MOSAIC
    with quiet_opening(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(template, "w", **_empty(target)) as dataset:
            _describe(dataset, target)
            dataset.update_tags(**tags)
            if target.has_mask:
                dataset.write_mask(np.zeros((1, 1), np.uint8), window=as_rasterio(Window(0, 1, 0, 1)))
        rasterio.shutil.copy(template, mosaic, driver="VRT")
    tree = ElementTree.parse(mosaic)
    root = tree.getroot()
    for band in root.iter("VRTRasterBand"):
        _replace_source(band, files)
    _write_exactly(root, target)
    for domain, items in target.tags.items():
        if domain and items:
            _add_domain(root, domain, items)
    tree.write(mosaic, encoding="utf-8")
    return mosaic


def _replace_source(band: ElementTree.Element, files: Mapping[str, Window]) -> None:
    (empty,) = band.findall("SimpleSource")
    number = empty.findtext("SourceBand", "1")
    band.remove(empty)
    for name, window in files.items():
        source = ElementTree.SubElement(band, "SimpleSource")
        ElementTree.SubElement(source, "SourceFilename", relativeToVRT="1").text = name
        ElementTree.SubElement(source, "SourceBand").text = number
        for kind, left, top in (("SrcRect", 0, 0), ("DstRect", window.left, window.top)):
            numbers = {"xOff": left, "yOff": top, "xSize": window.width, "ySize": window.height}
            ElementTree.SubElement(source, kind, {key: str(number) for key, number in numbers.items()})


def _write_exactly(root: ElementTree.Element, target: Scene) -> None:
    """Repeat the numbers that GDAL shortens when it writes a virtual raster."""
    for band, element in zip(target.bands, root.findall("VRTRasterBand"), strict=True):
        for name, value in (("Scale", band.scale), ("Offset", band.offset)):
            for found in element.findall(name):
                found.text = repr(float(value))
    for point, element in zip(target.grid.control_points, root.findall("GCPList/GCP"), strict=True):
        numbers = {"Pixel": point.col, "Line": point.row, "X": point.x, "Y": point.y, "Z": point.z or 0.0}
        for name, value in numbers.items():
            element.set(name, repr(float(value)))


def _add_domain(root: ElementTree.Element, domain: str, items: Mapping[str, str]) -> None:
    """GDAL copies only some domains into a virtual raster."""
    present: Iterable[ElementTree.Element] = root.findall("Metadata")
    for element in present:
        if element.get("domain") == domain:
            root.remove(element)
    element = ElementTree.Element("Metadata", domain=domain)
    for key, value in items.items():
        ElementTree.SubElement(element, "MDI", key=key).text = value
    root.insert(0, element)


def _empty(target: Scene) -> dict[str, Any]:
    """Return how GDAL creates a file of the whole scene in which no block is stored."""
    grid = target.grid
    rgb = tuple(band.colour for band in target.bands[:3]) == COLOURS
    profile = creation(target, grid.height, grid.width) | {
        "nodata": target.nodata,
        "photometric": "RGB" if rgb else "MINISBLACK",
        "SPARSE_OK": True,
    }
    if not grid.control_points:
        profile |= {"crs": grid.crs}
        if grid.transform is not None:
            profile |= {"transform": grid.transform}
    return profile


def _describe(dataset: Any, target: Scene) -> None:
    """Write everything about a scene but its pixels."""
    grid = target.grid
    if grid.control_points:
        dataset.gcps = (list(grid.control_points), grid.control_crs or CRS())
    if grid.rpcs is not None:
        dataset.rpcs = grid.rpcs
    dataset.colorinterp = [ColorInterp[band.colour] for band in target.bands]
    dataset.scales = [band.scale for band in target.bands]
    dataset.offsets = [band.offset for band in target.bands]
    for band in target.bands:
        if band.description:
            dataset.set_band_description(band.number, band.description)
        if band.unit:
            dataset.set_band_unit(band.number, band.unit)
        if band.tags:
            dataset.update_tags(band.number, **band.tags)
    for domain, items in target.tags.items():
        if items:
            dataset.update_tags(ns=domain or None, **items)
