"""Say what an input is, how it would be restored, and what is wrong with it; nothing is written."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from datprl_toolkit.errors import DatprlError, unreadable
from datprl_toolkit.jobs.identify import Kind, identify, identify_file
from datprl_toolkit.remote_sensing.formats import is_zarr
from datprl_toolkit.restoring import ProgressCallback, silent
from datprl_toolkit.restoring.inspection import Fact, Finding, Inspected, Inspection, relative

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Fact", "Finding", "Inspected", "Inspection", "inspect"]

NOT_DICOM = "file that is not DICOM"


def inspect(source: str | Path, *, quick: bool = False, progress: ProgressCallback = silent) -> Inspection:
    """Find out what `source` is and describe it, without weights and without writing anything.

    Parameters
    ----------
    source
        DICOM (a file, a folder, a DICOMDIR), NIfTI, a scene (whatever ``restore`` takes), a picture, or a folder of
        any of these.
    quick
        Read headers alone; what depends on the values is then left out.
    progress
        Told after each piece that was read; an exception that it raises ends the inspection.

    Returns
    -------
    Every volume, scene and picture found. What cannot be read is listed with its code.

    Raises
    ------
    InputError
        ``E_MISSING``, ``E_EMPTY``, ``E_UNKNOWN_FORMAT``, or what is wrong with the only thing that is there.
    """
    from datprl_toolkit.remote_sensing.reading_sources import is_scene_name

    if is_scene_name(str(source)):
        return _inspect_scene(source, quick, progress)
    source = Path(source)
    if not os.path.isdir(source) or is_zarr(source):  # noqa: PTH112 (Path.is_dir raises where identify says why)
        return _INSPECTORS[identify(source)](source, quick, progress)
    return _inspect_folder(source, quick, progress)


def _inspect_folder(folder: Path, quick: bool, progress: ProgressCallback) -> Inspection:
    """Describe everything in a folder: DICOM and pictures together, other files one by one."""
    files: dict[Kind | None, list[Path]] = {}
    errors: list[DatprlError] = []
    for path in _pieces(folder):
        try:
            kind = identify_file(path) if path.is_dir() or path.stat().st_size else None
        except OSError as error:
            errors.append(unreadable(path, error))
            continue
        files.setdefault(kind, []).append(path)
    places: list[tuple[Kind, Path]] = []
    for kind, found in files.items():
        if kind is not None:
            places.extend((kind, path) for path in ([folder] if kind in ("dicom", "images") else found))
    places.sort(key=lambda place: (place[0] != "dicom", place[1]))
    items: list[Inspected] = []
    problems = [Finding.of_error(error, folder) for error in errors]
    skipped = Counter[str]()
    for kind, path in places:
        try:
            part = _INSPECTORS[kind](path, quick, progress)
        except DatprlError as error:
            errors.append(error)
            problems.append(Finding.of_error(error, folder))
            continue
        items.extend(_renumbered(part, len(items), relative(path, folder)))
        problems.extend(part.problems)
        skipped.update(part.skipped)
    if not items:
        if errors:
            raise errors[0]
        identify(folder)  # says what is wrong with a folder of nothing
    unknown = len(files.get(None, ()))
    skipped.pop(NOT_DICOM, None)  # these have been looked at for other formats
    skipped.update({} if not unknown or "empty file" in skipped else {"file of no known format": unknown})
    return Inspection(folder, tuple(items), tuple(problems), dict(sorted(skipped.items())))


def _pieces(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, and Zarr stores as a whole; hidden ones are left out."""
    for directory, folders, names in os.walk(folder):
        inside = Path(directory)
        stores = [name for name in folders if is_zarr(inside / name)]
        folders[:] = sorted(name for name in folders if name not in stores and not name.startswith("."))
        yield from (inside / name for name in sorted((*stores, *names)) if not name.startswith("."))


def _renumbered(part: Inspection, before: int, name: str | None) -> list[Inspected]:
    """Return items numbered on, with the file's name before the title of one that is a file of its own."""
    return [
        replace(item, number=before + item.number, title=item.title if name is None else f"{name}: {item.title}")
        for item in part.items
    ]


def _inspect_dicom(source: str | Path, quick: bool, progress: ProgressCallback) -> Inspection:
    from datprl_toolkit.medical.inspection import inspect_dicom

    return inspect_dicom(Path(source), quick=quick, progress=progress)


def _inspect_nifti(source: str | Path, quick: bool, progress: ProgressCallback) -> Inspection:
    from datprl_toolkit.medical.nifti_inspection import inspect_nifti

    return inspect_nifti(Path(source), quick=quick, progress=progress)


def _inspect_scene(source: str | Path, quick: bool, progress: ProgressCallback) -> Inspection:
    from datprl_toolkit.remote_sensing.inspection import inspect_scene

    return inspect_scene(source, quick=quick, progress=progress)


def _inspect_images(source: str | Path, quick: bool, progress: ProgressCallback) -> Inspection:
    from datprl_toolkit.images.inspection import inspect_images

    return inspect_images(Path(source), quick=quick, progress=progress)


_INSPECTORS: dict[Kind, Callable[[str | Path, bool, ProgressCallback], Inspection]] = {
    "dicom": _inspect_dicom,
    "nifti": _inspect_nifti,
    "raster": _inspect_scene,
    "images": _inspect_images,
}
