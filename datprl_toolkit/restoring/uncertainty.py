"""Where a network may have invented: how its answer depends on the way an image lies, and what exceeds the noise.

Two maps beside a restored volume. The first is the standard deviation of the restored value over the eight ways in
which a slice can be turned and mirrored: what the image determines does not depend on how it lies, what comes from the
network alone does (test-time augmentation; Wang et al., Neurocomputing 338, 2019). The second is the change divided by
the noise around it: a change of more than a few times the noise is no removal of noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from datprl_toolkit.restoring.progress import ProgressCallback, silent
from datprl_toolkit.restoring.self_ensemble import check_single
from datprl_toolkit.restoring.stack import StackRestorer

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring.restorer import Restorer

    FloatArray = npt.NDArray[np.float32]

TURNS = tuple((quarters, mirrored) for mirrored in (False, True) for quarters in range(4))
BLOCK, STEP = 16, 8  # pixels; large enough for a median, small enough to follow noise that varies over the body
SMOOTHING = 5  # pixels of the box whose mean is taken for the image without noise
NORMAL_QUANTILE = 1.4826  # standard deviation of Gaussian noise in units of its median absolute value
SMALLEST_NOISE = 1e-3  # of the window; less than a display shows, so that flat regions do not divide by nothing


@dataclass(frozen=True, slots=True)
class UncertaintyMaps:
    """What is known of how far a restored stack can be trusted, pixel by pixel.

    Parameters
    ----------
    deviation
        Standard deviation of the restored value over eight orientations of the slice, in the unit of the profile,
        (N, rows, columns).
    noise_ratio
        Absolute change divided by the standard deviation of the noise around it, (N, rows, columns), 0 where nothing
        was changed.
    """

    deviation: FloatArray
    noise_ratio: FloatArray


@dataclass(frozen=True, slots=True)
class UncertaintyEstimator:
    """Maps for slices of one volume, any of them at any time; every orientation has its context from the volume.

    Parameters
    ----------
    stacks
        One restorer for each of :data:`TURNS`; the first is that of the restored volume itself.
    """

    stacks: tuple[StackRestorer, ...]

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
    ) -> UncertaintyEstimator:
        """Take the context of every orientation from the volume.

        Parameters
        ----------
        read, total, restorer, profile, strength, inverted, progress
            As for :meth:`~datprl_toolkit.restoring.stack.StackRestorer.of_volume`.

        Raises
        ------
        OptionError
            ``E_OPTION`` if the restorer takes a mean over orientations itself.
        """
        check_single(restorer)
        stacks = []
        for turn in TURNS:

            def turned_slice(index: int, turn: tuple[int, bool] = turn) -> npt.NDArray[np.floating]:
                return turned(read(index), turn)

            stacks.append(
                StackRestorer.of_volume(
                    turned_slice,
                    total,
                    restorer,
                    profile,
                    strength=strength,
                    inverted=inverted,
                    progress=progress,
                )
            )
        return cls(tuple(stacks))

    def maps(self, original: npt.NDArray[np.floating]) -> UncertaintyMaps:
        """Return the maps of slices, (N, rows, columns), given in physical values."""
        mean = np.zeros(original.shape)
        squares = np.zeros(original.shape)
        change = np.zeros(original.shape)
        # The variance is gathered as the answers come (Welford), since eight of a batch would fill the memory.
        for count, (turn, stack) in enumerate(zip(TURNS, self.stacks, strict=True), start=1):
            restored = turned_back(stack.restore(turned(original, turn)), turn)
            if count == 1:
                change = np.abs(restored - original)
            step = restored - mean
            mean += step / count
            squares += step * (restored - mean)
        profile = self.stacks[0].profile
        # Not clipped to the window: beside air or bone there would be no noise left to see.
        scaled = np.nan_to_num((original - profile.low) / profile.width).astype(np.float32)
        noise = local_noise(scaled) * np.float32(profile.width)
        deviation = np.sqrt(squares / len(TURNS)).astype(np.float32)
        ratio = (np.nan_to_num(change) / noise).astype(np.float32)
        return UncertaintyMaps(np.nan_to_num(deviation), ratio)


def turned(images: npt.NDArray[np.floating], turn: tuple[int, bool]) -> npt.NDArray[np.floating]:
    """Turn the last two axes by quarters and mirror them."""
    quarters, mirrored = turn
    rotated = np.rot90(images, quarters, axes=(-2, -1))
    return np.ascontiguousarray(np.flip(rotated, -1) if mirrored else rotated)


def turned_back(images: npt.NDArray[np.float64], turn: tuple[int, bool]) -> npt.NDArray[np.float64]:
    """Undo :func:`turned`."""
    quarters, mirrored = turn
    return np.rot90(np.flip(images, -1) if mirrored else images, -quarters, axes=(-2, -1))


def local_noise(values: FloatArray) -> FloatArray:
    """Estimate the standard deviation of the noise around each pixel.

    The image minus its mean over 5 x 5 pixels is noise and fine structure; 1.4826 times the median of its absolute
    value over 16 x 16 pixels follows the noise and passes over structure that covers less than half of them.

    Parameters
    ----------
    values
        (N, rows, columns), in units of the width of the intensity window.

    Returns
    -------
    float32 array of the same shape, at least 0.001.
    """
    images = torch.from_numpy(np.ascontiguousarray(values))[:, None]
    rows, columns = images.shape[-2:]
    box = min(SMOOTHING, rows, columns) // 2 * 2 + 1
    smooth = functional.avg_pool2d(images, box, stride=1, padding=box // 2, count_include_pad=False)
    detail = (images - smooth).abs()
    block = (min(BLOCK, rows), min(BLOCK, columns))
    blocks = functional.unfold(detail, block, stride=STEP).median(dim=1).values
    # The mean over the box took its share of independent noise away with it.
    scale = NORMAL_QUANTILE / (1 - 1 / box**2) ** 0.5 if box > 1 else NORMAL_QUANTILE
    size = ((rows - block[0]) // STEP + 1, (columns - block[1]) // STEP + 1)
    coarse = (scale * blocks).reshape(len(images), 1, *size)
    noise = functional.interpolate(coarse, size=(rows, columns), mode="bilinear", align_corners=False)
    result: FloatArray = noise[:, 0].clamp(min=SMALLEST_NOISE).numpy()
    return result
