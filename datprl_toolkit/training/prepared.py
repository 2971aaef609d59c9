"""Prepared training data: a folder of plain numpy archives and a manifest, so that training needs no image library.

Layout::

    manifest.json          version, seed, and for each source its file, count, SHA-256 and a note on its split
    sources/NAME.npz       arrays called FIELD/0000, FIELD/0001, ...; a field is "clean", "degraded", "noise", ...
    validation/TASK.npz    arrays input/0000 and target/0000 in [0, 1], and the names of the images
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.files import staged_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt


VERSION = 1


@dataclass(frozen=True, slots=True)
class Source:
    """Arrays of one source: each field holds one array per item, in the same order."""

    name: str
    fields: Mapping[str, Sequence[npt.NDArray[Any]]]
    note: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.fields.values())))

    def __getitem__(self, name: str) -> Sequence[npt.NDArray[Any]]:
        return self.fields[name]


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Pairs of one task that are never trained on: float32 (H, W) or (H, W, 3) in [0, 1]."""

    task: str
    names: tuple[str, ...]
    inputs: tuple[npt.NDArray[np.float32], ...]
    targets: tuple[npt.NDArray[np.float32], ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class PreparedData:
    """Everything that a training run reads."""

    sources: Mapping[str, Source]
    validation: Mapping[str, ValidationSet]
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the checksums of all files: the same data give the same value on every machine."""
        entries = {**self.manifest.get("sources", {}), **self.manifest.get("validation", {})}
        lines = [f"{name} {entry['sha256']}" for name, entry in sorted(entries.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def without(self, names: Collection[str]) -> PreparedData:
        """Return the data without some sources, as if they had not been prepared.

        Raises
        ------
        OptionError
            ``E_OPTION`` if there is no source of a name.
        """
        unknown = sorted(set(names) - self.sources.keys())
        if unknown:
            raise OptionError(
                ErrorCode.OPTION,
                f"there are no prepared sources called {', '.join(unknown)} to leave out",
                where="left_out",
                remedy=f"There are {', '.join(sorted(self.sources))}",
            )

        def kept(entries: Mapping[str, Any]) -> dict[str, Any]:
            return {name: entry for name, entry in entries.items() if name not in names}

        parts = {part: kept(self.manifest[part]) for part in ("sources", "folders") if part in self.manifest}
        return replace(self, sources=kept(self.sources), manifest={**self.manifest, **parts})


def save_source(folder: Path, source: Source) -> dict[str, Any]:
    """Write one source and return its entry for the manifest."""
    arrays = {f"{name}/{i:04d}": array for name, items in source.fields.items() for i, array in enumerate(items)}
    path = folder / "sources" / f"{source.name}.npz"
    return {**_save(path, arrays), "count": len(source), "note": source.note}


def save_validation(folder: Path, pairs: ValidationSet) -> dict[str, Any]:
    """Write the validation pairs of one task and return their entry for the manifest."""
    arrays: dict[str, npt.NDArray[Any]] = {"names": np.array(pairs.names)}
    arrays |= {f"input/{i:04d}": array for i, array in enumerate(pairs.inputs)}
    arrays |= {f"target/{i:04d}": array for i, array in enumerate(pairs.targets)}
    path = folder / "validation" / f"{pairs.task}.npz"
    return {**_save(path, arrays), "count": len(pairs), "names": list(pairs.names)}


def save_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest last: a folder without one is not prepared data."""
    with staged_file(folder / "manifest.json", overwrite=True) as path:
        path.write_text(json.dumps({"version": VERSION, **manifest}, indent=1), encoding="utf-8")


def load_prepared(folder: Path) -> PreparedData:
    """Read a folder of prepared data into memory.

    Raises
    ------
    InputError
        ``E_MISSING`` if the folder has no manifest or a file is gone, ``E_CORRUPT`` if one cannot be read.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(
            ErrorCode.MISSING,
            "there are no prepared training data",
            where=folder,
            remedy="Make them with: python recipes/prepare_data.py DATA OUT",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["version"] != VERSION:
            raise InputError(
                ErrorCode.UNSUPPORTED,
                f"the prepared data have version {manifest['version']}, and version {VERSION} is read",
                where=folder,
                remedy="Make them again with: python recipes/prepare_data.py DATA OUT",
            )
        sources = {
            name: _load_source(folder / entry["file"], name, entry["note"])
            for name, entry in manifest["sources"].items()
        }
        validation = {
            task: _load_validation(folder / entry["file"], task) for task, entry in manifest["validation"].items()
        }
    except FileNotFoundError as error:
        raise InputError(ErrorCode.MISSING, "a file of the prepared data is gone", where=error.filename) from error
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            ErrorCode.CORRUPT, f"the prepared data cannot be read: {error}", where=folder, remedy="Make them again"
        ) from error
    return PreparedData(sources, validation, manifest)


def _save(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    with staged_file(path, overwrite=True) as temporary:
        np.savez(temporary, allow_pickle=False, **dict(arrays))
    # Not of the file, whose zip entries carry the time of writing.
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return {"file": f"{path.parent.name}/{path.name}", "sha256": digest.hexdigest()}


def _load_source(path: Path, name: str, note: str) -> Source:
    fields: dict[str, list[npt.NDArray[Any]]] = {}
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for key in sorted(archive.files):
            fields.setdefault(key.split("/")[0], []).append(archive[key])
    return Source(name, fields, note)


def _load_validation(path: Path, task: str) -> ValidationSet:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        names = tuple(str(name) for name in archive["names"])
        inputs = tuple(archive[f"input/{i:04d}"] for i in range(len(names)))
        targets = tuple(archive[f"target/{i:04d}"] for i in range(len(names)))
    return ValidationSet(task, names, inputs, targets)
