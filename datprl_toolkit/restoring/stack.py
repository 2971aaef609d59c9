"""Stacks of slices of one quantity: one window, one context for all slices, and the change put back as a residual.

Every way in that restores a volume goes through here, whatever it was read from, so that results cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.intensity.profile import check_strength
from datprl_toolkit.restoring.memory import release_freed_memory
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.tiling import sample_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.network import Context
    from datprl_toolkit.restoring.restorer import Restorer

CONTEXT_SLICES = 8
CONTEXT_PIXELS = 5 * 512 * 512  # slices of the sample are looked at together, and their features fill the memory
CONTEXT_WINDOW = 512  # edge of what is looked at of slices that are too large to be looked at whole
WHOLE_PIXELS = 1024 * 1024  # larger slices are restored in tiles
BATCH_PIXELS = 8 * 512 * 512
LARGEST_BATCH = 32


def spread(total: int, count: int) -> tuple[int, ...]:
    """Return at most `count` of `total` indices, spread evenly: the middle of each of `count` equal parts."""
    number = min(count, total)
    return tuple((2 * index + 1) * total // (2 * number) for index in range(number))


def batch_length(rows: int, columns: int) -> int:
    """Return how many slices of a size are held at once."""
    return max(1, min(LARGEST_BATCH, BATCH_PIXELS // (rows * columns)))


def context_sample(total: int, rows: int, columns: int) -> tuple[int, ...]:
    """Return the slices from which the context of a volume is taken: up to 8, of large ones fewer.

    Of slices of which not even 2 can be looked at together, a window of each of 5 is looked at.
    """
    affordable = CONTEXT_PIXELS // (rows * columns)
    windows = CONTEXT_PIXELS // CONTEXT_WINDOW**2
    return spread(total, min(CONTEXT_SLICES, affordable) if affordable >= 2 else windows)


@dataclass(frozen=True, slots=True)
class StackRestorer:
    """Restores slices of one volume, any of them at any time, under one context.

    Parameters
    ----------
    restorer
        The network.
    profile
        Window of physical values that the network sees.
    strength
        Share of the change that is applied, 0 to 1.
    inverted
        Whether small values are shown bright, so that the network is given the inverted image.
    context
        Shared by all slices, so that they do not flicker; None leaves every slice as it is, unless there are
        `windows`.
    windows
        One restorer, with a context of its own, for each window of a profile that consists of several.
    """

    restorer: Restorer
    profile: IntensityProfile
    strength: float
    inverted: bool
    context: Context | None
    windows: tuple[StackRestorer, ...] = ()

    @classmethod
    def of_volume(
        cls,
        read: Callable[[int], npt.NDArray[np.floating]],
        total: int,
        restorer: Restorer,
        profile: IntensityProfile,
        *,
        strength: float = 1.0,
        inverted: bool = False,
        progress: ProgressCallback = silent,
    ) -> StackRestorer:
        """Take the context from a sample of slices spread over the volume.

        Parameters
        ----------
        read
            Returns the physical values of the slice at an index, (rows, columns).
        total
            Number of slices.

        Raises
        ------
        OptionError
            ``E_OPTION`` for a strength outside [0, 1], and for a restorer that is given a task.
        """
        check_strength(strength)
        if restorer.task is not None:
            # The identifiers of derived images do not know of it.
            raise OptionError(
                ErrorCode.OPTION,
                "a volume is restored as its modality asks for",
                where=restorer.task,
                remedy="Leave the task out",
            )
        if strength == 0:
            return cls(restorer, profile, strength, inverted, None)
        if profile.windows:
            windows = tuple(
                cls.of_volume(read, total, restorer, window, strength=strength, inverted=inverted, progress=progress)
                for window in profile.windows
            )
            return cls(restorer, profile, strength, inverted, None, windows)
        restorer = restorer.given(profile.task)
        chosen = context_sample(total, *read(total // 2).shape)
        progress(Progress("sampling context", 0, len(chosen), "slices"))
        looked_at = [_turned(profile.to_unit(part), inverted=inverted) for part in _parts(read, chosen)]
        context = restorer.context(np.stack(looked_at)[:, None])
        release_freed_memory()
        progress(Progress("sampling context", len(chosen), len(chosen), "slices"))
        return cls(restorer, profile, strength, inverted, context)

    def restore(self, original: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return restored physical values of slices, (N, rows, columns)."""
        values: npt.NDArray[np.float64] = original.astype(np.float64)
        if self.windows:
            return _add_changes(values, [window.restore(values) for window in self._touched(values)])
        if self.context is None:
            return values
        before = self.profile.to_unit(values)
        return self.profile.apply(values, before, self.answer(before), strength=self.strength)

    def restore_alone(self, original: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Return slices restored with a context of their own each, to compare: this is what flickers."""
        values: npt.NDArray[np.float64] = original.astype(np.float64)
        if self.windows:
            return _add_changes(values, [window.restore_alone(values) for window in self._touched(values)])
        before = self.profile.to_unit(values)
        answer = replace(self, context=None).answer(before)
        return self.profile.apply(values, before, answer, strength=self.strength)

    def _touched(self, values: npt.NDArray[np.float64]) -> list[StackRestorer]:
        """Return the windows in which at least one value lies."""
        return [window for window in self.windows if window.profile.weight(values).any()]

    def answer(self, before: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what the network makes of slices, (N, rows, columns) in [0, 1], for any strength.

        A slice of a single value, such as one of a PET without activity, is its own answer.
        """
        given = _turned(before, inverted=self.inverted)
        if given[0].size > WHOLE_PIXELS:
            output = np.stack([self._answer_in_tiles(each) for each in given])
        else:
            output = self.restorer.restore_batch(given[:, None], self.context)[:, 0]
        empty = np.ptp(given, axis=(1, 2), keepdims=True) == 0
        return _turned(np.where(empty, given, output), inverted=self.inverted)

    def _answer_in_tiles(self, given: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what the network makes of one large slice, (rows, columns), whose tiles share a context."""
        context = self.context or self.restorer.context(np.stack(list(_parts(lambda _: given, (0,))))[:, None])
        answer: npt.NDArray[np.float32] = self.restorer.restore_tiled(given[None], context)[0]
        return answer


def _parts(read: Callable[[int], npt.NDArray[Any]], chosen: tuple[int, ...]) -> Iterator[npt.NDArray[Any]]:
    """Yield what is looked at of some slices: all of each, or of large ones windows, each of another place."""
    rows, columns = read(chosen[0]).shape
    if 2 * rows * columns <= CONTEXT_PIXELS:
        yield from (read(index) for index in chosen)
        return
    count = CONTEXT_PIXELS // CONTEXT_WINDOW**2
    windows = sample_windows(rows, columns, size=CONTEXT_WINDOW, count=count)
    for place in range(max(len(chosen), len(windows))):
        yield read(chosen[place % len(chosen)])[windows[place % len(windows)].slices]


def _add_changes(values: npt.NDArray[np.float64], restored: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Add up what several windows changed; what none of them changed stays as it is, bit by bit."""
    change = np.zeros_like(values)
    for each in restored:
        change += np.nan_to_num(each - values)
    return np.where(change == 0.0, values, values + change)


def _turned(unit_values: npt.NDArray[np.float32], *, inverted: bool) -> npt.NDArray[np.float32]:
    """Turn values round where the image is shown inverted, and back; its own inverse."""
    return np.float32(1.0) - unit_values if inverted else unit_values


def restore_stack(
    values: npt.NDArray[np.floating],
    restorer: Restorer,
    profile: IntensityProfile,
    *,
    strength: float = 1.0,
    inverted: bool = False,
    padding: npt.NDArray[np.bool_] | None = None,
    progress: ProgressCallback = silent,
) -> npt.NDArray[np.float64]:
    """Restore a volume that lies in memory.

    Parameters
    ----------
    values
        Physical values, (slices, rows, columns), in the unit of `profile`.
    restorer, profile, strength, inverted
        See :class:`StackRestorer`.
    padding
        Where there is no image; these values are not changed.
    progress
        Told after each batch of slices.

    Returns
    -------
    Restored values of the same shape; outside the window, in padding and at NaN exactly the given ones.
    """
    total, rows, columns = values.shape
    stack = StackRestorer.of_volume(
        lambda index: values[index],
        total,
        restorer,
        profile,
        strength=strength,
        inverted=inverted,
        progress=progress,
    )
    result = np.empty(values.shape, dtype=np.float64)
    size = batch_length(rows, columns)
    for start in range(0, total, size):
        part = slice(start, start + size)
        result[part] = stack.restore(values[part])
        progress(Progress("restoring", min(start + size, total), total, "slices"))
    return result if padding is None else np.where(padding, values.astype(np.float64), result)
