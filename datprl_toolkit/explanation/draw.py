"""The pictures: selection, similarity of prompt values, diversity of representations, gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import missing_package

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from datprl_toolkit.explanation.explain import Explanation

SHARE_COLOUR, WEIGHT_COLOUR, FEATURE_COLOUR = "#c6dbef", "#2171b5", "#bdbdbd"
TITLES = {"domain": "domain prompt pool", "task": "task prompt pool"}
LARGEST_ANNOTATED = 16  # prompts whose similarities are written into the heat map


def draw_all(explanation: Explanation) -> dict[str, Figure]:
    """Draw every picture; returns them by the name of their file. Sequential fusion has no gates to draw."""
    pictures = {
        "selection": draw_selection(explanation),
        "similarity": draw_similarity(explanation),
        "representations": draw_representations(explanation),
    }
    return {**pictures, "gates": draw_gates(explanation)} if explanation.gates else pictures


def draw_selection(explanation: Explanation) -> Figure:
    """Draw a histogram of the chosen prompts for each set and pool."""
    sets, pools = explanation.sets, explanation.pools
    figure = _figure(1.0 + 5.2 * len(pools), 1.1 + 1.35 * len(sets))
    rows = figure.subplots(len(sets), len(pools), squeeze=False, sharex="col", sharey=True)
    for column, (name, pool) in enumerate(pools.items()):
        title = f"{TITLES[name]}: {len(pool.keys)} prompts, {pool.top_k} chosen for each image"
        rows[0, column].set_title(title, fontsize=11, pad=20)
        for row, chosen in enumerate(pool.selections):
            axes = rows[row, column]
            position = np.arange(len(chosen.share))
            axes.bar(position, chosen.share, color=SHARE_COLOUR, width=0.85, label="share of images that choose it")
            axes.bar(position, chosen.weight, color=WEIGHT_COLOUR, width=0.45, label="mean weight")
            note = f"{chosen.effective:.1f} prompts in effect"
            axes.text(0.995, 1.02, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=8, color="#555555")
            axes.set_ylim(0, 1.05)
            axes.set_xlim(-0.7, len(position) - 0.3)
            axes.set_xticks(position)
            axes.tick_params(labelsize=8)
            _without_frame(axes)
        rows[-1, column].set_xlabel("prompt")
    for row, (set_name, images) in enumerate(sets):
        label = f"{_short(set_name)}\n{images} image{'s' if images > 1 else ''}"
        rows[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    handles, labels = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def draw_similarity(explanation: Explanation) -> Figure:
    """Draw the cosine similarity of the prompts' values in each pool, equation 4."""
    pools = explanation.pools
    figure = _figure(0.6 + 5.6 * len(pools), 5.4)
    for axes, (name, pool) in zip(figure.subplots(1, len(pools), squeeze=False)[0], pools.items(), strict=True):
        size = len(pool.values)
        image = axes.imshow(pool.values, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(f"{TITLES[name]}: similarity of values", fontsize=11)
        axes.set_xticks(range(size))
        axes.set_yticks(range(size))
        axes.tick_params(labelsize=8)
        axes.set_xlabel("prompt")
        axes.set_ylabel("prompt")
        if size <= LARGEST_ANNOTATED:
            _annotate(axes, pool.values)
        figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="cosine")
    return figure


def draw_representations(explanation: Explanation) -> Figure:
    """Draw how alike the fused prompts of the images are, image by image and set by set."""
    figure = _figure(13.0, 5.8)
    left, right = figure.subplots(1, 2)
    names = [_short(name) for name, _ in explanation.sets]
    lowest = min(float(explanation.representations.min()), 0.99)
    image = left.imshow(explanation.representations, cmap="viridis", vmin=lowest, vmax=1, interpolation="nearest")
    ends = np.cumsum(explanation.shown)
    for end in ends[:-1]:
        left.axhline(end - 0.5, color="white", linewidth=0.8)
        left.axvline(end - 0.5, color="white", linewidth=0.8)
    middles = ends - np.array(explanation.shown) / 2 - 0.5
    _label_sets(left, middles, names)
    left.set_title("similarity of the fused prompts, image by image", fontsize=11)
    figure.colorbar(image, ax=left, fraction=0.046, pad=0.03, label="cosine")
    means = right.imshow(explanation.between, cmap="viridis", vmin=lowest, vmax=1, interpolation="nearest")
    _label_sets(right, np.arange(len(names), dtype=float), names)
    right.set_title("mean within and between sets", fontsize=11)
    if len(names) <= LARGEST_ANNOTATED:
        middle = (lowest + 1) / 2
        for (i, j), value in np.ndenumerate(explanation.between):
            text = "" if np.isnan(value) else f"{value:.3f}"
            right.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if value < middle else "black")
    figure.colorbar(means, ax=right, fraction=0.046, pad=0.03, label="cosine")
    return figure


def draw_gates(explanation: Explanation) -> Figure:
    """Draw the shares of features and prompt in each block that the prompt enters."""
    blocks = list(explanation.gates)
    features = np.array([explanation.gates[block][0] for block in blocks])
    figure = _figure(max(7.0, 1.8 + 0.38 * len(blocks)), 4.4)
    axes = figure.subplots()
    position = np.arange(len(blocks))
    axes.bar(position, features, color=FEATURE_COLOUR, width=0.8, label="backbone features")
    axes.bar(position, 1 - features, bottom=features, color=WEIGHT_COLOUR, width=0.8, label="prompt")
    axes.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    axes.set_xticks(position, blocks, rotation=60 if len(blocks) > 8 else 0, fontsize=8)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right" if len(blocks) > 8 else "center")
    axes.set_ylim(0, 1)
    axes.set_ylabel("share")
    axes.set_xlabel("block, in the order in which they run")
    _without_frame(axes)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        package = "matplotlib"
        raise missing_package(package, "cli", "to draw an explanation") from error
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _annotate(axes: Axes, matrix: npt.NDArray[np.float64]) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        if i != j:
            # Hundredths without the leading zero, which is all that a cell has room for.
            text = f"{value:.2f}".replace("0.", ".").replace("-.00", ".00")
            axes.text(j, i, text, ha="center", va="center", fontsize=6, color="white" if abs(value) > 0.6 else "black")


def _label_sets(axes: Axes, position: npt.NDArray[np.float64], names: list[str]) -> None:
    axes.set_xticks(position, names, rotation=45, ha="right", fontsize=9)
    axes.set_yticks(position, names, fontsize=9)


def _without_frame(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
