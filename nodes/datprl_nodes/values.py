"""How a value of each port type is opened from a person's files, kept between steps, and handed out.

Between steps a value is a reference in plain words: the files that it lies in, which are either in the folder of the
step that made it or the originals. Nothing is pickled, so that nothing from a file is ever executed, and a worker of a
cluster opens the same files.
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError
from datprl_toolkit.files import staged_file, staged_folder

Reference = dict[str, Any]
"""What stands for a value in JSON: paths relative to the folder of its step, or absolute."""


class Kind(ABC):
    """What can be done with the values of one port type."""

    suffixes: ClassVar[tuple[str, ...]] = ()
    """Endings of the files that it is handed out as; none for a folder or whatever it is."""

    @abstractmethod
    def open(self, path: Path) -> Any:
        """Open what a person named."""

    @abstractmethod
    def keep(self, value: Any, folder: Path) -> Reference:
        """Return a reference; a value without files of its own is written into `folder`."""

    @abstractmethod
    def recall(self, reference: Reference, folder: Path) -> Any:
        """Return the value of a reference."""

    @abstractmethod
    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Write the value where a person wants it; files under `ours` need no copy where they can be linked."""


class VolumeKind(Kind):
    """Volumes lie in DICOM files."""

    def open(self, path: Path) -> Any:
        """Open a folder with a single series."""
        from datprl_toolkit.medical.opening import open_volume

        return open_volume(path).volume

    def keep(self, value: Any, folder: Path) -> Reference:
        """Name the images."""
        return {"images": [[_relative(image.path, folder), image.frame] for image in value.slices]}

    def recall(self, reference: Reference, folder: Path) -> Any:
        """Read the headers of the images again."""
        from datprl_toolkit.medical.opening import find_series

        return find_series((folder / name, frame) for name, frame in reference["images"]).volume

    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Put the images of the series, byte by byte as they are, into a folder."""
        files = sorted({image.path for image in value.slices})
        with staged_folder(path, overwrite=overwrite) as folder:
            for number, file in enumerate(files, start=1):
                _copy_file(file, folder / (file.name if _distinct(files) else f"{number:04d}.dcm"), ours)


class SceneKind(Kind):
    """Scenes lie in a raster file or store."""

    suffixes: ClassVar[tuple[str, ...]] = (".tif", ".tiff", ".zarr")

    def open(self, path: Path) -> Any:
        """Open a raster."""
        from datprl_toolkit.remote_sensing import Scene

        return Scene.open(path)

    def keep(self, value: Any, folder: Path) -> Reference:
        """Name the file, and the nodata value, which may have been chosen in place of its own."""
        nodata = None if value.nodata is None else repr(float(value.nodata))
        return {"path": _relative(value.path, folder), "nodata": nodata}

    def recall(self, reference: Reference, folder: Path) -> Any:
        """Open the raster again."""
        from datprl_toolkit.remote_sensing import Scene

        path, nodata = folder / reference["path"], reference["nodata"]
        try:
            scene = Scene.open(path)
        except InputError as error:
            # Bands with different nodata values can be opened only with one that was chosen for all.
            if nodata is None or error.code is not ErrorCode.UNSUPPORTED:
                raise
            return Scene.open(path, nodata=float(nodata))
        own = None if scene.nodata is None else repr(float(scene.nodata))
        return scene if own == nodata or nodata is None else Scene.open(path, nodata=float(nodata))

    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Write a COG or Zarr store by the ending of the name; as it is where it has that form already."""
        from datprl_toolkit.remote_sensing.rewriting import copy_scene

        if value.path.suffix.lower() == path.suffix.lower() and value.path.exists():
            _copy(value.path, path, ours, overwrite=overwrite)
        else:
            copy_scene(value, path, overwrite=overwrite)


class PictureKind(Kind):
    """Pictures are kept as PNG, which loses nothing."""

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

    def open(self, path: Path) -> Any:
        """Read a picture."""
        from datprl_toolkit.images.picture import read_picture

        return read_picture(path)

    def keep(self, value: Any, folder: Path) -> Reference:
        """Write it into the folder."""
        from datprl_toolkit.images.picture import write_picture

        write_picture(folder / "picture.png", value)
        return {"path": "picture.png"}

    def recall(self, reference: Reference, folder: Path) -> Any:
        """Read it again."""
        return self.open(folder / reference["path"])

    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Write it in the format of the ending."""
        from datprl_toolkit.images.picture import check_writable, write_picture

        check_writable(path)
        with staged_file(path, overwrite=overwrite) as temporary:
            write_picture(temporary, value)


class ReportKind(Kind):
    """Reports are JSON."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def open(self, path: Path) -> Any:
        """Read a report."""
        from datprl_toolkit.metrics.report import Report

        _check_there(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, IsADirectoryError) as error:
            raise InputError(ErrorCode.UNKNOWN_FORMAT, "a report is a JSON file", where=path) from error
        return Report.from_json(text, where=path)

    def keep(self, value: Any, folder: Path) -> Reference:
        """Write it into the folder."""
        (folder / "report.json").write_text(value.to_json(), encoding="utf-8")
        return {"path": "report.json"}

    def recall(self, reference: Reference, folder: Path) -> Any:
        """Read it again."""
        return self.open(folder / reference["path"])

    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Write it as JSON."""
        with staged_file(path, overwrite=overwrite) as temporary:
            temporary.write_text(value.to_json(), encoding="utf-8")


class PathKind(Kind):
    """Files and folders of any other kind."""

    def open(self, path: Path) -> Any:
        """Check that it is there."""
        _check_there(path)
        return path

    def keep(self, value: Any, folder: Path) -> Reference:
        """Name it."""
        _check_there(value)
        return {"path": _relative(value, folder)}

    def recall(self, reference: Reference, folder: Path) -> Any:
        """Return where it is."""
        return folder / reference["path"]

    def deliver(self, value: Any, path: Path, *, overwrite: bool, ours: Path | None = None) -> None:
        """Put it where a person wants it."""
        if value.suffix.lower() != path.suffix.lower():
            raise OptionError(
                ErrorCode.OPTION,
                f"the result is a '{value.suffix or 'folder'}'",
                where=path.name,
                remedy=f"Let the name end in '{value.suffix}'" if value.suffix else "Leave out the ending",
            )
        _copy(value, path, ours, overwrite=overwrite)


KINDS: dict[str, Kind] = {
    "Volume": VolumeKind(),
    "Scene": SceneKind(),
    "Picture": PictureKind(),
    "Report": ReportKind(),
    "Path": PathKind(),
}


CLASSES = {
    "datprl_toolkit.medical.volume.Volume": "Volume",
    "datprl_toolkit.remote_sensing.scene.Scene": "Scene",
    "datprl_toolkit.images.picture.Picture": "Picture",
    "datprl_toolkit.metrics.report.Report": "Report",
}
"""Port types by the class of their values, which is compared by name so that none has to be loaded."""


def type_of(value: Any) -> str:
    """Return the name of the port type of a value.

    Raises
    ------
    DatprlError
        ``E_NODE`` if it is of none.
    """
    if isinstance(value, Path):
        return "Path"
    for each in type(value).__mro__:
        found = CLASSES.get(f"{each.__module__}.{each.__qualname__}")
        if found is not None:
            return found
    raise DatprlError(ErrorCode.NODE, f"the node gave a {type(value).__name__}, which no port carries")


def as_file(value: Any, path: Path) -> Path:
    """Return the file or folder in which an image lies; one without a place of its own is written to `path`."""
    kind = type_of(value)
    if kind in ("Scene", "Path"):
        found: Path = value if kind == "Path" else value.path
        return found
    target = path.with_suffix(".png") if kind == "Picture" else path
    KINDS[kind].deliver(value, target, overwrite=False)
    return target


def files_of(path: Path) -> list[Path]:
    """Return all files in a folder, or the file itself; sorted, what this package keeps for itself left out."""
    if path.is_file():
        return [path]
    found = []
    for directory, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".datprl"))
        found += [Path(directory) / name for name in sorted(names)]
    return sorted(found)


def plain_json(content: Any) -> str:
    """Return JSON that is the same for the same content."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)


def _copy(source: Path, target: Path, ours: Path | None, *, overwrite: bool) -> None:
    if source.is_dir():
        with staged_folder(target, overwrite=overwrite) as folder:
            for file in files_of(source):
                place = folder / file.relative_to(source)
                place.parent.mkdir(parents=True, exist_ok=True)
                _copy_file(file, place, ours)
    else:
        with staged_file(target, overwrite=overwrite) as temporary:
            _copy_file(source, temporary, ours)


def _copy_file(source: Path, target: Path, ours: Path | None) -> None:
    """Give a file of ours a second name where the file system can; copy what is not ours."""
    if ours is not None and source.absolute().is_relative_to(ours.absolute()):
        try:
            target.hardlink_to(source)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)


def _relative(path: Path, folder: Path) -> str:
    absolute = path.absolute()
    base = folder.absolute()
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)


def _distinct(files: list[Path]) -> bool:
    return len({file.name for file in files}) == len(files)


def _check_there(path: Path) -> None:
    if not path.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=path)
