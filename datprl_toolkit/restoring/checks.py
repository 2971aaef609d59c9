"""One thing that was checked in the files of a result: what, whether it holds, and the number behind it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """An invariant, and what was found when it was looked for.

    Parameters
    ----------
    name
        What must hold, such as "Positions are those of the source".
    holds
        Whether it does; None where it could not be checked, which `found` explains.
    found
        The number, with its unit, such as "largest difference 0 mm in 64 slices".
    """

    name: str
    holds: bool | None
    found: str
