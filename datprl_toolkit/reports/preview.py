"""The preview: input, restored and difference side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError, missing_package
from datprl_toolkit.files import staged_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from datprl_toolkit.restoring import Comparison

PANEL_INCHES = 5.0
LONGEST_SIDE = 1024
DIFFERENCE_PERCENTILE = 99.8


def write_preview(path: Path, comparisons: Sequence[Comparison], *, overwrite: bool = False) -> None:
    """Write one row per comparison: input, restored, signed difference with a colour bar.

    Parameters
    ----------
    path
        A ``.png`` file.
    comparisons
        What is shown; input and restored share one grey scale, the difference has a scale of its own,
        symmetric about 0.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    OptionError
        ``E_OPTION`` if there is nothing to show or `path` is not a PNG.
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(ErrorCode.OPTION, "a preview is a PNG picture", where=path, remedy="End the name in .png")
    if not comparisons:
        raise OptionError(ErrorCode.OPTION, "there is nothing to preview", where=path)
    figure = draw(comparisons)
    with staged_file(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110)


def draw(comparisons: Sequence[Comparison]) -> Figure:
    """Draw the preview as a matplotlib figure."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        package = "matplotlib"
        raise missing_package(package, "cli", "to draw a preview") from error

    heights = [PANEL_INCHES * _aspect(comparison.after) + 0.45 for comparison in comparisons]
    figure = Figure(figsize=(3 * PANEL_INCHES + 1.0, sum(heights)), layout="constrained", facecolor="white")
    rows = figure.subplots(len(comparisons), 3, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, comparison in zip(rows, comparisons, strict=True):
        _draw_row(figure, axes, comparison)
    return figure


def _draw_row(figure: Figure, axes: npt.NDArray[np.object_], comparison: Comparison) -> None:
    before, after = _thin(comparison.before), _thin(comparison.after)
    # "1" is the unit of a number without one, which a person does not expect to read.
    unit = "arbitrary units" if comparison.unit == "1" else comparison.unit
    _show(axes[0], before, comparison, f"input, {comparison.title}")
    _show(axes[1], after, comparison, f"restored, {comparison.low:g} to {comparison.high:g} {unit}")
    change = after - before
    if change.ndim == 3:
        change = change.mean(axis=-1)
    limit = _symmetric_limit(change, comparison)
    shown = axes[2].imshow(change, cmap="PiYG", vmin=-limit, vmax=limit, interpolation="nearest")
    axes[2].set_title(f"restored minus input, {unit}", fontsize=10)
    axes[2].set_axis_off()
    figure.colorbar(shown, ax=axes[2], fraction=0.045, pad=0.02)


def _show(axes: Axes, image: npt.NDArray[np.float32], comparison: Comparison, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    if image.ndim == 2:
        axes.imshow(image, cmap="gray", vmin=comparison.low, vmax=comparison.high, interpolation="nearest")
        return
    scaled = (image - comparison.low) / (comparison.high - comparison.low)
    # What is not there is drawn grey, so that it is not mistaken for dark ground.
    visible = np.where(np.isfinite(scaled), np.clip(scaled, 0.0, 1.0), 0.5)
    axes.imshow(visible, interpolation="nearest")


def _symmetric_limit(change: npt.NDArray[np.float32], comparison: Comparison) -> float:
    """Return the end of the difference's scale; never so small that rounding would look like a change."""
    finite = np.abs(change[np.isfinite(change)])
    largest = float(np.percentile(finite, DIFFERENCE_PERCENTILE)) if finite.size else 0.0
    return max(largest, 1e-3 * (comparison.high - comparison.low))


def _thin(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Take every n-th pixel of an image that is larger than a preview can show."""
    step = max(1, -(-max(image.shape[:2]) // LONGEST_SIDE))
    return image[::step, ::step]


def _aspect(image: npt.NDArray[np.float32]) -> float:
    return float(np.clip(image.shape[0] / image.shape[1], 0.2, 3.0))
