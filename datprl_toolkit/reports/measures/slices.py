"""From slice to slice: how much neighbours differ, before and after, and whether the change itself flickers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(slots=True)
class SliceSteps:
    """Adds up, slice after slice, what is needed to compare neighbours; holds one slice of each at a time.

    The inter-slice difference is ``D = mean |v(z + 1) - v(z)|`` over the pixels that both slices hold and that lie
    inside the window before, and the inter-slice difference ratio is ``D_after / D_before``. Noise that is taken
    away lowers it; slices that were treated unlike their neighbours raise it. The level of a slice is the mean of
    its change; its step from slice to slice is flicker that no noise explains.
    """

    levels: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    _previous: tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]] | None = None

    def add(
        self, before: FloatArray, after: FloatArray, inside: npt.NDArray[np.bool_], *, follows: bool = True
    ) -> None:
        """Add the next slice.

        Parameters
        ----------
        before, after, inside
            (H, W) each; `inside` is where values are compared.
        follows
            Whether it is the direct neighbour of the slice that was added last; false after a gap.
        """
        changes = (after - before)[inside]
        self.levels.append(float(changes.mean()) if changes.size else 0.0)
        both = inside & self._previous[2] if follows and self._previous is not None else None
        if both is not None and both.any() and self._previous is not None:
            self.before.append(float(np.abs(before - self._previous[0])[both].mean()))
            self.after.append(float(np.abs(after - self._previous[1])[both].mean()))
        elif len(self.levels) > 1:
            self.before.append(float("nan"))
            self.after.append(float("nan"))
        self._previous = (before, after, inside)

    @property
    def ratio(self) -> float:
        """Inter-slice difference ratio; NaN without neighbours or where they do not differ."""
        known = np.isfinite(self.before)
        total = float(np.sum(np.array(self.before)[known]))
        return float(np.sum(np.array(self.after)[known])) / total if total > 0 else float("nan")

    @property
    def level_step(self) -> float:
        """Mean absolute step of the level from slice to slice, in the unit of the values; NaN for one slice."""
        return float(np.abs(np.diff(self.levels)).mean()) if len(self.levels) > 1 else float("nan")
