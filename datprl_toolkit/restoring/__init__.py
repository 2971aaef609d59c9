"""Arrays in [0, 1] of any size: device, precision, batches, tiles with halo, context from a sample, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.restoring.outcome import Comparison, Outcome, shown_range
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from datprl_toolkit.network import Context, Grouping, Lattice
    from datprl_toolkit.restoring.restorer import Restorer

_OF_THE_NETWORK = ("Context", "Grouping", "Lattice")

__all__ = [
    "Comparison",
    "Context",
    "Grouping",
    "Lattice",
    "Outcome",
    "Progress",
    "ProgressCallback",
    "Restorer",
    "shown_range",
    "silent",
]


def __getattr__(name: str) -> object:
    """Load what needs torch when it is first used, so that a viewer that only reads and blends stays light."""
    if name == "Restorer":
        from datprl_toolkit.restoring.restorer import Restorer

        return Restorer
    if name in _OF_THE_NETWORK:
        from datprl_toolkit import network

        return getattr(network, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
