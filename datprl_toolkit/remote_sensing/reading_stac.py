"""STAC items as scenes: which of their assets are the image. Items, lists of them, collections and catalogues."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import urlopen

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

ACQUISITION = ("start_datetime", "end_datetime", "platform", "instruments", "constellation", "mission")
COLOURS = ("red", "green", "blue")
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_SIDE_ROLES = {"thumbnail", "overview", "metadata", "cloud", "cloud-shadow", "saturation", "date", "visual"}
_SECONDS = 30
_LARGEST = 64 * 2**20
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class StacItem:
    """One item.

    Parameters
    ----------
    name
        Its id.
    origin
        File or address that it was read from, to which its assets are relative.
    assets
        As in the item (STAC specification, Item, Asset Object).
    acquisition
        When and with what the image was taken: those of its properties that a restored image still has (STAC
        specification, Common Metadata, Date and Time, Instrument).
    """

    name: str
    origin: str
    assets: dict[str, dict[str, Any]]
    acquisition: dict[str, Any]


def is_stac_name(text: str) -> bool:
    """Tell whether a text names a JSON file or address that is STAC."""
    if _HTTP.match(text):
        return urlsplit(text).path.lower().endswith((".json", ".geojson"))
    path = Path(text)
    if path.suffix.lower() not in {".json", ".geojson"}:
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and ("stac_version" in content or content.get("type") == "FeatureCollection")


def is_stac_item(text: str) -> bool:
    """Tell whether a text names one STAC item."""
    if not is_stac_name(text):
        return False
    try:
        return _load(text).get("type") == "Feature"
    except DatprlError:
        return False


def read_items(origin: str) -> tuple[StacItem, ...]:
    """Read all items that a STAC document holds or links to.

    Parameters
    ----------
    origin
        File or address of an item, an item collection (a GeoJSON FeatureCollection), a collection or a catalogue,
        whose links "item" and "child" are followed.

    Raises
    ------
    InputError
        ``E_MISSING``, ``E_CORRUPT``, or ``E_EMPTY`` if there is no item.
    """
    items = _items(origin, _load(origin), depth=0, seen=set())
    if not items:
        raise InputError(ErrorCode.EMPTY, "no item is in the STAC document or linked from it", where=origin)
    return tuple(items)


def _items(origin: str, document: dict[str, Any], *, depth: int, seen: set[str]) -> list[StacItem]:
    kind = document.get("type")
    if kind == "Feature":
        return [_item(origin, document)]
    if kind == "FeatureCollection":
        return [_item(_own_address(feature, origin), feature) for feature in document.get("features", [])]
    if depth >= _DEEPEST:
        raise InputError(ErrorCode.CORRUPT, f"catalogues lie more than {_DEEPEST} deep in one another", where=origin)
    items: list[StacItem] = []
    for link in document.get("links", []):
        if link.get("rel") not in {"item", "child"} or "href" not in link:
            continue
        address = resolve(origin, link["href"])
        if address not in seen:
            seen.add(address)
            items.extend(_items(address, _load(address), depth=depth + 1, seen=seen))
    return items


def _item(origin: str, document: dict[str, Any]) -> StacItem:
    assets = document.get("assets")
    if not isinstance(assets, dict) or not isinstance(document.get("id"), str):
        raise InputError(
            ErrorCode.CORRUPT,
            "an item without an id or without assets is no STAC item",
            where=origin,
            remedy="Check it",
        )
    return StacItem(document["id"], origin, assets, _acquisition(document.get("properties")))


def _acquisition(properties: Any) -> dict[str, Any]:
    """Return what the properties of an item say of the acquisition; nothing without a time, which an item must have."""
    if not isinstance(properties, dict):
        return {}
    said = {key: properties[key] for key in ACQUISITION if properties.get(key)}
    if isinstance(properties.get("datetime"), str):
        return {"datetime": properties["datetime"], **said}
    return {"datetime": None, **said} if {"start_datetime", "end_datetime"} <= said.keys() else {}


def _own_address(feature: dict[str, Any], origin: str) -> str:
    """Return where an item of a list came from, if it says so: its assets are relative to that."""
    links = feature.get("links", [])
    own = next((link.get("href") for link in links if link.get("rel") == "self"), None)
    return resolve(origin, own) if own else origin


def scene_of_item(item: StacItem, wanted: Sequence[str] = ()) -> str:
    """Return the scene of an item, as :func:`~datprl_toolkit.remote_sensing.reading_sources.locate` takes it.

    Parameters
    ----------
    item
        The item.
    wanted
        Names of assets; by default the three single bands that are red, green and blue, else the only raster.

    Raises
    ------
    InputError
        ``E_AMBIGUOUS`` if several assets could be meant, or ``E_MISSING`` for one that the item lacks.
    """
    for name in wanted:
        if name not in item.assets:
            raise InputError(
                ErrorCode.MISSING,
                f"the item '{item.name}' has no asset '{name}'",
                where=item.origin,
                remedy=f"It has {', '.join(item.assets)}",
            )
    chosen = list(wanted) or _coloured(item) or _only_raster(item)
    return ",".join(resolve(item.origin, str(item.assets[name]["href"])) for name in chosen)


def _coloured(item: StacItem) -> list[str]:
    """Return the assets that are one band each, red, green and blue; none unless each is there once."""
    found: dict[str, list[str]] = {colour: [] for colour in COLOURS}
    for name, asset in item.assets.items():
        bands = _bands(asset)
        if len(bands) != 1 or not _is_raster(asset):
            continue
        colour = bands[0].get("eo:common_name") or bands[0].get("common_name")
        if colour in found:
            found[colour].append(name)
    for colour, names in found.items():
        if len(names) > 1 and colour in names:  # items with the bands in two formats name the usual one by the colour
            found[colour] = [colour]
    return [names[0] for names in found.values()] if all(len(names) == 1 for names in found.values()) else []


def _only_raster(item: StacItem) -> list[str]:
    rasters = [name for name, asset in item.assets.items() if _is_raster(asset) and not _roles(asset) & _SIDE_ROLES]
    with_data = [name for name in rasters if "data" in _roles(item.assets[name])]
    for candidates in (with_data, rasters):
        if len(candidates) == 1:
            return candidates
    raise InputError(
        ErrorCode.AMBIGUOUS if rasters else ErrorCode.MISSING,
        f"it is not clear which asset of the item '{item.name}' is the scene",
        where=item.origin,
        remedy=f"Name one, or three as red,green,blue, of {', '.join(item.assets)} with --assets of restore-batch",
    )


def _bands(asset: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the bands of an asset: as STAC 1.1 has them, or as the extension eo has them before."""
    bands = asset.get("bands") or asset.get("eo:bands") or []
    return [band for band in bands if isinstance(band, dict)]


def _is_raster(asset: dict[str, Any]) -> bool:
    kind, address = str(asset.get("type", "")).lower(), urlsplit(str(asset.get("href", ""))).path.lower()
    if kind:
        return kind.startswith(("image/tiff", "image/vnd.stac.geotiff", "image/jp2", "application/vnd+zarr"))
    return address.endswith((".tif", ".tiff", ".jp2", ".vrt", ".zarr"))


def _roles(asset: dict[str, Any]) -> set[str]:
    roles = asset.get("roles")
    return set(roles) if isinstance(roles, list) else set()


def resolve(origin: str, address: str) -> str:
    """Return an address that a document at `origin` names, relative to that document."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", address) or address.startswith("/vsi"):
        return address
    if _HTTP.match(origin):
        return urljoin(origin, address)
    path = Path(address)
    return str(path if path.is_absolute() else Path(origin).parent / path)


def _load(origin: str) -> dict[str, Any]:
    try:
        if _HTTP.match(origin):
            with urlopen(origin, timeout=_SECONDS) as answer:
                content = json.loads(answer.read(_LARGEST))
        else:
            content = json.loads(Path(origin).read_text(encoding="utf-8"))
    except (OSError, URLError) as error:
        raise InputError(
            ErrorCode.MISSING, "the STAC document cannot be read", where=origin, remedy="Check the address"
        ) from error
    except ValueError as error:
        raise InputError(ErrorCode.CORRUPT, "the STAC document is no valid JSON", where=origin) from error
    if not isinstance(content, dict):
        raise InputError(ErrorCode.CORRUPT, "the JSON is no STAC document", where=origin)
    return content
