"""Private attributes: only those that the numbers need are carried over unless asked otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from datprl_toolkit.medical import header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

PrivatePolicy = Literal["keep", "quant", "drop"]

# (group, creator, element within the creator's block): needed to compute SUV, or to scale MR values.
QUANTITATIVE = frozenset(
    {
        (0x0009, "GEMS_PETD_01", 0x0D),  # GE: start of the scan
        (0x7053, "Philips PET Private Group", 0x00),  # Philips: factor from counts to SUV
        (0x7053, "Philips PET Private Group", 0x09),  # Philips: factor from counts to Bq/ml
        (0x2005, "Philips MR Imaging DD 001", 0x0E),  # Philips: scale slope
    }
)


def filter_private(dataset: Dataset, policy: PrivatePolicy) -> None:
    """Remove private attributes from a data set and from its sequences, in place.

    Parameters
    ----------
    policy
        "keep" leaves all; "quant" leaves those of :data:`QUANTITATIVE`; "drop" leaves none.
    """
    if policy == "keep":
        return
    kept = _quantitative_tags(dataset) if policy == "quant" else set()
    for tag in list(dataset.keys()):
        if tag.is_private and tag not in kept:
            del dataset[tag]
        elif not tag.is_private:
            for item in _items(dataset, tag):
                filter_private(item, policy)


def _quantitative_tags(dataset: Dataset) -> set[BaseTag]:
    """Return the tags to keep: the attributes and the creators that reserve their blocks."""
    kept = set()
    for group, creator, element in QUANTITATIVE:
        try:
            with header.tolerant_pydicom():
                block = dataset.private_block(group, creator)
                tag = block.get_tag(element)
        except KeyError:
            continue
        if tag in dataset:
            kept |= {tag, type(tag)((group << 16) | (tag.element >> 8))}
    return kept


def _items(dataset: Dataset, tag: BaseTag) -> tuple[Dataset, ...]:
    """Return the items of an attribute if it is a sequence."""
    try:
        with header.tolerant_pydicom():
            element = dataset[tag]
    # An element that cannot be decoded is no sequence, and is carried over as it is.
    except Exception:
        return ()
    return tuple(element.value) if element.VR == "SQ" and element.value is not None else ()
