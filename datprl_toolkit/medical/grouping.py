"""Images to volumes: one volume for each series, orientation, size and contrast, sorted by position."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.medical.geometry import SAME_POSITION, describe_stack, distances
from datprl_toolkit.medical.traits import LOOSE_KEYWORDS
from datprl_toolkit.medical.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from datprl_toolkit.medical.reading import Instance

SAME_ORIENTATION = 1e-3


@dataclass(frozen=True, slots=True)
class Series:
    """A volume that was found, with what a person should know about it.

    Parameters
    ----------
    index
        Number by which it is chosen, from 1, in the order of series number, identifier and contrast.
    volume
        The volume; with one position that holds several different slices if `error` is set.
    warnings
        Lines that begin with a stable code.
    error
        Why the volume cannot be restored, or None.
    earliest
        Earliest acquisition time, or None.
    """

    index: int
    volume: Volume
    warnings: tuple[str, ...]
    error: DatprlError | None
    earliest: datetime | None

    @property
    def label(self) -> str:
        """One line for a list: number, modality, size, description."""
        slices, rows, columns = self.volume.shape
        name = self.volume.description or "no description"
        return f"{self.index}: {self.volume.modality} '{name}', {slices} slices of {columns} x {rows}"


def group_series(instances: Iterable[Instance]) -> list[Series]:
    """Sort images into volumes.

    File names and InstanceNumber have no say: images belong together by what they are, and lie in the order of
    their positions along the common normal.

    Returns
    -------
    One entry for each volume; entries whose positions collide in a way that no attribute explains carry an
    ``E_DUPLICATE`` error.
    """
    ordered = sorted(instances, key=lambda item: (item.image.sop_instance_uid, item.image.frame or 0))
    firm: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for instance in ordered:
        firm[_firm_key(instance)].append(instance)
    stacks = [stack for members in firm.values() for stack in _split_by_orientation(members)]
    resolved = [part for stack in stacks for part in _resolve_collisions(stack)]
    resolved.sort(key=lambda part: _listing_key(part[0]))
    return [_series(index, *part) for index, part in enumerate(resolved, start=1)]


def _firm_key(instance: Instance) -> tuple[object, ...]:
    """Return what always separates volumes; an enhanced image is one of its own."""
    image = instance.image
    enhanced = image.sop_instance_uid if image.frame is not None else ""
    return (
        instance.series_instance_uid,
        instance.modality,
        instance.unit,
        image.pixel_format.rows,
        image.pixel_format.columns,
        image.pixel_format.inverted,
        tuple(f"{item:.4g}" for item in image.geometry.spacing),
        enhanced,
        instance.traits.firm,
    )


def _split_by_orientation(members: list[Instance]) -> list[list[Instance]]:
    """Split images whose direction cosines differ by more than rounding."""
    stacks: list[list[Instance]] = []
    for member in members:
        mine = np.array(member.image.geometry.orientation)
        for stack in stacks:
            if np.abs(mine - np.array(stack[0].image.geometry.orientation)).max() < SAME_ORIENTATION:
                stack.append(member)
                break
        else:
            stacks.append([member])
    return stacks


Part = tuple[list["Instance"], tuple[str, ...], DatprlError | None]


def _resolve_collisions(stack: list[Instance]) -> list[Part]:
    """Leave out copies; split what an attribute tells apart; keep what cannot be resolved, with its error."""
    stack = _sorted(stack)
    # Frames of an enhanced image may share a place (time points); they are written back frame by frame.
    if stack[0].image.frame is not None or not _collisions(stack):
        return [(stack, (), None)]
    try:
        unique, copies = _without_copies(stack)
    except DatprlError as error:
        return [(stack, (), error)]
    warnings = (f"W_DUPLICATE: {copies} slices are exact copies of others and were left out",) if copies else ()
    if not _collisions(unique):
        return [(unique, warnings, None)]
    parts = _split_by_loose_traits(unique)
    if parts is None:
        return [(unique, warnings, _duplicate_error(unique))]
    return [(part, warnings, None) for part in parts]


def _sorted(stack: list[Instance]) -> list[Instance]:
    along = distances([member.image.geometry for member in stack])
    return [stack[index] for index in np.argsort(along, kind="stable")]


def _collisions(stack: Sequence[Instance]) -> list[int]:
    """Return the indices of sorted slices that lie where their predecessor lies."""
    along = distances([member.image.geometry for member in stack])
    return [int(index) + 1 for index in np.flatnonzero(np.diff(along) < SAME_POSITION)]


def _without_copies(stack: list[Instance]) -> tuple[list[Instance], int]:
    """Return the sorted stack without slices that equal another one at the same place pixel by pixel."""
    kept: list[Instance] = []
    for member in stack:
        place = np.array(member.image.geometry.position)
        rivals = []
        for other in reversed(kept):
            if np.abs(place - np.array(other.image.geometry.position)).max() >= SAME_POSITION:
                break
            rivals.append(other)
        if not any(_same_pixels(member, rival) for rival in rivals):
            kept.append(member)
    return kept, len(stack) - len(kept)


def _same_pixels(one: Instance, other: Instance) -> bool:
    if one.image.path == other.image.path:
        return True
    return np.array_equal(one.image.read(), other.image.read())


def _split_by_loose_traits(stack: list[Instance]) -> list[list[Instance]] | None:
    """Split by the first attribute, or else by all together, that leaves one slice at each place."""
    for choice in (*((index,) for index in range(len(LOOSE_KEYWORDS))), tuple(range(len(LOOSE_KEYWORDS)))):
        parts: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
        for member in stack:
            parts[tuple(member.traits.loose[index] for index in choice)].append(member)
        if len(parts) > 1 and not any(_collisions(part) for part in parts.values()):
            return list(parts.values())
    return None


def _duplicate_error(stack: Sequence[Instance]) -> InputError:
    second = _collisions(stack)[0]
    first, other = stack[second - 1].image, stack[second].image
    return InputError(
        ErrorCode.DUPLICATE,
        f"two different slices lie at one position and nothing tells them apart: {first.path.name} "
        f"and {other.path.name}",
        where=other.path.parent,
        remedy="Keep one of them in the folder",
    )


def _listing_key(stack: Sequence[Instance]) -> tuple[object, ...]:
    first = stack[0]
    number = first.series_number
    return (
        number is None,
        number or 0,
        first.series_instance_uid,
        first.traits.firm,
        first.traits.loose,
        first.image.sop_instance_uid,
    )


def _series(index: int, stack: list[Instance], warnings: tuple[str, ...], error: DatprlError | None) -> Series:
    first = stack[0]
    volume = Volume(
        modality=first.modality,
        unit=first.unit,
        slices=tuple(member.image for member in stack),
        series_instance_uid=first.series_instance_uid,
        series_number=first.series_number,
        description=first.description,
    )
    times = [member.acquired for member in stack if member.acquired is not None]
    stacked = () if error or volume.enhanced else describe_stack([image.geometry for image in volume.slices])
    polarity = _describe_polarity(volume)
    return Series(index, volume, (*warnings, *stacked, *polarity), error, min(times, default=None))


def _describe_polarity(volume: Volume) -> tuple[str, ...]:
    if not volume.slices[0].pixel_format.inverted:
        return ()
    treatment = (
        "the network is given the inverted image"
        if volume.unit == "1"
        else f"values in {volume.unit} are given to the network as they are"
    )
    return (f"W_MONOCHROME1: small values are shown bright; {treatment}, the polarity is kept in the output",)
