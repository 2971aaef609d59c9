"""Where the boxes of a drawn graph stand: layers from left to right, few crossings, lines that pass between boxes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SWEEPS = 8
GAP_X, GAP_Y = 56.0, 22.0
PASSAGE = 14.0  # height left free for a line that passes a layer


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its upper left corner, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Height of the middle."""
        return self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name, the points that each line goes through, and the size of the whole."""

    boxes: dict[str, Box]
    lines: dict[tuple[str, str], tuple[tuple[float, float], ...]]
    width: float
    height: float


def lay_out(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> Layout:
    """Place boxes so that every edge goes from left to right.

    Parameters
    ----------
    sizes
        Width and height of each box, in pixels.
    edges
        Pairs of names, without a cycle.
    """
    rank = _ranks(sizes, edges)
    layers, links, chains = _with_passages(sizes, edges, rank)
    _order(layers, links)
    heights = {name: sizes[name][1] if name in sizes else PASSAGE for layer in layers for name in layer}
    middle = _heights(layers, links, heights)
    left, x = [], 0.0
    for layer in layers:
        left.append(x)
        x += max((sizes[name][0] for name in layer if name in sizes), default=0.0) + GAP_X
    widest = [max((sizes[name][0] for name in layer if name in sizes), default=0.0) for layer in layers]
    boxes = {
        name: Box(left[rank[name]], middle[name] - height / 2, widest[rank[name]], height)
        for name, (_, height) in sizes.items()
    }
    lines = {}
    for edge, chain in chains.items():
        first, last = boxes[edge[0]], boxes[edge[1]]
        passed = [
            (left[rank[edge[0]] + step] + offset, middle[name])
            for step, name in enumerate(chain, start=1)
            for offset in (0.0, widest[rank[edge[0]] + step])
        ]
        lines[edge] = ((first.x + first.width, first.middle), *passed, (last.x, last.middle))
    return Layout(boxes, lines, x - GAP_X, max((b.y + b.height for b in boxes.values()), default=0.0))


def _ranks(sizes: Mapping[str, object], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return by name the length of the longest way to it."""
    rank = dict.fromkeys(sizes, 0)
    for _ in sizes:
        for first, last in edges:
            rank[last] = max(rank[last], rank[first] + 1)
    # What comes from nowhere stands right before what needs it.
    for name in sizes:
        after = [rank[last] for first, last in edges if first == name]
        if after and not any(last == name for _, last in edges):
            rank[name] = min(after) - 1
    return rank


def _with_passages(
    sizes: Mapping[str, object], edges: Sequence[tuple[str, str]], rank: Mapping[str, int]
) -> tuple[list[list[str]], list[tuple[str, str]], dict[tuple[str, str], list[str]]]:
    """Return the layers, and the edges cut into pieces from layer to layer through passages of their own."""
    layers: list[list[str]] = [[] for _ in range(max(rank.values(), default=0) + 1)]
    for name in sizes:
        layers[rank[name]].append(name)
    links, chains = [], {}
    for first, last in dict.fromkeys(edges):
        chain = [f"{first} -> {last} / {step}" for step in range(rank[first] + 1, rank[last])]
        for step, name in enumerate(chain, start=rank[first] + 1):
            layers[step].append(name)
        path = [first, *chain, last]
        links += list(pairwise(path))
        chains[first, last] = chain
    return layers, links, chains


def _order(layers: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each layer by the mean place of its neighbours, to and fro (Sugiyama et al., IEEE SMC 11, 1981)."""
    before, after = _neighbours(links)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for layer in layers if forwards else reversed(layers):
            place = {name: index for each in layers for index, name in enumerate(each)}
            linked = before if forwards else after

            def key(name: str, place: dict[str, int] = place, linked: dict[str, list[str]] = linked) -> float:
                near = linked[name]
                return sum(place[n] for n in near) / len(near) if near else float(place[name])

            layer.sort(key=key)


def _heights(
    layers: list[list[str]], links: Sequence[tuple[str, str]], heights: Mapping[str, float]
) -> dict[str, float]:
    """Return the height of each middle: as near to the neighbours as the order and the gaps allow."""
    before, after = _neighbours(links)
    middle: dict[str, float] = {}
    for layer in layers:
        _stack(layer, {name: float(index) for index, name in enumerate(layer)}, heights, middle)
    for sweep in range(2 * SWEEPS):
        forwards = sweep % 2 == 0
        for layer in layers if forwards else reversed(layers):
            linked = before if forwards else after
            wanted = {}
            for name in layer:
                near = linked[name] or before[name] + after[name]
                wanted[name] = sum(middle[n] for n in near) / len(near) if near else middle[name]
            _stack(layer, wanted, heights, middle)
    top = min((middle[name] - heights[name] / 2 for layer in layers for name in layer), default=0.0)
    return {name: value - top for name, value in middle.items()}


def _stack(
    layer: Sequence[str], wanted: Mapping[str, float], heights: Mapping[str, float], middle: dict[str, float]
) -> None:
    """Place a layer from top to bottom without overlap, then shift it as a whole to where it wants to be."""
    bottom = -float("inf")
    for name in layer:
        middle[name] = max(wanted[name], bottom + heights[name] / 2)
        bottom = middle[name] + heights[name] / 2 + GAP_Y
    if layer:
        shift = sum(wanted[name] - middle[name] for name in layer) / len(layer)
        for name in layer:
            middle[name] += shift


def _neighbours(links: Sequence[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for first, last in links:
        before[last].append(first)
        after[first].append(last)
    return before, after
