"""The mean over an image's mirror images: four answers to one question, whose errors partly cancel.

Known as the geometric self-ensemble (Timofte et al., CVPR 2016, seven ways to improve example-based single image
super-resolution, section 3.5; Lim et al., CVPRW 2017, who give it its name). Quarter turns are left out: rain falls and
light comes from a direction, which a mirror changes less than a turn does, and an image that is turned may not be
restored in the context of the one that is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from datprl_toolkit.network import Context
    from datprl_toolkit.restoring.restorer import Restorer

SAID = "mean over four mirror images"
"""How an output says that it was made so."""
MIRRORED: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes along which the images are mirrored."""


def mean_of_mirrored(
    restore: Callable[[Tensor, Context | None], Tensor], images: Tensor, context: Context | None
) -> Tensor:
    """Return the mean of what `restore` makes of images and of their mirror images, each clipped and mirrored back.

    Parameters
    ----------
    restore
        Restores images of one size in a context, or each in its own.
    images
        (images, channels, H, W), H and W on the network's grid.
    context
        For all four; a field of contexts is mirrored with the images. None gives every mirror image its own.
    """
    size = (images.shape[-2], images.shape[-1])
    answers = []
    for axes in MIRRORED:
        mirrored = None if context is None else context.mirrored(axes, size)
        answers.append(restore(images.flip(axes), mirrored).float().clamp(0.0, 1.0).flip(axes))
    # In pairs, so that the mean of four equal values is that value.
    return 0.25 * ((answers[0] + answers[1]) + (answers[2] + answers[3]))


def check_single(restorer: Restorer) -> None:
    """Raise unless each answer of a restorer is that to one orientation.

    Raises
    ------
    OptionError
        ``E_OPTION`` if it is a mean over mirror images, which hides what the map is to show.
    """
    if restorer.self_ensemble:
        raise OptionError(
            ErrorCode.OPTION,
            "a map of uncertainty compares the orientations over which a self-ensemble takes the mean",
            remedy="Make the map in a run of its own, without --self-ensemble",
        )
