"""What a scene can be read from besides one file: remote files, several files as its bands, products, STAC items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.remote_sensing.reading_products import is_product, product_acquisition, product_files
from datprl_toolkit.remote_sensing.reading_stac import is_stac_item, read_items, scene_of_item

# GDAL's names for the schemes under which rasters lie in the cloud (GDAL: Virtual File Systems).
_SCHEMES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "ftp": "/vsicurl/ftp://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
    "abfs": "/vsiadls/",
    "oss": "/vsioss/",
    "swift": "/vsiswift/",
    "hdfs": "/vsihdfs/",
}
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SceneSource:
    """The files that a scene is read from.

    Parameters
    ----------
    name
        What it is called in messages.
    files
        What GDAL opens, one after the other; several are the bands of one scene.
    acquisition
        When and with what it was taken, if it is a STAC item or a product that says so; see :class:`StacItem`.
    documents
        Files of this machine that say which `files` are meant, such as a STAC item.
    """

    name: str
    files: tuple[str, ...]
    acquisition: dict[str, Any] = field(default_factory=dict)
    documents: tuple[Path, ...] = ()

    @property
    def is_local_file(self) -> bool:
        """True for one file or store of this machine, which needs no further care."""
        return len(self.files) == 1 and not self.files[0].startswith("/vsi")

    @property
    def originals(self) -> tuple[Path, ...]:
        """The files of this machine that are named to GDAL."""
        return tuple(Path(file) for file in self.files if not file.startswith("/vsi"))

    @property
    def protected(self) -> tuple[Path, ...]:
        """The files of this machine that are read, those behind virtual rasters too, which must never be written."""
        return tuple(dict.fromkeys((*self.originals, *_behind(self.originals), *self.documents)))


def locate(source: str | Path) -> SceneSource:
    """Find the files of a scene.

    Parameters
    ----------
    source
        A file or a Zarr store; several files, separated by commas; an address such as ``https://...`` or
        ``s3://...``, or GDAL's own ``/vsi...``; the folder of a Sentinel-2 or Landsat product; a STAC item.

    Raises
    ------
    InputError
        ``E_MISSING``, ``E_AMBIGUOUS``, ``E_CORRUPT`` or ``E_UNSUPPORTED`` for a STAC item or a product without
        red, green and blue.
    """
    text = str(source)
    path = Path(source)
    if is_stac_item(text):
        item = read_items(text)[0]
        return SceneSource(
            text, locate(scene_of_item(item)).files, item.acquisition, () if is_remote(text) else (path,)
        )
    if is_product(path):
        files = product_files(path)
        return SceneSource(text, tuple(map(str, files)), product_acquisition(files[0]))
    if is_remote(text):
        parts = text.split(",") if _lists_addresses(text) else [text]
        return SceneSource(Path(unquote(urlsplit(parts[0]).path)).name or text, tuple(map(_gdal_name, parts)))
    if "," in text and not path.exists():
        return SceneSource(text, tuple(_gdal_name(part.strip()) for part in text.split(",") if part.strip()))
    return SceneSource(text, (text,))


def is_scene_name(text: str) -> bool:
    """Tell whether a text names one scene that need not be one file: an address, several files, a product, an item."""
    path = Path(text)
    if is_remote(text) or is_product(path) or is_stac_item(text):
        return True
    parts = [part.strip() for part in text.split(",")]
    return len(parts) > 1 and not path.exists() and any(is_remote(part) or Path(part).is_file() for part in parts)


def is_remote(text: str) -> bool:
    """Tell whether a text names a file that GDAL reads through one of its virtual file systems."""
    match = _SCHEME.match(text)
    return text.startswith("/vsi") or (match is not None and match["scheme"].lower() in _SCHEMES)


def _behind(files: tuple[Path, ...]) -> list[Path]:
    """Return the files that virtual rasters are made of, and those behind these in turn."""
    found: list[Path] = []
    seen: set[Path] = set()
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path.resolve() in seen or not _is_virtual(path):
            continue
        seen.add(path.resolve())
        members = [member for member in _members(path) if member.resolve() != path.resolve()]
        found.extend(members)
        waiting.extend(members)
    return found


def _is_virtual(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<VRTDataset" in file.read(256)
    except OSError:
        return False


def _members(path: Path) -> list[Path]:
    # Other readers of these names need no GDAL.
    from datprl_toolkit.remote_sensing.raster_reading import open_raster

    try:
        with open_raster(path) as dataset:
            members = [Path(name) for name in dataset.files]
    except DatprlError:  # it is reported when the scene is opened
        return []
    # A viewer may write statistics at any time, and they are no part of the scene.
    return [member for member in members if member.exists() and not member.name.endswith(".aux.xml")]


def _lists_addresses(text: str) -> bool:
    """Tell whether commas separate addresses; a single one may have commas of its own."""
    return all(is_remote(part) for part in text.split(","))


def _gdal_name(text: str) -> str:
    match = _SCHEME.match(text)
    if match is None:
        return text
    scheme = match["scheme"].lower()
    if scheme == "file":
        return unquote(match["rest"])
    if scheme not in _SCHEMES:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"files cannot be read by '{scheme}://'",
            where=text,
            remedy=f"Use one of {', '.join(_SCHEMES)}, or a local file",
        )
    return _SCHEMES[scheme] + match["rest"]
