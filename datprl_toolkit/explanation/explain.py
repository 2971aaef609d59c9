"""Explain a network by what it chooses for images: one function, and its output as pictures and numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit import __version__
from datprl_toolkit.errors import ErrorCode, OptionError, WeightsError
from datprl_toolkit.explanation import analyse
from datprl_toolkit.explanation.gather import record_set
from datprl_toolkit.files import staged_folder
from datprl_toolkit.restoring import silent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.explanation.gather import SampleSet
    from datprl_toolkit.restoring import ProgressCallback, Restorer

FORMAT = "datprl-explanation-1"
JSON_FILE = "explanation.json"
MOST_PROMPTS_SHOWN = 240  # images in the heat map of representations


@dataclass(frozen=True, slots=True)
class PoolExplanation:
    """One pool.

    Parameters
    ----------
    top_k
        Prompts that an image selects.
    selections
        How each set uses the pool, in the order of the sets.
    values
        (size, size): cosine similarity of the prompts' values, equation 4.
    keys
        (size, size): cosine similarity of the prompts' keys.
    """

    top_k: int
    selections: tuple[analyse.Selection, ...]
    values: npt.NDArray[np.float64]
    keys: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found.

    Parameters
    ----------
    weights, sha256
        Name and checksum of the weights.
    sets
        Names of the sets and the number of images looked at in each.
    pools
        "domain" and "task", as far as the network has them.
    representations
        (images, images): cosine similarity of the fused prompts of all images, those of each set together.
    shown
        Images of each set in `representations`.
    between
        (sets, sets): mean similarity of the fused prompts within and between the sets; NaN for one image.
    gates
        Shares of features and prompt in each block, in the order in which the blocks run.
    """

    weights: str
    sha256: str
    sets: tuple[tuple[str, int], ...]
    pools: dict[str, PoolExplanation]
    representations: npt.NDArray[np.float64]
    shown: tuple[int, ...]
    between: npt.NDArray[np.float64]
    gates: dict[str, tuple[float, float]]


def explain(
    sets: Sequence[SampleSet], restorer: Restorer, *, limit: int = 100, progress: ProgressCallback = silent
) -> Explanation:
    """Look at images through a network and analyse what it chooses (section 4.4 of the paper).

    Parameters
    ----------
    sets
        Images that are looked at together.
    restorer
        The weights.
    limit
        Most images of a set, evenly spaced.
    progress
        Told after each image.

    Raises
    ------
    WeightsError
        ``E_WEIGHTS`` if the network has no prompt pool.
    DatprlError
        What reading an image raises.
    """
    if limit < 1 or not sets:
        raise OptionError(ErrorCode.OPTION, "at least one image is needed")
    network = restorer.network
    if network.task_pool is None and network.domain_pool is None:
        raise WeightsError(
            ErrorCode.WEIGHTS,
            "the network of these weights has no prompt pools, so there is nothing to explain",
            where=restorer.card.name,
        )
    records = [record_set(each, restorer, limit, progress) for each in sets]
    pools = {}
    for name, pool in (("domain", network.domain_pool), ("task", network.task_pool)):
        if pool is not None:
            values = pool.values.detach().flatten(1).double().cpu().numpy()
            keys = pool.keys.detach().double().cpu().numpy()
            selections = tuple(analyse.selection(record.pools[name], len(keys)) for record in records)
            pools[name] = PoolExplanation(
                pool.top_k, selections, analyse.cosine_similarity(values), analyse.cosine_similarity(keys)
            )
    every = analyse.cosine_similarity(np.concatenate([record.prompts for record in records]))
    shown = analyse.thinned(records, MOST_PROMPTS_SHOWN)
    return Explanation(
        restorer.card.name,
        restorer.card.sha256,
        tuple((record.name, record.images) for record in records),
        pools,
        analyse.cosine_similarity(np.concatenate(shown)),
        tuple(len(part) for part in shown),
        analyse.block_means(every, [record.images for record in records]),
        network.gates(),
    )


def write_explanation(folder: Path, explanation: Explanation, *, overwrite: bool = False) -> tuple[str, ...]:
    """Write the pictures and ``explanation.json`` into a new folder; return the names of the files.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if the folder is there and `overwrite` is false, or if it cannot be written.
    """
    from datprl_toolkit.explanation.draw import draw_all

    with staged_folder(folder, overwrite=overwrite) as place:
        for name, figure in draw_all(explanation).items():
            figure.savefig(place / f"{name}.png", dpi=120)
        text = json.dumps(as_plain(explanation), indent=1, allow_nan=False)
        (place / JSON_FILE).write_text(text + "\n", encoding="utf-8")
        return tuple(sorted(path.name for path in place.iterdir()))


def as_plain(explanation: Explanation) -> dict[str, Any]:
    """Return every number as values that JSON has; NaN are null."""
    names = [name for name, _ in explanation.sets]
    return {
        "format": FORMAT,
        "version": __version__,
        "weights": explanation.weights,
        "weights_sha256": explanation.sha256,
        "sets": [{"name": name, "images": images} for name, images in explanation.sets],
        "pools": {name: _plain_pool(pool, names) for name, pool in explanation.pools.items()},
        "representations": {"mean_similarity": _plain(explanation.between)},
        "gates": [
            {"block": block, "features": features, "prompt": prompt}
            for block, (features, prompt) in explanation.gates.items()
        ],
    }


def _plain_pool(pool: PoolExplanation, names: Sequence[str]) -> dict[str, Any]:
    beside = analyse.off_diagonal(pool.values)
    used = np.sum([each.share for each in pool.selections], axis=0) > 0
    return {
        "size": len(pool.keys),
        "top_k": pool.top_k,
        "never_selected": np.flatnonzero(~used).tolist(),
        "selection": {
            name: {
                "share_of_images": _plain(each.share),
                "mean_weight": _plain(each.weight),
                "effective_prompts": each.effective,
            }
            for name, each in zip(names, pool.selections, strict=True)
        },
        "overlap": [[analyse.overlap(one, other) for other in pool.selections] for one in pool.selections],
        "value_similarity": _plain(pool.values),
        "value_similarity_mean": float(beside.mean()) if beside.size else None,
        "value_similarity_largest": float(beside.max()) if beside.size else None,
        "key_similarity": _plain(pool.keys),
    }


def _plain(array: npt.NDArray[np.float64]) -> Any:
    if array.ndim > 1:
        return [_plain(row) for row in array]
    return [None if math.isnan(value) else round(float(value), 9) for value in array]
