"""What a person is told about the radiometry of a restored scene."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.jobs.radiometry import compare_radiometry

if TYPE_CHECKING:
    from datprl_toolkit.jobs.radiometry import Radiometry

EXIT_ABOVE_LIMIT = 3


def show_radiometry(before: Path, after: Path, *, limit: float | None, as_json: bool) -> int:
    """Measure, print, and return the exit status."""
    with Terminal() as terminal:
        measured = compare_radiometry(before, after, terminal.progress)
    console = Console(highlight=False, soft_wrap=True)
    above = limit is not None and measured.largest_bias_percent > limit
    for line in [json.dumps(_figures(measured))] if as_json else _lines(measured, limit if above else None):
        console.print(line, markup=False)
    return EXIT_ABOVE_LIMIT if above else 0


def _lines(measured: Radiometry, limit: float | None) -> list[str]:
    factor = measured.factor
    what = "pixel by pixel" if factor == 1 else f"each pixel against the mean of {factor} x {factor} of the result"
    lines = [f"stored values, {what}"]
    for band in measured.bands:
        name = f"band {band.number}{f' ({band.name})' if band.name else ''}{'' if band.restored else ', not restored'}"
        if not band.count:
            lines.append(f"{name}: no data")
            continue
        lines.append(
            f"{name}: mean {band.mean:.6g}, bias {band.bias:+.3g} ({band.bias_percent:+.2f} %), "
            f"RMSE {band.rmse:.3g}, correlation {band.correlation:.4f}"
        )
    if limit is not None:
        lines.append(f"above the limit of {limit:g} %")
    return lines


def _figures(measured: Radiometry) -> dict[str, object]:
    bands = [asdict(band) | {"bias_percent": band.bias_percent} for band in measured.bands]
    finite = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in band.items()}
        for band in bands
    ]
    return {"factor": measured.factor, "bands": finite}
