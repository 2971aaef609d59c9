"""One Zarr store for the scenes of a batch: a group for each, which is a scene by itself."""

from __future__ import annotations

import json
import shutil
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from datprl_toolkit import __version__
from datprl_toolkit.errors import ErrorCode, InputError, OutputError
from datprl_toolkit.files import output_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MARK = "datprl_batch"
_SHOWN = ("spatial:bbox", "spatial:shape", "spatial:transform", "proj:code")


def check_names(names: Sequence[str]) -> None:
    """Raise ``E_DUPLICATE`` for a scene that would lie inside the group of another."""
    taken = set(names)
    for name in names:
        parts = name.split("/")
        for length in range(1, len(parts)):
            outer = "/".join(parts[:length])
            if outer in taken:
                raise InputError(
                    ErrorCode.DUPLICATE,
                    f"the scene '{name}' would lie inside the scene '{outer}'",
                    remedy="Give them other names in the column 'name' of a CSV file, or write to a folder",
                )


@contextmanager
def batch_store(store: Path) -> Iterator[None]:
    """Keep a store open for new groups; when the block ends, all that are there are listed at its root.

    While scenes are added, the root holds no list: a stale one would hide the newest of them from readers.
    """
    with output_errors(store):
        check_store(store)
        store.mkdir(parents=True, exist_ok=True)
        _write_group(store, {_MARK: __version__})
    try:
        yield
    except BaseException:
        with suppress(OSError):  # the first error says more than one that follows from it
            _list_scenes(store)
        raise
    with output_errors(store):
        _list_scenes(store)


def check_store(store: Path) -> None:
    """Raise ``E_EXISTS`` if something else than the store of a batch has its name."""
    if not store.exists():
        return
    try:
        attributes = json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    except (OSError, ValueError, KeyError):
        attributes = {}
    if _MARK not in attributes:
        raise OutputError(
            ErrorCode.EXISTS,
            "what is there already is not the store of a batch, and is not replaced",
            where=store,
            remedy="Choose another name",
        )


def _list_scenes(store: Path) -> None:
    with suppress(OSError):  # what an unfinished scene left there is used when it is tried again
        _staging(store).rmdir()
    _write_group(store, {_MARK: __version__, "scenes": _scenes(store)})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")  # no part of Zarr 3 yet, but read by all
        warnings.filterwarnings("ignore", message="Object at '_datprl'")  # manifest of a scene, no part of Zarr
        zarr.consolidate_metadata(store)


@contextmanager
def staged_group(store: Path, name: str, *, replaces: bool = True) -> Iterator[Path]:
    """Give the name of a store to write; when the block ends without an error, it is the group `name` of `store`.

    It is written beside the store, since readers of Zarr stumble over what they do not know in it. If the group is
    there and must not be replaced, the block finds it under the name it gets, and leaves it or raises.
    """
    staged, target = _staging(store) / f"{name.replace('/', '__')}.zarr", store / name
    with output_errors(store):
        staged.parent.mkdir(parents=True, exist_ok=True)
        moved = not replaces and target.exists()
        if moved:
            shutil.rmtree(staged, ignore_errors=True)
            target.rename(staged)
    try:
        yield staged
    except BaseException as error:
        if moved:
            staged.rename(target)
        if isinstance(error, OutputError) and error.where == str(staged):
            raise OutputError(error.code, error.what, where=target, remedy=error.remedy) from error
        raise
    with output_errors(store):
        parent = store
        for part in Path(name).parent.parts:
            parent = parent / part
            if not parent.exists():
                parent.mkdir()
                _write_group(parent, {})
        if target.exists():
            old = staged.with_suffix(".replaced")
            target.rename(old)
            staged.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            staged.rename(target)


def _staging(store: Path) -> Path:
    return store.parent / f".{store.name}.scenes"


def _write_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the metadata of a group (Zarr 3 specification, Group metadata), whole or not at all."""
    temporary = folder / "zarr.json.partial"
    temporary.write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}, indent=2), encoding="utf-8"
    )
    temporary.replace(folder / "zarr.json")


def _scenes(store: Path) -> dict[str, dict[str, Any]]:
    """Return where each scene of a store lies on the ground, so that nobody has to open them all to know."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [store]
    while waiting:
        for path in sorted(waiting.pop().iterdir(), reverse=True):
            if not (path / "zarr.json").is_file():
                continue
            metadata = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
            attributes = metadata.get("attributes", {})
            if "spatial:shape" in attributes:
                found[path.relative_to(store).as_posix()] = {
                    key: attributes[key] for key in _SHOWN if key in attributes
                }
            elif metadata.get("node_type") == "group":
                waiting.append(path)
    return dict(sorted(found.items()))
