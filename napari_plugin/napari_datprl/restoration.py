"""What the network answered for a layer, kept: any strength is then a blend that needs no network."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_datprl.slices import PlanesAs, SliceStack
from napari_datprl.sources import ArraySource, VolumeSource

if TYPE_CHECKING:
    from datprl_toolkit.intensity import IntensityProfile
    from napari_datprl.messages import FloatArray, Loaded, Network
    from napari_datprl.sources import Source


class Restoration:
    """Answers for the pieces of a layer, and the strength at which they are shown.

    Parameters
    ----------
    source
        What was restored.
    network
        Weights and device.
    strength
        Share of the network's change that is shown, 0 to 1.
    total
        Number of pieces that were asked for.
    pieces
        What they are called: "slices" or "tiles".
    """

    changed = Signal()
    """Values that were shown are no longer what they were."""

    stack: Any
    """What napari shows: an array, or for a scene with a pyramid a list of them."""

    def __init__(self, source: Source, network: Network, strength: float, total: int, pieces: str) -> None:
        self.source = source
        self.network = network
        self.strength = strength
        self.total = total
        self.pieces = pieces
        self.profile: IntensityProfile | None = None
        self.card, self.arithmetic = b"", ""
        self.description = ""
        self.notes: tuple[str, ...] = ()

    def take(self, loaded: Loaded) -> None:
        """Keep what the engine said of the network."""
        self.card, self.arithmetic, self.profile = loaded.card, loaded.arithmetic, loaded.profile
        self.description, self.notes = loaded.description, loaded.notes

    @property
    def done(self) -> int:
        """Number of pieces that were restored."""
        raise NotImplementedError

    @property
    def complete(self) -> bool:
        """Whether every piece that was asked for was restored."""
        return self.done == self.total

    def add(self, index: int, answer: FloatArray) -> None:
        """Take the engine's answer for a piece."""
        raise NotImplementedError

    def set_strength(self, strength: float) -> None:
        """Show another share of the change; what is shown is blended anew when it is looked at."""
        self.strength = strength
        self.changed.emit()


class SliceRestoration(Restoration):
    """Answers for the slices of a series, or the planes of an image.

    Slices that were not restored yet read as NaN, which napari shows as nothing: what was not restored is never
    mistaken for what was.

    Parameters
    ----------
    source, network, strength
        As for :class:`Restoration`.
    """

    source: VolumeSource | ArraySource

    def __init__(self, source: VolumeSource | ArraySource, network: Network, strength: float = 1.0) -> None:
        shape = source.volume.shape if isinstance(source, VolumeSource) else source.values.shape
        super().__init__(source, network, strength, shape[0], "slices")
        self._answers: dict[int, FloatArray] = {}
        self._lock = threading.Lock()
        if isinstance(source, VolumeSource):
            from datprl_toolkit.medical.blended import written_values

            # Imported here and not when the first slice arrives, while the window is to answer.
            self._written = written_values
            self.planes = SliceStack(self.read, source.volume.shape)
            self.stack = self.planes
        else:
            # napari shows colours by their type; grey values can be NaN where there is nothing yet.
            dtype = source.values.dtype if source.values.ndim == 4 else np.float32
            self.planes = SliceStack(self.read, source.values.shape, dtype=dtype)
            self.stack = self.planes if source.shape == source.values.shape else PlanesAs(self.planes, source.shape)

    @property
    def done(self) -> int:
        """Number of slices that were restored."""
        return len(self._answers)

    def add(self, index: int, answer: FloatArray) -> None:
        """Take the network's answer for a slice, in [0, 1]."""
        with self._lock:
            self._answers[index] = answer
        self.planes.forget(index)
        self.changed.emit()

    def answer(self, index: int) -> FloatArray:
        """Return the network's answer for a slice.

        Raises
        ------
        KeyError
            If the slice was not restored yet.
        """
        return self._answers[index]

    def set_strength(self, strength: float) -> None:
        """Show another share of the change; slices are blended anew when they are looked at."""
        self.strength = strength
        self.planes.forget()
        self.changed.emit()

    def read(self, index: int) -> npt.NDArray[np.floating]:
        """Return the values of a slice as a file would hold them; NaN where it was not restored yet."""
        answer = self._answers.get(index)
        if answer is None or self.profile is None:
            empty = np.nan if self.planes.dtype.kind == "f" else 0
            return np.full(self.planes.shape[1:], empty, dtype=self.planes.dtype)
        if isinstance(self.source, VolumeSource):
            volume, stored = self.source.volume, self.source.stored.plane(index)
            return self._written(volume, index, stored, answer, self.profile, self.strength)
        return _blended_like(self.source.values[index], answer, self.profile, self.strength)

    def original(self, index: int) -> npt.NDArray[np.floating]:
        """Return the values of a slice before."""
        if isinstance(self.source, VolumeSource):
            return self.source.values(index)
        values: npt.NDArray[np.floating] = self.source.values[index].astype(np.float64)
        return values


def _blended_like(
    original: npt.NDArray[Any], answer: FloatArray, profile: IntensityProfile, strength: float
) -> npt.NDArray[np.float64]:
    """Return a restored plane; integers are rounded and stay within what their type holds."""
    values = original.astype(np.float64)
    restored = profile.apply(values, profile.to_unit(values), answer, strength=strength)
    if not np.issubdtype(original.dtype, np.integer):
        return restored
    limits = np.iinfo(original.dtype)
    return np.clip(np.rint(restored), limits.min, limits.max)
