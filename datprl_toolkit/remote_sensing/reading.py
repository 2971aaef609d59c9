"""What every reader of scenes gives: windows of stored values, and which of them are data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    import numpy as np
    import numpy.typing as npt

    from datprl_toolkit.restoring.tiling import Window


@dataclass(frozen=True, slots=True)
class Pixels:
    """A window of a scene.

    Parameters
    ----------
    values
        (C, H, W) in the stored type.
    valid
        (C, H, W), true where the element is data.
    """

    values: npt.NDArray[np.generic]
    valid: npt.NDArray[np.bool_]

    def crop(self, rows: slice, columns: slice) -> Pixels:
        """Return a part of the window, without copying."""
        return Pixels(self.values[:, rows, columns], self.valid[:, rows, columns])


class WindowReader(Protocol):
    """Reads windows of one scene; may be shared by threads."""

    def read(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Read bands, numbered from 1, in a window.

        Raises
        ------
        InputError
            ``E_CORRUPT`` if a part of the window cannot be decoded.
        """
        ...


class SceneReader(WindowReader, Protocol):
    """Reads windows of one scene from files, which it holds open; may be shared by threads."""

    def read_mask(self, window: Window) -> npt.NDArray[np.uint8]:
        """Read the raster's own mask, (H, W), 0 where invalid; only for a scene whose `has_mask` is true."""
        ...

    def close(self) -> None:
        """Close every file that is open."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
