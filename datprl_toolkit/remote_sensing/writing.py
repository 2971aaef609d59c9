"""What every writer of scenes takes: finished pieces, each once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from datprl_toolkit.restoring.tiling import Window


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an output whose checksum is known.

    Parameters
    ----------
    array
        Path of the array within the store; empty for a file that has only one.
    window
        Where the piece lies in it.
    sha256
        See :func:`datprl_toolkit.remote_sensing.checksums.pixel_checksum`.
    """

    array: str
    window: Window
    sha256: str


@dataclass(frozen=True, slots=True)
class Written:
    """What one call of a writer put on the disk.

    Parameters
    ----------
    pieces
        The shard itself and what it became in the pyramid.
    stored
        Size in bytes of each file that holds a part of it, by path within the writer's folder.
    """

    pieces: tuple[Piece, ...]
    stored: dict[str, int]


class SceneWriter(Protocol):
    """Writes the shards of one scene; may be called from several threads, and pickled into other processes."""

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> Written:
        """Write all bands of a shard, and force them to the disk.

        Parameters
        ----------
        window
            Where it lies; a whole shard, so that no two calls touch the same block of the file.
        values
            (C, H, W) in the stored type.
        mask
            (H, W), 0 where invalid; None for a scene without a mask of its own.

        Returns
        -------
        What a journal has to know of it.
        """
        ...


@dataclass(slots=True)
class Recorder:
    """Passes shards to a writer, from any thread, and remembers the checksums of what was written."""

    writer: SceneWriter
    pieces: list[Piece] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> Written:
        """Write all bands of a shard; see :class:`SceneWriter`."""
        written = self.writer.write(window, values, mask)
        with self._lock:
            self.pieces.extend(written.pieces)
        return written
