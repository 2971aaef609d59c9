"""The checksum of what a step made: of its content, so that two runs that make the same give the same.

What says when or from which file something was made has no part in it: the times in DICOM headers, and the identity
of the input that a scene carries so that an interrupted run can be continued.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datprl_nodes.values import type_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datprl_toolkit.remote_sensing import Scene

CREATION_TIMES = ("InstanceCreationDate", "InstanceCreationTime", "ContributionDateTime")
BLOCK = 2048


def content_digest(folder: Path, names: Sequence[str], outputs: Mapping[str, Any]) -> str:
    """Return one checksum for what a step made.

    Parameters
    ----------
    folder, names
        The files that it made.
    outputs
        Its values by port; the files of a scene among them count by their pixels and description.
    """
    digest = hashlib.sha256()
    scenes: dict[Path, Scene] = {
        value.path.absolute(): value
        for value in outputs.values()
        if type_of(value) == "Scene" and value.path.absolute().is_relative_to(folder.absolute())
    }
    for scene in scenes.values():
        digest.update(f"{scene.path.name}\n{_scene_digest(scene)}\n".encode())
    for name in names:
        path = (folder / name).absolute()
        if not any(path.is_relative_to(place) for place in scenes):
            digest.update(f"{name}\n{_file_digest(path)}\n".encode())
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    return _dicom_digest(path)


def _dicom_digest(path: Path) -> str:
    from datprl_toolkit.medical import header

    dataset = header.read_dataset(path, pixels=True)
    for item in (dataset, *dataset.get("ContributingEquipmentSequence", ())):
        for keyword in CREATION_TIMES:
            if keyword in item:
                delattr(item, keyword)
    content = BytesIO()
    with header.tolerant_pydicom():
        dataset.save_as(content, enforce_file_format=False)
    return hashlib.sha256(content.getvalue()).hexdigest()


def _scene_digest(scene: Scene) -> str:
    """Read the scene block by block, so that memory does not grow with it."""
    from datprl_toolkit.remote_sensing.checksums import pixel_checksum
    from datprl_toolkit.remote_sensing.provenance import JOB
    from datprl_toolkit.remote_sensing.windows import split, whole

    tags = {domain: {k: v for k, v in items.items() if k != JOB} for domain, items in sorted(scene.tags.items())}
    grid = scene.grid
    place = (grid.shape, grid.crs and grid.crs.to_wkt(), grid.transform, len(grid.control_points), str(grid.rpcs))
    digest = hashlib.sha256(repr((place, scene.bands, scene.dtype.str, scene.nodata, tags)).encode())
    numbers = [band.number for band in scene.bands]
    with scene.reader() as reader:
        for block in split(whole(grid.shape), BLOCK):
            mask = reader.read_mask(block) if scene.has_mask else None
            digest.update(pixel_checksum(reader.read(numbers, block).values, mask).encode())
    return digest.hexdigest()
