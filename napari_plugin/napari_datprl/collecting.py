"""No full garbage collection while the window is to answer: over all that napari imports, one takes 0.2 s."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 10**6  # collections of the middle generation, of which ten otherwise lead to a full one


class FullCollections:
    """Holds automatic collections of the oldest generation back while anybody asks for that; younger ones go on."""

    def __init__(self) -> None:
        self._holding = 0
        self._threshold = gc.get_threshold()

    def hold(self) -> None:
        """Hold them back, once more."""
        if not self._holding:
            self._threshold = gc.get_threshold()
            gc.set_threshold(*self._threshold[:2], NEVER)
        self._holding += 1

    def release(self) -> None:
        """Let them come, unless somebody else still holds them back."""
        self._holding -= 1
        if not self._holding:
            gc.set_threshold(*self._threshold)


FULL_COLLECTIONS = FullCollections()
"""Those of this process."""


@contextmanager
def nothing_to_collect() -> Iterator[None]:
    """Let full collections that others ask for find nothing; napari asks for one with each layer that it removes.

    What there is to collect stays there for the next one. Where somebody else has put objects out of the collector's
    reach, they stay there, and nothing changes.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
