"""Numbers from what was recorded: selection, similarity, diversity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.explanation.gather import PoolRecord, SetRecord


@dataclass(frozen=True, slots=True)
class Selection:
    """How one set uses one pool (figure 6a of the paper).

    Parameters
    ----------
    share
        (size,): share of the images that select each prompt; adds up to top-k.
    weight
        (size,): mean share of each prompt in the representation, 0 where it is not selected; adds up to 1.
    effective
        Number of prompts that are used, counted as the exponential of the entropy of `weight`: 1 if all images
        use one prompt, `size` if all prompts are used alike.
    """

    share: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    effective: float


def selection(record: PoolRecord, size: int) -> Selection:
    """Count the choices of one set."""
    images = len(record.selected)
    share = np.bincount(record.selected.ravel(), minlength=size) / images
    weight = np.bincount(record.selected.ravel(), record.weights.ravel(), minlength=size) / images
    used = weight[weight > 0]
    return Selection(share, weight, float(np.exp(-(used * np.log(used)).sum())))


def cosine_similarity(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the cosine similarity of every pair of rows, (N, N) from (N, d); equation 4 for prompt values."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(length > 0, length, 1.0)
    matrix: npt.NDArray[np.float64] = np.clip(unit @ unit.T, -1.0, 1.0)
    return matrix


def off_diagonal(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the values of a square matrix beside its diagonal, as one row."""
    return matrix[~np.eye(len(matrix), dtype=bool)]


def overlap(first: Selection, second: Selection) -> float:
    """Return what two sets have in common of a pool: the intersection of their weights, 0 to 1."""
    return float(np.minimum(first.weight, second.weight).sum())


def block_means(matrix: npt.NDArray[np.float64], counts: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the mean similarity within and between sets, from that of all their images.

    Parameters
    ----------
    matrix
        (images, images), the images of each set together.
    counts
        Number of images of each set. A pair of an image with itself does not count; NaN for a set of one image.
    """
    ends = np.cumsum(counts)
    parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    means = np.full((len(parts), len(parts)), np.nan)
    for i, rows in enumerate(parts):
        for j, columns in enumerate(parts):
            block = matrix[rows, columns]
            values = off_diagonal(block) if i == j else block.ravel()
            if values.size:
                means[i, j] = values.mean()
    return means


def thinned(records: Sequence[SetRecord], most: int) -> list[npt.NDArray[np.float64]]:
    """Return the fused prompts of at most `most` images in all, evenly spaced within each set."""
    each = max(1, most // len(records))
    return [
        record.prompts[np.linspace(0, len(record.prompts) - 1, min(each, len(record.prompts))).round().astype(int)]
        for record in records
    ]
