"""What a restored image says about how it was made, read back from its header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datprl_toolkit.medical import header
from datprl_toolkit.medical.multiframe import functional_group
from datprl_toolkit.restoring.self_ensemble import SAID

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WRITTEN = re.compile(
    r"(?:Grid enlarged (?P<scale>\d) times[^.]*\. )?"
    r"Restored by datprl-toolkit (?P<version>\S+) \(DATPRL-IR network\); weights (?P<weights>.*?), "
    r"sha256 (?P<sha256>[0-9a-f]*); task (?P<task>.*?); intensity profile (?P<profile>.*?), "
    r"(?P<low>\S+) to (?P<high>\S+) (?P<unit>[^;]*); strength (?P<strength>[\d.e+-]+?)"
    rf"(?P<mean>, {SAID})?(?:, arithmetic \w+)?\. "
)


@dataclass(frozen=True, slots=True)
class MadeBy:
    """How an image was restored, in the words of its Derivation Description (0008,2111).

    Parameters
    ----------
    version
        Of this package.
    weights, weights_sha256, task
        Name and checksum of the weights, and the task they were trained for.
    profile, low, high, unit
        Intensity window, with six digits; outside it nothing is changed.
    strength
        Share of the change that was applied.
    scale
        By what the grid was enlarged before.
    self_ensemble
        Whether each slice is the mean over its mirror images.
    """

    version: str
    weights: str
    weights_sha256: str
    task: str
    profile: str
    low: float
    high: float
    unit: str
    strength: float
    scale: int = 1
    self_ensemble: bool = False


def read_made_by(dataset: Dataset) -> MadeBy | None:
    """Return how the last restoration of an image was made; None if its header names none.

    Parameters
    ----------
    dataset
        Header of a classic image, or of an enhanced one, whose first frame is looked at.
    """
    return parse_made_by(header.text(dataset, "DerivationDescription")) or parse_made_by(_of_first_frame(dataset))


def _of_first_frame(dataset: Dataset) -> str:
    per_frame = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    shared = header.items(dataset, "SharedFunctionalGroupsSequence")
    if not per_frame or not shared:
        return ""
    own = header.items(per_frame[0], "DerivationImageSequence")
    items = own or (functional_group("DerivationImageSequence", per_frame[0], shared[0]),)
    return "; ".join(header.text(item, "DerivationDescription") for item in items)


def parse_made_by(description: str) -> MadeBy | None:
    """Read :class:`MadeBy` from the sentence that :meth:`Provenance.description` writes; None if it is another one."""
    found = list(_WRITTEN.finditer(description))
    if not found:
        return None
    written = found[-1]
    try:
        low, high, strength = (float(written[name]) for name in ("low", "high", "strength"))
    except ValueError:
        return None
    return MadeBy(
        version=written["version"],
        weights=written["weights"],
        weights_sha256=written["sha256"],
        task=written["task"],
        profile=written["profile"],
        low=low,
        high=high,
        unit=written["unit"],
        strength=strength,
        scale=int(written["scale"] or 1),
        self_ensemble=written["mean"] is not None,
    )
