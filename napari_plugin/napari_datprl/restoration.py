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
    from napari_datprl.messages import FloatArray, Network


class Restoration:
    """Answers for the slices of a series, or the planes of an image, and the strength at which they are shown.

    Slices that were not restored yet read as NaN, which napari shows as nothing: what was not restored is never
    mistaken for what was.

    Parameters
    ----------
    source
        What was restored.
    network
        Weights and device.
    strength
        Share of the network's change that is shown, 0 to 1.
    """

    changed = Signal()
    """Values that were shown are no longer what they were."""

    def __init__(self, source: VolumeSource | ArraySource, network: Network, strength: float = 1.0) -> None:
        self.source = source
        self.network = network
        self.strength = strength
        self.profile: IntensityProfile | None = None
        self.card = b""
        self.description = ""
        self.notes: tuple[str, ...] = ()
        self._answers: dict[int, FloatArray] = {}
        self._lock = threading.Lock()
        if isinstance(source, VolumeSource):
            self.planes = SliceStack(self.read, source.volume.shape)
            self.stack: Any = self.planes
        else:
            # napari shows colours by their type; grey values can be NaN where there is nothing yet.
            dtype = source.values.dtype if source.values.ndim == 4 else np.float32
            self.planes = SliceStack(self.read, source.values.shape, dtype=dtype)
            self.stack = self.planes if source.shape == source.values.shape else PlanesAs(self.planes, source.shape)

    @property
    def total(self) -> int:
        """Number of slices."""
        return len(self.planes)

    @property
    def done(self) -> int:
        """Number of slices that were restored."""
        return len(self._answers)

    @property
    def complete(self) -> bool:
        """Whether every slice was restored."""
        return self.done == self.total

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
            from datprl_toolkit.medical.blended import written_values

            volume = self.source.volume
            stored = self.source.stored.plane(index)
            return written_values(volume, index, stored, answer, self.profile, self.strength)
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
