"""A picture of where the seams of a raster are."""

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
    from matplotlib.image import AxesImage

_SEAMLESS = (0.98, 1.02)
_SHOWN = 1500  # lines drawn at the most for each direction


def write_seam_picture(
    path: Path,
    profiles: Sequence[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    *,
    tile: int,
    title: str,
    overwrite: bool = False,
) -> None:
    """Write how much pixels differ across every line, relative to the lines beside it.

    Parameters
    ----------
    path
        A ``.png`` file.
    profiles
        For each direction its name ("column", "row"), the seam index of every line (L,), and the step along it (S, L)
        by segment.
    tile
        Distance of the cut lines, which are marked.
    title
        Above the picture.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    OptionError
        ``E_OPTION`` if `path` is not a PNG.
    OutputError
        If the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(ErrorCode.OPTION, "a picture is a PNG file", where=path, remedy="End the name in .png")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        package = "matplotlib"
        raise missing_package(package, "cli", "to draw a picture") from error
    figure = Figure(figsize=(12.0, 3.6 * len(profiles) + 0.5), layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=11)
    rows = figure.subplots(2 * len(profiles), 1, squeeze=False, height_ratios=[3, 2] * len(profiles))[:, 0]
    largest = max((float(np.nanmax(np.abs(steps), initial=0.0)) for _, _, steps in profiles), default=0.0)
    for place, (name, index, steps) in enumerate(profiles):
        _draw_index(rows[2 * place], name, index, tile)
        shown = _draw_steps(rows[2 * place + 1], name, steps, tile, largest or 1.0)
        figure.colorbar(shown, ax=rows[2 * place + 1], pad=0.01, label="step")
    with staged_file(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_index(axes: Axes, name: str, index: npt.NDArray[np.float64], tile: int) -> None:
    lines = np.arange(1, len(index) + 1)
    cut = lines % tile == 0
    axes.axhspan(*_SEAMLESS, color="0.9", zorder=0)
    kept = np.isfinite(index)
    axes.plot(lines[kept & ~cut], index[kept & ~cut], ".", color="0.55", markersize=2, label="other lines")
    axes.plot(lines[kept & cut], index[kept & cut], "o", color="C3", markersize=5, label=f"every {tile} pixels")
    axes.set_xlim(0, len(index) + 1)
    axes.set_ylabel("seam index")
    axes.set_xlabel(name)
    axes.legend(loc="upper right", fontsize=8)


def _draw_steps(axes: Axes, name: str, steps: npt.NDArray[np.float64], tile: int, largest: float) -> AxesImage:
    """Draw the steps along the cut lines, where they are."""
    cut = steps[:, tile - 1 :: tile]
    step = max(1, -(-cut.shape[1] // _SHOWN))
    axes.set_title(f"step along the cut lines at each {name} that is a multiple of {tile}", fontsize=9)
    axes.set_ylabel("place along the line", fontsize=8)
    axes.set_xlabel(f"cut line ({name} / {tile})")
    return axes.imshow(
        cut[:, ::step] if cut.size else np.zeros((1, 1)),
        aspect="auto",
        cmap="PiYG",
        vmin=-largest,
        vmax=largest,
        extent=(0.5, max(cut.shape[1], 1) + 0.5, max(steps.shape[0], 1), 0),
        interpolation="nearest",
    )
