"""What every writer of scenes takes: finished pieces, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from datprl_toolkit.restoring.tiling import Window


class SceneWriter(Protocol):
    """Writes the shards of one scene; may be called from several threads."""

    def write(self, window: Window, values: npt.NDArray[np.generic], mask: npt.NDArray[np.uint8] | None) -> None:
        """Write all bands of a shard.

        Parameters
        ----------
        window
            Where it lies; a whole shard, so that no two calls touch the same block of the file.
        values
            (C, H, W) in the stored type.
        mask
            (H, W), 0 where invalid; None for a scene without a mask of its own.
        """
        ...
