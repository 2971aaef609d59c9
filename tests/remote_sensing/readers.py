"""What readers of other people make of the outputs; run as a program, it writes the table of docs/readers.md.

Run by another Python it needs rasterio, rioxarray, xarray and zarr alone, if the outputs are there already.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import rasterio
import rioxarray
import xarray as xr
import zarr
from affine import Affine
from rasterio.crs import CRS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import ZarrProfile

OUTPUTS = ("COG", "Zarr, default", "Zarr, qgis", "Zarr, legacy")
NAMES = ("cog.tif", "default.zarr", "qgis.zarr", "legacy.zarr")
NODATA = 0
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
NOT_READ = "not read"
PAGE = Path(__file__).parents[2] / "docs" / "readers.md"


class Found:
    """What a reader found: whatever it does not give is None."""

    def __init__(self, pixels: Any, crs: Any, transform: Any, nodata: Any) -> None:
        self.pixels, self.crs, self.transform, self.nodata = pixels, crs, transform, nodata

    def describe(self, expected: npt.NDArray[Any]) -> str:
        """Say in a cell of the table what is right."""
        if self.pixels is None or not np.array_equal(np.nan_to_num(self.pixels), expected):
            return "wrong pixels"
        right = {
            "CRS": self.crs is not None and CRS.from_user_input(self.crs) == CRS.from_epsg(32633),
            "transform": self.transform == TRANSFORM,
            "nodata": self.nodata is not None and float(self.nodata) == NODATA,
        }
        lacking = [name for name, holds in right.items() if not holds]
        return "all" if not lacking else f"pixels; no {', no '.join(lacking)}"


def make_outputs(folder: Path) -> tuple[dict[str, Path], npt.NDArray[Any]]:
    """Return the output in each format, and the pixels of its first band; made by an earlier call if they are there."""
    outputs = {output: folder / name for output, name in zip(OUTPUTS, NAMES, strict=True)}
    kept = folder / "expected.npy"
    if kept.exists():
        return outputs, np.load(kept)
    from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
    from datprl_toolkit.remote_sensing.testing import photograph, stub_restorer, write_raster

    values = photograph(3, 700, 900, "uint16")
    values[:, :20, :30] = NODATA
    source = write_raster(folder / "scene.tif", values, nodata=NODATA, transform=TRANSFORM, photometric="RGB")
    profiles: tuple[ZarrProfile, ...] = ("default", "qgis", "legacy")
    restore_scene(source, outputs["COG"], stub_restorer())
    for profile in profiles:
        restore_scene(source, outputs[f"Zarr, {profile}"], stub_restorer(), SceneOptions(zarr_profile=profile))
    np.save(kept, values[0])
    return outputs, values[0]


def with_gdal_of_the_system(path: Path) -> Found:
    """Read with the programs of GDAL."""
    name = f'ZARR:"{path}":/restored:0' if path.is_dir() else str(path)
    told = json.loads(_output("gdalinfo", "-json", name))
    wkt = told.get("coordinateSystem", {}).get("wkt")
    transform = told.get("geoTransform")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.tif"
        _output("gdal_translate", "-q", "-b", "1", name, str(copy))
        with rasterio.open(copy) as dataset:
            pixels = dataset.read(1)
    return Found(
        pixels,
        wkt or None,
        None if transform is None else Affine.from_gdal(*transform),
        told["bands"][0].get("noDataValue"),
    )


def with_rasterio(path: Path) -> Found:
    """Read with the GDAL of the rasterio wheel."""
    name = f'ZARR:"{path}":/restored:0' if path.is_dir() else str(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(name) as dataset:
            return Found(dataset.read(1), dataset.crs, dataset.transform, dataset.nodata)


def with_rioxarray(path: Path) -> Found:
    """Read with rioxarray: through xarray for a store, through rasterio for a file."""
    if path.is_dir():
        with xr.open_zarr(path, decode_coords="all") as dataset:
            return _found(dataset["restored"])
    with cast("xr.DataArray", rioxarray.open_rasterio(path, masked=True)) as image:
        return _found(image)


def _found(image: Any) -> Found:
    return Found(image.isel(band=0).values, image.rio.crs, image.rio.transform(), image.rio.encoded_nodata)


def with_xarray(path: Path) -> Found:
    """Read with xarray alone: the georeference comes from the attributes of CF."""
    if not path.is_dir():
        raise ValueError("xarray alone reads no GeoTIFF")
    with xr.open_zarr(path, decode_coords="all") as dataset:
        image = dataset["restored"]
        mapping = dataset["spatial_ref"].attrs
        transform = Affine.from_gdal(*map(float, mapping["GeoTransform"].split()))
        return Found(image.isel(band=0).values, mapping["crs_wkt"], transform, image.encoding["_FillValue"])


def with_zarr(path: Path) -> Found:
    """Read with zarr-python alone: the georeference comes from the conventions "proj" and "spatial"."""
    if not path.is_dir():
        raise ValueError("zarr reads no GeoTIFF")
    array: Any = zarr.open_array(path / "restored", mode="r")
    attributes = array.attrs
    return Found(array[0], attributes["proj:code"], Affine(*attributes["spatial:transform"]), array.fill_value)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def readers() -> dict[str, Callable[[Path], Found]]:
    """Return the readers that are here, by name and version."""
    found: dict[str, Callable[[Path], Found]] = {}
    if shutil.which("gdalinfo"):
        version = _output("gdalinfo", "--version").split()[1].rstrip(",")
        found[f"GDAL {version} (system)"] = with_gdal_of_the_system
    found[f"GDAL {rasterio.__gdal_version__} (rasterio {rasterio.__version__})"] = with_rasterio
    found[f"rioxarray {rioxarray.__version__}"] = with_rioxarray
    found[f"xarray {xr.__version__}"] = with_xarray
    found[f"zarr-python {zarr.__version__}"] = with_zarr
    return found


def table(folder: Path) -> dict[str, list[str]]:
    """Return what each reader makes of each output."""
    outputs, expected = make_outputs(folder)
    rows = {}
    for name, read in readers().items():
        cells = []
        for output in OUTPUTS:
            try:
                cells.append(read(outputs[output]).describe(expected))
            except Exception:  # each reader has errors of its own
                cells.append(NOT_READ)
        rows[name] = cells
    return rows


def as_lines(rows: dict[str, list[str]]) -> list[str]:
    """Return the table in Markdown."""
    head = ["| reader | " + " | ".join(OUTPUTS) + " |", "|---" * (len(OUTPUTS) + 1) + "|"]
    return [*head, *("| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items())]


def main() -> None:
    """Replace the rows of the page that are measured here; those of other versions stay.

    A folder may be named: it keeps the outputs, so that another Python with other versions can read the same.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        measured = as_lines(table(folder))
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("| reader |"))
    last = next(place for place in range(first, len(lines)) if not lines[place].startswith("|"))
    names = {line.split("|")[1] for line in measured}
    others = [line for line in lines[first + 2 : last] if line.split("|")[1] not in names]
    PAGE.write_text("\n".join([*lines[:first], *measured, *others, *lines[last:]]) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(measured) + "\n")


if __name__ == "__main__":
    main()
