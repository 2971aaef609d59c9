"""Which scenes a batch holds: found in folders, by patterns, in lists and in STAC catalogues, each with a name."""

from __future__ import annotations

import csv
import glob
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.formats import is_raster, is_zarr
from datprl_toolkit.remote_sensing.reading_sources import is_remote, is_scene_name
from datprl_toolkit.remote_sensing.reading_stac import is_stac_name, read_items, scene_of_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from datprl_toolkit.remote_sensing.options import SceneOptions

SOURCE_COLUMNS = ("source", "path", "file", "filename", "href", "url")
OPTION_COLUMNS = ("bands", "scaling", "nodata", "scale", "strength")
_SIDECARS = (".ovr", ".msk", ".aux.xml")


@dataclass(frozen=True, slots=True)
class BatchScene:
    """One scene of a batch.

    Parameters
    ----------
    name
        What its output is called: unique in the batch, parts separated by "/".
    source
        What is read, as :meth:`Scene.open` takes it.
    overrides
        Options that hold for this scene alone.
    acquisition
        When and with what it was taken, if an item of a STAC catalogue says so; see :class:`StacItem`.
    """

    name: str
    source: str
    overrides: dict[str, object] = field(default_factory=dict)
    acquisition: dict[str, Any] = field(default_factory=dict)

    def options(self, common: SceneOptions) -> SceneOptions:
        """Return the options for this scene.

        Raises
        ------
        OptionError
            ``E_OPTION`` for a value that cannot be used.
        """
        return replace(common, **self.overrides)  # type: ignore[arg-type]


def find_scenes(
    sources: Sequence[str | Path], *, assets: Sequence[str] = (), output: Path | None = None
) -> tuple[BatchScene, ...]:
    """Find the scenes that `sources` name, in a stable order.

    Parameters
    ----------
    sources
        Rasters and Zarr stores; folders, which are searched for them; patterns such as ``"tiles/**/*.tif"``; CSV
        files with a column "source" (or "path", "file", "href", "url"), and columns "name", "bands", "scaling",
        "nodata", "scale", "strength" if wanted; text files with one scene in each line; STAC items, lists of items,
        collections and catalogues (JSON). Paths inside a file are relative to it.
    assets
        Which assets of each STAC item make its scene; those that are known as red, green and blue by default.
    output
        Where the outputs will be: what a pattern finds of earlier ones there is left out.

    Returns
    -------
    The scenes. Those of a folder or a pattern are named by their path below it without the ending, STAC items by
    their id, all others by the name of their file, or by their path where files of one name lie in several folders.

    Raises
    ------
    InputError
        ``E_MISSING``, ``E_EMPTY``, ``E_CORRUPT``, ``E_UNKNOWN_FORMAT``, or ``E_DUPLICATE`` for scenes of one name.
    OptionError
        ``E_OPTION`` for a list whose columns cannot be used, or a pattern that finds nothing but earlier outputs.
    """
    found: list[BatchScene] = []
    singles: list[str] = []
    for given in sources:
        text = str(given)
        if _is_single(text):
            singles.append(text)
        else:
            found.extend(_expand(text, assets, output))
    scenes = _unique([*_named_by_path(singles), *found])
    if not scenes:
        raise InputError(ErrorCode.EMPTY, "a batch needs at least one scene", remedy="Name files, a folder or a list")
    return scenes


def _is_single(text: str) -> bool:
    """Tell whether a source is one scene rather than something that lists or holds several."""
    path = Path(text)
    if is_stac_name(text) or path.suffix.lower() in {".csv", ".txt"}:
        return False
    if path.is_dir():
        return is_zarr(path) or is_scene_name(text)
    return path.exists() or is_scene_name(text)


def _expand(text: str, assets: Sequence[str], output: Path | None) -> list[BatchScene]:
    path = Path(text)
    if is_stac_name(text):
        items = read_items(text)
        return [
            BatchScene(_safe_name(item.name), scene_of_item(item, assets), acquisition=item.acquisition)
            for item in items
        ]
    if path.is_dir():
        return _in_folder(path)
    if not path.exists() and glob.has_magic(text):
        return _by_pattern(text, output)
    if not path.is_file():
        raise InputError(
            ErrorCode.MISSING, "there is no such file or folder", where=text, remedy="Check the name and the folder"
        )
    return _in_table(path) if path.suffix.lower() == ".csv" else _in_list(path)


def _in_folder(folder: Path) -> list[BatchScene]:
    paths = list(_rasters_below(folder))
    if not paths:
        raise InputError(
            ErrorCode.EMPTY, "no raster is in the folder or below it", where=folder, remedy="Check the folder"
        )
    return sorted((_below(path, folder) for path in paths), key=lambda scene: (scene.name, scene.source))


def _rasters_below(folder: Path) -> Iterator[Path]:
    """Yield rasters; what is a scene as a whole (a Zarr store, a product's folder) is not looked into."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        within = []
        for name in sorted(folders):
            if name.startswith("."):
                continue
            if is_zarr(here / name) or is_scene_name(str(here / name)):
                yield here / name
            else:
                within.append(name)
        folders[:] = within
        for name in files:
            if not name.startswith(".") and not name.lower().endswith(_SIDECARS) and is_raster(here / name):
                yield here / name


def _by_pattern(pattern: str, output: Path | None) -> list[BatchScene]:
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (pathlib takes no absolute pattern)
    paths = [Path(name) for name in found if is_raster(Path(name)) or is_scene_name(name)]
    if not paths:
        what = "no file has a name of this pattern" if not found else "none of the files of this pattern is a raster"
        raise InputError(ErrorCode.MISSING, what, where=pattern, remedy="Check the pattern")
    if output is not None:
        paths = [path for path in paths if not _is_earlier_output(path, output)]
    if not paths:
        raise OptionError(
            ErrorCode.OPTION,
            "all scenes of the pattern are outputs of this batch",
            where=pattern,
            remedy="Choose an output outside, or a pattern that leaves it out",
        )
    fixed = Path(*_before_magic(Path(pattern).parts))
    return sorted((_below(path, fixed) for path in paths), key=lambda scene: (scene.name, scene.source))


def _is_earlier_output(path: Path, output: Path) -> bool:
    """Tell whether a scene is one that an earlier run made in `output`, or lies in one."""
    place, folder = path.resolve(), output.resolve()
    if not place.is_relative_to(folder):
        return False
    if output.suffix.lower() == ".zarr":
        return True  # of the store nothing is an input
    from datprl_toolkit.remote_sensing.manifest import read_mark

    holders = [place, *(parent for parent in place.parents if parent.is_relative_to(folder) and is_zarr(parent))]
    return any(read_mark(holder).job is not None for holder in holders)


def _before_magic(parts: Iterable[str]) -> list[str]:
    """Return the parts of a path before the first that is a pattern."""
    fixed: list[str] = []
    for part in parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return fixed


def _below(path: Path, folder: Path) -> BatchScene:
    return BatchScene(_safe_name(path.relative_to(folder).with_suffix("").as_posix()), str(path))


def _named_by_path(sources: Sequence[str]) -> list[BatchScene]:
    """Name scenes by their file; where that is not unique, by their path from the folder that holds them all."""
    stems = [_stem(text) for text in sources]
    if len(set(stems)) == len(stems):
        return [BatchScene(_safe_name(stem), text) for stem, text in zip(stems, sources, strict=True)]
    local = [text for text in sources if Path(text).exists()]
    common = Path(os.path.commonpath([Path(text).resolve().parent for text in local])) if local else Path()
    scenes = []
    for stem, text in zip(stems, sources, strict=True):
        path = Path(text)
        name = path.resolve().relative_to(common).with_suffix("").as_posix() if path.exists() else stem
        scenes.append(BatchScene(_safe_name(name), text))
    return scenes


def _stem(text: str) -> str:
    """Return the name of a file without its ending, of whatever is read."""
    first = text.split(",")[0].split("?")[0].rstrip("/")
    return Path(first).stem or "scene"


def _in_list(path: Path) -> list[BatchScene]:
    lines = [line.strip() for line in _text(path).splitlines()]
    sources = [_beside(path, line) for line in lines if line and not line.startswith("#")]
    if not sources:
        raise InputError(ErrorCode.EMPTY, "the list names no scene", where=path, remedy="Write one in each line")
    return _named_by_path(sources)


def _in_table(path: Path) -> list[BatchScene]:
    rows = list(csv.DictReader(_text(path).splitlines()))
    if not rows:
        raise InputError(ErrorCode.EMPTY, "the table has no rows", where=path, remedy="Write a header and one row each")
    columns = {(name or "").strip().lower(): name for name in rows[0]}
    column = next((columns[name] for name in SOURCE_COLUMNS if name in columns), None)
    if column is None:
        raise OptionError(
            ErrorCode.OPTION,
            f"the table has no column that names the scenes, only: {', '.join(filter(None, columns))}",
            where=path,
            remedy="Call the column 'source'",
        )
    sources = [_beside(path, _cell(row, column, path, number)) for number, row in enumerate(rows, start=2)]
    scenes = []
    for number, (row, scene) in enumerate(zip(rows, _named_by_path(sources), strict=True), start=2):
        given = (row.get(columns.get("name")) or "").strip()
        overrides = _overrides(row, columns, f"{path}, line {number}")
        scenes.append(BatchScene(_safe_name(given) if given else scene.name, scene.source, overrides))
    return scenes


def _cell(row: dict[str, str], column: str, path: Path, number: int) -> str:
    text = (row.get(column) or "").strip()
    if not text:
        raise OptionError(
            ErrorCode.OPTION, f"the column '{column}' is empty", where=f"{path}, line {number}", remedy="Name a scene"
        )
    return text


def _overrides(row: dict[str, str], columns: dict[str, str], where: str) -> dict[str, object]:
    """Read the options that a row of a table gives; empty cells give none."""
    overrides: dict[str, object] = {}
    for option in OPTION_COLUMNS:
        text = (row.get(columns.get(option, "")) or "").strip()
        if not text:
            continue
        try:
            overrides[option] = _OPTION_READERS[option](text)
        except ValueError:
            raise OptionError(
                ErrorCode.OPTION, f"'{text}' cannot be used for {option}", where=where, remedy="Correct the table"
            ) from None
    return overrides


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.split(r"[,; ]+", text))


def _bands(text: str) -> tuple[int, ...] | tuple[str, ...]:
    """Read bands as numbers or, failing that, as names."""
    try:
        return _numbers(text)
    except ValueError:
        return tuple(re.split(r"[,; ]+", text))


_OPTION_READERS: dict[str, Callable[[str], object]] = {
    "bands": _bands,
    "scaling": str,
    "nodata": float,
    "scale": int,
    "strength": float,
}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            ErrorCode.CORRUPT, "the list cannot be read as UTF-8 text", where=path, remedy="Save it as UTF-8"
        ) from error


def _beside(listing: Path, text: str) -> str:
    """Return a path that a file names, relative to that file."""
    if is_remote(text) or Path(text).is_absolute():
        return text
    return ",".join(str(listing.parent / part) for part in text.split(","))


def _safe_name(name: str) -> str:
    """Return a name that is one below the output on every system: what a list says must not lead out of it."""
    parts = [re.sub(r"[^\w.+-]", "_", part).strip(".") for part in name.replace("\\", "/").split("/")]
    return "/".join(part for part in parts if part) or "scene"


def _unique(scenes: list[BatchScene]) -> tuple[BatchScene, ...]:
    """Tell scenes of one name apart by the ending of their files; refuse what is then still not unique."""
    counts = Counter(scene.name.lower() for scene in scenes)
    told_apart = tuple(
        replace(scene, name=f"{scene.name}_{Path(scene.source).suffix.lower().lstrip('.')}")
        if counts[scene.name.lower()] > 1 and Path(scene.source).suffix
        else scene
        for scene in scenes
    )
    seen: dict[str, BatchScene] = {}
    for scene in told_apart:
        earlier = seen.setdefault(scene.name.lower(), scene)
        if earlier is not scene:
            raise InputError(
                ErrorCode.DUPLICATE,
                f"two scenes would have the name '{scene.name}'",
                where=f"{earlier.source} and {scene.source}",
                remedy="Name each scene once, or give names in the column 'name' of a CSV file",
            )
    return told_apart
