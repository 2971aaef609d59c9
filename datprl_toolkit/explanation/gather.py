"""Images of each set as the network is given them, and what it chooses for each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.pairing import PICTURE_SUFFIXES, files_with_suffix
from datprl_toolkit.restoring import Progress
from datprl_toolkit.restoring.restorer import SAMPLE_COUNT, SAMPLE_TILE
from datprl_toolkit.restoring.tiling import sample_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.medical.volume import Slice
    from datprl_toolkit.network import Context
    from datprl_toolkit.network.prompts import PromptChoice
    from datprl_toolkit.restoring import ProgressCallback, Restorer

    _Sample = tuple[npt.NDArray[np.float32], str | None]

LARGEST_WHOLE = 576
"""Longest side, in pixels, of an image that is looked at whole; as in restoring, others are sampled."""


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Images that are looked at together.

    Parameters
    ----------
    name
        For the pictures.
    paths
        Picture files; or one folder or file of a DICOM series.
    """

    name: str
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """What the images of one set chose from one pool.

    Parameters
    ----------
    selected, weights
        (images, top_k): which prompts, and their shares in the representation.
    similarity
        (images, size): cosine similarity of the query with every key.
    representation
        (images, tokens * dimension).
    """

    selected: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64]
    representation: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SetRecord:
    """What the images of one set chose, and the fused prompt of each, (images, tokens * dimension)."""

    name: str
    images: int
    pools: dict[str, PoolRecord]
    prompts: npt.NDArray[np.float64]


def find_sets(places: Sequence[Path]) -> list[SampleSet]:
    """Return one set for each folder, and one for all single pictures together.

    Raises
    ------
    InputError
        ``E_MISSING`` for what is not there, ``E_EMPTY`` for a folder without images, ``E_UNKNOWN_FORMAT`` for a
        file that is no image.
    """
    singles = tuple(place for place in places if place.is_file() and place.suffix.lower() in PICTURE_SUFFIXES)
    sets = [SampleSet("pictures", singles)] if singles else []
    for place in places:
        if place in singles:
            continue
        if not place.exists():
            raise InputError(ErrorCode.MISSING, "there is no such file or folder", where=place)
        pictures = tuple(files_with_suffix(place)) if place.is_dir() else ()
        sets.append(SampleSet(place.name, pictures or _series(place)))
    return _with_own_names(sets)


def record_set(images: SampleSet, restorer: Restorer, limit: int, progress: ProgressCallback) -> SetRecord:
    """Let the network look at up to `limit` images of a set, evenly spaced, and keep what it chooses for each."""
    readers = _readers(images)
    count = min(limit, len(readers))
    chosen = [readers[(2 * i + 1) * len(readers) // (2 * count)] for i in range(count)]
    contexts = []
    for number, read in enumerate(chosen, start=1):
        image, task = read()
        contexts.append(_context(image, restorer.given(task)))
        progress(Progress(f"looking at {images.name}", number, count, "images"))
    pools = {
        name: _record([choice for context in contexts if (choice := getattr(context, name)) is not None])
        for name in ("domain", "task")
        if getattr(contexts[0], name) is not None
    }
    prompts = torch.stack([context.prompt.flatten() for context in contexts if context.prompt is not None])
    return SetRecord(images.name, count, pools, prompts.double().cpu().numpy())


def _series(place: Path) -> tuple[Path, ...]:
    """Return a DICOM series as one entry, or say that there is no image."""
    from datprl_toolkit.medical import is_dicom

    if is_dicom(place):
        return (place,)
    code = ErrorCode.EMPTY if place.is_dir() else ErrorCode.UNKNOWN_FORMAT
    raise InputError(code, "there are neither pictures nor DICOM images", where=place)


def _with_own_names(sets: list[SampleSet]) -> list[SampleSet]:
    """Give sets of the same name their parent's name too, so that they can be told apart."""
    often = Counter(each.name for each in sets)
    named = [
        SampleSet(f"{_folder(each).parent.name}/{each.name}", each.paths) if often[each.name] > 1 else each
        for each in sets
    ]
    repeated = Counter(each.name for each in named)
    return [
        SampleSet(f"{each.name} {number}", each.paths) if repeated[each.name] > 1 else each
        for number, each in enumerate(named, start=1)
    ]


def _folder(images: SampleSet) -> Path:
    first = images.paths[0]
    return first.parent if first.is_file() else first


def _readers(images: SampleSet) -> list[Callable[[], _Sample]]:
    """Return what reads each image, (1 or 3, H, W) in [0, 1], and the task whose prompt it is given."""
    first = images.paths[0]
    if first.is_file() and first.suffix.lower() in PICTURE_SUFFIXES:
        return [partial(_read_picture, path) for path in images.paths]
    return list(_slice_readers(first))


def _read_picture(path: Path) -> _Sample:
    from datprl_toolkit.images.picture import read_picture

    pixels = read_picture(path).pixels
    high = 65535.0 if pixels.dtype == np.uint16 else 255.0
    unit: npt.NDArray[np.float32] = (pixels.astype(np.float64) / high).astype(np.float32)
    return (unit[None] if unit.ndim == 2 else np.moveaxis(unit, -1, 0)), None


def _read_slice(
    image: Slice, to_unit: Callable[[npt.NDArray[np.floating]], npt.NDArray[np.float32]], task: str | None
) -> _Sample:
    return to_unit(image.read())[None], task


def _slice_readers(place: Path) -> Iterator[Callable[[], _Sample]]:
    """Yield what reads each slice of every series under a path, in the window of its modality, and its task."""
    from datprl_toolkit.medical.grouping import group_series
    from datprl_toolkit.medical.profiles import choose_profile
    from datprl_toolkit.medical.reading import scan
    from datprl_toolkit.medical.survey import survey

    series = [each for each in group_series(scan(place).instances) if each.error is None]
    if not series:
        raise InputError(ErrorCode.EMPTY, "no CT, MR or PET image was found", where=place)
    for each in series:
        found = survey(each.volume)
        profile, _ = choose_profile(found, each.earliest)
        for image in found.volume.slices:
            yield partial(_read_slice, image, profile.to_unit, profile.task)


def _context(image: npt.NDArray[np.float32], restorer: Restorer) -> Context:
    """Return the context under which the restorer would restore an image."""
    height, width = image.shape[-2:]
    if max(height, width) <= LARGEST_WHOLE:
        return restorer.context(image[None])
    windows = sample_windows(height, width, size=SAMPLE_TILE, count=SAMPLE_COUNT, grid=restorer.grid)
    return restorer.context(np.stack([image[(slice(None), *window.slices)] for window in windows]))


def _record(choices: Sequence[PromptChoice]) -> PoolRecord:
    def stack(tensors: Sequence[torch.Tensor]) -> npt.NDArray[np.float64]:
        array: npt.NDArray[np.float64] = torch.cat([tensor.flatten(1) for tensor in tensors]).double().cpu().numpy()
        return array

    return PoolRecord(
        stack([choice.selected for choice in choices]).astype(np.int64),
        stack([choice.weights for choice in choices]),
        stack([choice.similarity for choice in choices]),
        stack([choice.representation for choice in choices]),
    )
