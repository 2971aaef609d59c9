"""The command ``datprl evaluate``."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.evaluation import Evaluation, ImageSet, evaluate, read_sets, write_report
from datprl_toolkit.evaluation.report import metric_name
from datprl_toolkit.evaluation.scores import Interval, SetScore, Summary
from datprl_toolkit.evaluation.sets import check_sets
from datprl_toolkit.files import check_absent, check_apart

NARROWEST = 140  # columns; a table that is cut is worse than one that wraps


def run(
    restored: Path,
    truth: Path | None,
    degraded: Path | None,
    *,
    match: str | None,
    weights: str | None,
    device: str,
    scale: int,
    out: Path | None,
    per_image: bool,
    seed: int,
    resamples: int,
    also: list[str],
    overwrite: bool,
) -> None:
    """Evaluate, print the tables, and write the files if asked."""
    sets = _sets(restored, truth, degraded, match)
    check_sets(sets, restoring=weights is not None)
    if out is not None:
        check_absent(out, overwrite=overwrite)
        for each in sets:
            for place in filter(None, (each.restored, each.truth, each.degraded)):
                check_apart(place, out)
    with Terminal() as terminal:
        restorer = None
        if weights is not None:
            from datprl_toolkit.restoring import Restorer

            restorer = Restorer.from_pretrained(weights, device=device)
            terminal.announce(f"restoring first; {restorer.describe()}")
        compare = partial(evaluate, restorer=restorer, scale=scale, seed=seed, resamples=resamples)
        if also:
            from datprl_toolkit.restoring.device import choose_device

            compare = partial(compare, also=also, device=str(choose_device(device)))
        evaluation = compare(sets, progress=terminal.progress)
    _show(evaluation, terminal.console, per_image=per_image)
    if out is not None:
        write_report(out, evaluation, overwrite=overwrite)
        terminal.console.print(f"written: {out}", markup=False)


def _sets(restored: Path, truth: Path | None, degraded: Path | None, match: str | None) -> list[ImageSet]:
    if truth is not None:
        return [ImageSet(restored.name or truth.name, restored, truth, degraded, match)]
    if degraded is not None or match is not None:
        raise OptionError(ErrorCode.OPTION, "--input and --match belong to two folders; a YAML file names its own")
    if restored.suffix.lower() not in (".yaml", ".yml"):
        raise OptionError(
            ErrorCode.OPTION,
            "the truth is missing",
            where=restored,
            remedy="Give two folders, or a YAML file that names several sets",
        )
    return read_sets(restored)


def _show(evaluation: Evaluation, errors: Console, *, per_image: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, NARROWEST)
    for score in evaluation.sets:
        if per_image:
            console.print(_image_table(score))
        console.print(_set_table(score))
        console.print(_worst(score), markup=False)
    for warning in evaluation.warnings:
        errors.print(warning, markup=False, style="yellow")


def _set_table(score: SetScore) -> Table:
    """Return one line per metric: the mean and its interval, and the same for input and change where known."""
    table = Table(f"{score.name}, {len(score.images)} images", "mean", "95 % interval", box=None, pad_edge=False)
    known = any(summary.degraded for summary in score.summary.values())
    for title in ("input", "change", "95 % of change") if known else ():
        table.add_column(title)
    for metric, summary in score.summary.items():
        table.add_row(*_cells(metric, summary, score.unit))
    return table


def _cells(metric: str, summary: Summary, unit: str) -> list[str]:
    name = metric_name(metric, unit)
    title = f"{name.title}, {name.unit}" if name.unit else name.title
    cells = [title, _shown(summary.restored.mean, name.places), _interval(summary.restored, name.places)]
    if summary.degraded is not None and summary.change is not None:
        cells += [
            _shown(summary.degraded.mean, name.places),
            _shown(summary.change.mean, name.places, sign="+"),
            _interval(summary.change, name.places, sign="+"),
        ]
    return cells


def _image_table(score: SetScore) -> Table:
    names = {metric: metric_name(metric, score.unit) for metric in score.images[0].restored}
    titles = [f"{name.title}, {name.unit}" if name.unit else name.title for name in names.values()]
    known = bool(score.images[0].degraded)
    table = Table(score.name, *(f"{title} (input)" if known else title for title in titles), box=None, pad_edge=False)
    for image in score.images:
        cells = [_shown(image.restored[metric], name.places) for metric, name in names.items()]
        if known:
            before = [_shown(image.degraded[metric], name.places) for metric, name in names.items()]
            cells = [f"{after} ({given})" for after, given in zip(cells, before, strict=True)]
        table.add_row(image.name, *cells)
    return table


def _worst(score: SetScore) -> str:
    """Say which image is worst: by what it lost where the input is known, else by its PSNR."""
    if score.images[0].degraded:
        image = min(score.images, key=lambda each: _change(each.restored["psnr"], each.degraded["psnr"]))
        change = _change(image.restored["psnr"], image.degraded["psnr"])
        return f"smallest change in PSNR: {_shown(change, 2, '+')} dB ({image.name})"
    image = min(score.images, key=lambda each: each.restored["psnr"])
    return f"lowest PSNR: {image.restored['psnr']:.2f} dB ({image.name})"


def _change(after: float, before: float) -> float:
    return 0.0 if after == before else after - before


def _shown(value: float, places: int, sign: str = "") -> str:
    # The sum makes a rounded -0 a 0.
    return "" if math.isnan(value) else f"{round(value, places) + 0.0:{sign}.{places}f}"


def _interval(interval: Interval, places: int, sign: str = "") -> str:
    if math.isnan(interval.low):
        return ""
    return f"{_shown(interval.low, places, sign)} to {_shown(interval.high, places, sign)}"
