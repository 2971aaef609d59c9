"""A field of contexts: some places of a scene have one each, and the network interpolates them at every pixel.

The parts of a scene may differ: clouds over one half, haze in the valleys. One context for all is then right for none.
A context for each tile leaves seams. A field varies smoothly, does not depend on the tiles, and takes no more runs of
the network than a single context.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from datprl_toolkit.restoring import Grouping, Lattice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.remote_sensing.context import Centred
    from datprl_toolkit.restoring import Context
    from datprl_toolkit.restoring.tiling import Window

SPACING = 256
"""Least distance of the nodes in pixels."""

MOST_NODES = 4  # along each axis
_MOST_IMAGES = 4  # from which the context of a node is computed, those nearest to it: one or two could mislead it


def scene_lattice(shape: tuple[int, int]) -> Lattice:
    """Return where the nodes of a scene of (height, width) lie."""
    rows, columns = (min(MOST_NODES, max(1, round(length / SPACING))) for length in shape)
    return Lattice(rows, columns, *shape)


def field_grouping(images: Sequence[Centred], lattice: Lattice) -> Grouping:
    """Return from which images of a scene each node has its context: the nearest, and each image follows its nearest.

    All images run at once, each with the context of its node, so that a field takes no longer than a single context.
    """
    middles = torch.tensor([(float(image.row), float(image.column)) for image in images])
    distance = torch.cdist(torch.tensor(lattice.nodes), middles)
    # A single node stands for all of the scene, as a single context does; of several none has all images, or they
    # would not differ.
    each = len(images) if len(lattice.nodes) == 1 else min(_MOST_IMAGES, max(1, len(images) - 1))
    nearest = distance.argsort(dim=1, stable=True)[:, :each]
    shares = torch.zeros_like(distance).scatter_(1, nearest, 1 / each)
    return Grouping(shares, distance.argmin(dim=0))


def field_at(
    field: Context,
    shape: tuple[int, int],
    core: Window,
    size: tuple[int, int],
    margins: tuple[int, int, int, int],
    flipped: tuple[int, ...] = (),
) -> Context:
    """Return a field for an image that holds a window of the scene.

    Parameters
    ----------
    field
        The contexts of the nodes.
    shape
        Height and width of the scene.
    core
        Where the image without its margins lies in the scene.
    size
        Height and width of the image.
    margins
        Pixels at the top, bottom, left and right of the image around `core`.
    flipped
        Axes of (C, H, W) along which the image was flipped, its margins with it.
    """
    above, left = (margins[1] if 1 in flipped else margins[0], margins[3] if 2 in flipped else margins[2])
    lattice = scene_lattice(shape).at([(core.top - above, core.left - left)])
    return replace(field, lattice=lattice).mirrored([axis - 3 for axis in flipped], size)
