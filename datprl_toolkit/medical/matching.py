"""Which restored series belongs to which original, slice by slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical import header
from datprl_toolkit.medical.enlarging import enlarge_volume
from datprl_toolkit.medical.grouping import Series, group_series
from datprl_toolkit.medical.made_by import MadeBy, read_made_by
from datprl_toolkit.medical.reading import scan

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import Dataset

    from datprl_toolkit.medical.volume import Slice, Volume

SAME_PLACE = 1.0  # mm between two slices that name no source
SAME_DIRECTION = 1e-2


@dataclass(frozen=True, slots=True)
class SeriesPair:
    """A series before and after, with the same number of slices in the same order.

    Parameters
    ----------
    before, after
        The slices that were paired, in the order of their position before.
    before_series, after_series
        What was found around them.
    linked
        How many slices after name their slice before as their source; the others were paired by position.
    made_by
        What the restored series says about how it was made, or None.
    """

    before: Volume
    after: Volume
    before_series: Series
    after_series: Series
    linked: int
    made_by: MadeBy | None


def match_series(before: Path, after: Path) -> list[SeriesPair]:
    """Pair the series of two inputs.

    A restored slice belongs to the slice that its Source Image Sequence names. A slice that names none belongs to
    the slice of the same size and unit at its position, so that results of other programs can be compared as well.

    Parameters
    ----------
    before, after
        Folders, files or DICOMDIRs.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if a series of `after` belongs to none of `before`; else as
        :func:`datprl_toolkit.medical.reading.scan`.
    """
    originals, results = _usable(before), _usable(after)
    return [_match(series, originals, after) for series in results]


def _usable(path: Path) -> list[Series]:
    found = scan(path)
    series = group_series(found.instances)
    usable = [each for each in series if each.error is None]
    if usable:
        return usable
    for each in series:
        if each.error is not None:
            raise each.error
    if found.problems:
        raise found.problems[0].error
    raise InputError(ErrorCode.EMPTY, "no CT, MR or PET image was found", where=path)


def _match(result: Series, originals: list[Series], where: Path) -> SeriesPair:
    """Return the pair of one restored series with the original that fits it."""
    headers = [header.read_dataset(path, pixels=False) for path in dict.fromkeys(s.path for s in result.volume.slices)]
    sources = {header.text(each, "SOPInstanceUID"): _named_sources(each) for each in headers}
    made_by = read_made_by(headers[0])
    reasons = []
    for original in originals:
        original = _on_the_new_grid(original, made_by)
        reason = _difference(original.volume, result.volume)
        if reason is None:
            places = _Places(original.volume)
            partners = [places.partner(image, sources[image.sop_instance_uid]) for image in result.volume.slices]
            if all(partner is not None for partner, _ in partners):
                return _pair(original, result, partners, made_by)
            lost = sum(partner is None for partner, _ in partners)
            reason = f"{lost} of {len(partners)} slices lie where the original has none"
        reasons.append(reason)
    raise InputError(
        ErrorCode.MISMATCH,
        f"the series do not belong together: {reasons[0]}",
        where=where,
        remedy="Give the original and what was made from it",
    )


def _on_the_new_grid(original: Series, made_by: MadeBy | None) -> Series:
    """Return an original enlarged as that which a result says it was made from."""
    if made_by is None or made_by.scale == 1 or original.volume.modality != "MR":
        return original
    return replace(original, volume=enlarge_volume(original.volume, made_by.scale))


def _difference(original: Volume, result: Volume) -> str | None:
    """Say in what two volumes differ that cannot be compared at all."""
    if original.modality != result.modality or original.unit != result.unit:
        return f"{original.modality} in {original.unit} before, {result.modality} in {result.unit} after"
    if original.shape[1:] != result.shape[1:]:
        sizes = [f"{volume.shape[2]} x {volume.shape[1]}" for volume in (original, result)]
        return f"slices of {sizes[0]} pixels before, {sizes[1]} after"
    return None


def _named_sources(dataset: Dataset) -> frozenset[str]:
    """Return the identifiers of all images that an image names as its source."""
    named = [header.text(item, "ReferencedSOPInstanceUID") for item in header.items(dataset, "SourceImageSequence")]
    for study in header.items(dataset, "SourceImageEvidenceSequence"):
        for series in header.items(study, "ReferencedSeriesSequence"):
            items = header.items(series, "ReferencedSOPSequence")
            named.extend(header.text(item, "ReferencedSOPInstanceUID") for item in items)
    return frozenset(filter(None, named))


class _Places:
    """The slices of an original, found by identifier or by position."""

    def __init__(self, original: Volume) -> None:
        self._slices = original.slices
        self._named = {(image.sop_instance_uid, image.frame): index for index, image in enumerate(original.slices)}
        self._positions = np.array([image.geometry.position for image in original.slices])
        self._directions = np.array([image.geometry.orientation for image in original.slices])

    def partner(self, image: Slice, named: frozenset[str]) -> tuple[int | None, bool]:
        """Return the index of the slice from which `image` was made, and whether `image` itself names it."""
        for identifier in named:
            index = self._named.get((identifier, image.frame))
            if index is not None:
                return index, True
        distance = np.linalg.norm(self._positions - image.geometry.position, axis=1)
        turned = np.abs(self._directions - image.geometry.orientation).max(axis=1)
        fits = (distance <= SAME_PLACE) & (turned <= SAME_DIRECTION)
        same_frame = np.array([other.frame == image.frame for other in self._slices])
        candidates = np.flatnonzero(fits & same_frame)
        return (int(candidates[np.argmin(distance[candidates])]), False) if candidates.size else (None, False)


def _pair(
    original: Series, result: Series, partners: list[tuple[int | None, bool]], made_by: MadeBy | None
) -> SeriesPair:
    order = sorted((index, place) for place, (index, _) in enumerate(partners) if index is not None)
    return SeriesPair(
        before=replace(original.volume, slices=tuple(original.volume.slices[index] for index, _ in order)),
        after=replace(result.volume, slices=tuple(result.volume.slices[place] for _, place in order)),
        before_series=original,
        after_series=result,
        linked=sum(linked for _, linked in partners),
        made_by=made_by,
    )
