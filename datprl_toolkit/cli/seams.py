"""What a person is told about the seams of a raster."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.jobs.seams import find_seams

if TYPE_CHECKING:
    from datprl_toolkit.jobs.seams import Disagreement, SeamReport

EXIT_ABOVE_LIMIT = 3


def show_seams(
    source: str,
    *,
    tile: int | None,
    original: str | None,
    against: str | None,
    bands: tuple[int | str, ...] | None,
    picture: Path | None,
    limit: float | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Measure, print, and return the exit status."""
    with Terminal() as terminal:
        report, compared = find_seams(
            source,
            tile=tile,
            original=original,
            against=against,
            bands=bands,
            picture=picture,
            overwrite=overwrite,
            progress=terminal.progress,
        )
    console = Console(highlight=False, soft_wrap=True)
    where = "as given" if tile is not None else "found in the raster"
    if not report.found and tile is None:
        where = "none stand out in the raster; these are assumed"
    lines = [json.dumps(_figures(report, compared))] if as_json else _lines(report, compared, limit, where)
    for line in lines:
        console.print(line, markup=False)
    return EXIT_ABOVE_LIMIT if limit is not None and report.index > limit else 0


def _lines(report: SeamReport, compared: Disagreement | None, limit: float | None, where: str) -> list[str]:
    error = f" ± {report.error:.3f}" if math.isfinite(report.error) else ""
    lines = [
        f"cut lines every {report.tile} pixels ({where}), {report.lines} measured",
        f"seam index {report.index:.3f}{error} (1.00 without seams)",
        f"step along edges of tiles {report.step:.3g} stored values, beside a noise of {report.noise:.3g}",
    ]
    if limit is None:
        lines.append("no seam to be seen" if report.is_seamless else "seams")
    elif report.index > limit:
        lines.append(f"above the limit of {limit:g}")
    if not report.is_seamless:
        lines += [f"  {place}: {step:+.3g}" for place, step in report.largest]
    if compared is not None:
        lines.append(
            f"overlap disagreement {compared.root_mean_square:.3g} stored values root mean square, at most "
            f"{compared.largest:.3g}; {compared.equal:.1%} of {compared.count} values are equal"
        )
    return lines


def _figures(report: SeamReport, compared: Disagreement | None) -> dict[str, object]:
    figures: dict[str, object] = {
        "tile": report.tile,
        "found": report.found,
        "lines": report.lines,
        "seam_index": _finite(report.index),
        "standard_error": _finite(report.error),
        "step": report.step,
        "noise": report.noise,
        "seamless": report.is_seamless,
        "largest": [{"place": place, "step": step} for place, step in report.largest],
    }
    if compared is not None:
        figures["overlap_disagreement"] = {
            "root_mean_square": compared.root_mean_square,
            "largest": compared.largest,
            "equal": compared.equal,
            "count": compared.count,
        }
    return figures


def _finite(value: float) -> float | None:
    """Return a number that JSON has, or None."""
    return value if math.isfinite(value) else None
