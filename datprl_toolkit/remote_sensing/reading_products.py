"""Folders of Sentinel-2, HLS and Landsat products: which of their files are red, green and blue."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, InputError

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = ("red", "green", "blue")

# Sentinel-2: T33UUP_20240101T100000_B04_10m.jp2 (level 2A) or ..._B04.jp2 (level 1C). HLS: HLS.S30.T...v2.0.B04.tif.
_SENTINEL = re.compile(r"[._]B(?P<band>\d[\dA])(?:_(?P<metres>\d+)m)?\.(?:jp2|tif|tiff)$", re.IGNORECASE)
_SENTINEL_COLOURS = {"04": "red", "03": "green", "02": "blue"}
# Landsat: LC09_L2SP_..._SR_B4.TIF, LE07_L1TP_..._B3.TIF. Bands of one number are other colours on older satellites.
_LANDSAT = re.compile(r"^L[COTEM](?P<satellite>\d\d)_.*_(?:SR_)?B(?P<band>\d+)\.(?:tif|tiff)$", re.IGNORECASE)
_LANDSAT_COLOURS = {
    "oli": {"4": "red", "3": "green", "2": "blue"},
    "tm": {"3": "red", "2": "green", "1": "blue"},
}
_OLI = {"08", "09"}
# When the image was taken, in UTC. Sentinel-2 names the begin of the datatake, HLS counts the days of the year.
_SENTINEL_TIME = re.compile(r"_(?P<time>\d{8}T\d{6})_B\d")
_HLS_TIME = re.compile(r"^HLS\.(?P<sensor>[SL])30\.\w+\.(?P<time>\d{7}T\d{6})\.")
_LANDSAT_DAY = re.compile(r"^L[COTEM](?P<satellite>\d\d)_\w+?_\d{6}_(?P<day>\d{8})_")
_LANDSAT_CENTRE = re.compile(r'SCENE_CENTER_TIME = "?(?P<time>\d\d:\d\d:\d\d)')
_SATELLITE = re.compile(r"^S(?P<satellite>2[A-D])_MSI")
_LARGEST_METADATA = 2**20
_FILES_LOOKED_AT = 2000


def colour_of_file(name: str) -> str | None:
    """Return "red", "green" or "blue" if the name of a product's file says so, else None."""
    if match := _LANDSAT.match(name):
        instrument = "oli" if match["satellite"] in _OLI else "tm"
        return _LANDSAT_COLOURS[instrument].get(match["band"])
    if match := _SENTINEL.search(name):
        return _SENTINEL_COLOURS.get(match["band"])
    return None


def is_product(folder: Path) -> bool:
    """Tell whether a folder is one product: it holds exactly one red, one green and one blue file."""
    # Path.is_dir raises where a folder above may not be entered; whoever reads says so, with a code.
    return os.path.isdir(folder) and _finest(folder) is not None  # noqa: PTH112


def product_files(folder: Path) -> tuple[Path, ...]:
    """Return the red, green and blue file of a product, at the finest resolution that it has.

    Raises
    ------
    InputError
        ``E_UNSUPPORTED`` if the folder is none.
    """
    found = _finest(folder)
    if found is None:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            "the folder holds no Sentinel-2, HLS or Landsat product that is known",
            where=folder,
            remedy="Name the files of its bands, separated by commas",
        )
    return found


def product_acquisition(file: Path) -> dict[str, Any]:
    """Return when a product was taken and by which satellite, as properties of a STAC item; nothing if unknown.

    The time is that in the name of `file`, one of its bands (Sentinel-2 naming convention; HLS user guide); for
    Landsat, whose names have the day alone, Scene Center Time of the file ``_MTL.txt``, or without it the whole day.
    """
    said = _said_by(file)
    return said if "datetime" in said else {}


def _said_by(file: Path) -> dict[str, Any]:
    if match := _LANDSAT_DAY.match(file.name):
        return _landsat_time(file.parent, match["day"]) | {"platform": f"landsat-{int(match['satellite'])}"}
    if match := _HLS_TIME.match(file.name):
        return _moment(match["time"], "%Y%jT%H%M%S") | {"instruments": ["msi" if match["sensor"] == "S" else "oli"]}
    if match := _SENTINEL_TIME.search(file.name):
        named = next((found for place in file.parents if (found := _SATELLITE.match(place.name))), None)
        platform = {} if named is None else {"platform": f"sentinel-{named['satellite'].lower()}"}
        return _moment(match["time"], "%Y%m%dT%H%M%S") | {"instruments": ["msi"]} | platform
    return {}


def _landsat_time(folder: Path, day: str) -> dict[str, Any]:
    for path in sorted(folder.glob("*_MTL.txt"))[:1]:
        with path.open(encoding="ascii", errors="replace") as file:
            centre = _LANDSAT_CENTRE.search(file.read(_LARGEST_METADATA))
        if centre is not None:
            return _moment(f"{day}T{centre['time']}", "%Y%m%dT%H:%M:%S")
    begin = _moment(day, "%Y%m%d")
    if not begin:
        return {}
    end = datetime.fromisoformat(begin["datetime"]) + timedelta(hours=23, minutes=59, seconds=59)
    return {"datetime": None, "start_datetime": begin["datetime"], "end_datetime": _written(end)}


def _moment(text: str, form: str) -> dict[str, Any]:
    try:
        return {"datetime": _written(datetime.strptime(text, form).replace(tzinfo=UTC))}
    except ValueError:
        return {}


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _finest(folder: Path) -> tuple[Path, ...] | None:
    """Return one file for each colour; None if a colour is missing, or several scenes lie in the folder."""
    found: dict[str, dict[int, list[Path]]] = {colour: {} for colour in COLOURS}
    for path in _files(folder):
        colour = colour_of_file(path.name)
        if colour is not None:
            found[colour].setdefault(_metres(path.name), []).append(path)
    if not all(found.values()):
        return None
    chosen = [by_size[min(by_size)] for by_size in found.values()]
    return tuple(paths[0] for paths in chosen) if all(len(paths) == 1 for paths in chosen) else None


def _files(folder: Path) -> list[Path]:
    """Return the files in a folder and, in a Sentinel-2 product, below it."""
    if folder.suffix.upper() == ".SAFE":
        return sorted(folder.rglob("IMG_DATA/**/*"))[:_FILES_LOOKED_AT]
    return sorted(path for path in folder.iterdir() if path.is_file())[:_FILES_LOOKED_AT]


def _metres(name: str) -> int:
    match = _SENTINEL.search(name)
    return int(match["metres"]) if match and match["metres"] else 0
