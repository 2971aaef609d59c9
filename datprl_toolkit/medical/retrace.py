"""A few slices restored again: what the network chose, and what a context of its own would do to each slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.medical.profiles import CT_WIDE
from datprl_toolkit.restoring.checks import Check
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent
from datprl_toolkit.restoring.stack import StackRestorer, context_sample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.made_by import MadeBy
    from datprl_toolkit.medical.matching import SeriesPair
    from datprl_toolkit.medical.profiles import CtWindow
    from datprl_toolkit.restoring import Context, Restorer

RUN_PIXELS = 8 * 512 * 512
LONGEST_RUN = 16
WRITTEN_DIGITS = 1e-5  # relative: the window is written with six digits
PRECISION = 0.01  # of the window: what half-precision on another device may change


@dataclass(frozen=True, slots=True)
class Retraced:
    """Neighbouring slices restored again.

    Parameters
    ----------
    context
        The context of the volume; of several windows, that of the one in the middle, soft tissue.
    sampled
        How many slices it was taken from.
    run
        Indices of the slices that were restored again.
    original, shared, own
        Physical values of the run: before, restored with the context of the volume, and restored with the context
        of each slice alone; (N, rows, columns).
    seen_width
        Width of the window that the network saw, in the unit of the series.
    """

    context: Context
    sampled: int
    run: range
    original: npt.NDArray[np.float64]
    shared: npt.NDArray[np.float64]
    own: npt.NDArray[np.float64]
    seen_width: float


def retrace(
    pair: SeriesPair,
    choose: Callable[[CtWindow], IntensityProfile],
    restorer: Restorer,
    progress: ProgressCallback = silent,
) -> Retraced:
    """Restore a run of slices from the middle of a series again, with the volume's context and with their own.

    Parameters
    ----------
    pair
        The series before and after.
    choose
        Returns the intensity profile of the series before, given which window of a CT was asked for.
    restorer
        The weights with which it was made.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if the series does not say how it was made, or was made otherwise.
    """
    made_by = pair.made_by
    if made_by is None:
        raise _cannot("the restored series does not say how it was made")
    if made_by.weights_sha256 != restorer.card.sha256:
        raise _cannot(f"it was made with the weights '{made_by.weights}' of another checksum")
    if made_by.strength == 0:
        raise _cannot("at strength 0 the network had no part in it")
    ct_window: CtWindow = "wide" if made_by.profile == CT_WIDE.name else "soft-tissue"
    profile = choose(ct_window)
    if not _is_profile(profile, made_by):
        raise _cannot(f"it was made with the intensity profile {made_by.profile} over another window")
    restorer = restorer.with_self_ensemble(made_by.self_ensemble)
    volume = pair.before
    shared = StackRestorer.of_volume(
        lambda index: volume.slices[index].read(),
        len(volume.slices),
        restorer,
        profile,
        strength=made_by.strength,
        inverted=volume.inverted,
        progress=progress,
    )
    context = shared.windows[len(shared.windows) // 2].context if shared.windows else shared.context
    if context is None:
        raise _cannot("the network has no context")
    run = _run(volume.shape)
    original = np.stack([volume.slices[index].read() for index in run])
    progress(Progress("restoring again", 0, 2 * len(run), "slices"))
    with_shared = shared.restore(original)
    progress(Progress("restoring again", len(run), 2 * len(run), "slices"))
    alone = shared.restore_alone(original)
    progress(Progress("restoring again", 2 * len(run), 2 * len(run), "slices"))
    return Retraced(
        context=context,
        sampled=len(context_sample(*volume.shape)),
        run=run,
        original=original,
        shared=with_shared,
        own=alone,
        seen_width=profile.seen_width,
    )


def _cannot(why: str) -> InputError:
    return InputError(ErrorCode.MISMATCH, f"the series cannot be restored again for comparison: {why}")


def _is_profile(profile: IntensityProfile, made_by: MadeBy) -> bool:
    width = profile.width
    near = abs(profile.low - made_by.low) + abs(profile.high - made_by.high) <= WRITTEN_DIGITS * (
        width + abs(profile.low) + abs(profile.high)
    )
    return near and profile.name == made_by.profile


def _run(shape: tuple[int, int, int]) -> range:
    """Return the indices of neighbouring slices in the middle of a volume."""
    length = min(shape[0], LONGEST_RUN, max(2, RUN_PIXELS // (shape[1] * shape[2])))
    start = (shape[0] - length) // 2
    return range(start, start + length)


def check_again(pair: SeriesPair, again: Retraced) -> Check:
    """Check that the slices that were restored again are those in the files, but for rounding and precision."""
    largest = excess = 0.0
    for place, index in enumerate(again.run):
        source, result = pair.before.slices[index], pair.after.slices[index]
        image = ~source.pixel_format.padding_mask(source.read_stored())
        difference = np.abs(result.read() - again.shared[place])[image]
        if difference.size:
            largest = max(largest, float(difference.max()))
            excess = max(excess, float(difference.max()) - 0.5 * result.step)
    unit = "" if pair.after.unit == "1" else f" {pair.after.unit}"
    found = f"largest difference {largest:.3g}{unit} in {len(again.run)} slices, half a stored step included"
    return Check("Restored again from the source", excess <= PRECISION * again.seen_width, found)
