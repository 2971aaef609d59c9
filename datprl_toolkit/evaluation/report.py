"""The figures as files: a table of the images, a table of the sets, and everything as JSON."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from datprl_toolkit import __version__
from datprl_toolkit.files import staged_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from datprl_toolkit.evaluation.evaluate import Evaluation
    from datprl_toolkit.evaluation.scores import Interval, SetScore

IMAGES_FILE, SETS_FILE, JSON_FILE = "images.csv", "sets.csv", "results.json"
FORMAT = "datprl-evaluation-1"


@dataclass(frozen=True, slots=True)
class MetricName:
    """How a metric is shown."""

    title: str
    unit: str
    places: int


def metric_name(metric: str, unit: str) -> MetricName:
    """Return how a metric is shown for a set whose values have `unit`."""
    shown = "" if unit == "1" else unit
    return {
        "psnr": MetricName("PSNR", "dB", 2),
        "ssim": MetricName("SSIM", "", 4),
        "rmse": MetricName("RMSE", shown, 3 if unit == "SUV" else 2),
        "rmse_window": MetricName("RMSE in window", shown, 2),
        "bias": MetricName("bias", shown, 3 if unit == "SUV" else 2),
        "bias_percent": MetricName("bias", "%", 2),
        "niqe": MetricName("NIQE", "", 3),
        "musiq": MetricName("MUSIQ", "", 2),
        "maniqa": MetricName("MANIQA", "", 4),
        "clipiqa": MetricName("CLIP-IQA", "", 4),
        "fid": MetricName("FID", "", 2),
        "maximum_change": MetricName("maximum minus truth's", shown, 3 if unit == "SUV" else 2),
    }[metric]


def write_report(folder: Path, evaluation: Evaluation, *, overwrite: bool = False) -> None:
    """Write ``images.csv``, ``sets.csv`` and ``results.json`` into a new folder.

    Numbers are written in full; what is not known is an empty field, or null in JSON. No path of the machine is
    written, only the names of sets and images.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if the folder is there and `overwrite` is false, or if it cannot be written.
    """
    with staged_folder(folder, overwrite=overwrite) as place:
        _write_csv(place / IMAGES_FILE, _image_rows(evaluation.sets))
        _write_csv(place / SETS_FILE, _set_rows(evaluation.sets))
        text = json.dumps(as_plain(evaluation), indent=1, allow_nan=False)
        (place / JSON_FILE).write_text(text + "\n", encoding="utf-8")


def as_plain(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything as values that JSON has; infinite and unknown figures are null."""
    plain = {
        "format": FORMAT,
        "version": __version__,
        "settings": evaluation.settings,
        "warnings": list(evaluation.warnings),
        "sets": [
            {
                "name": score.name,
                "unit": score.unit,
                "count": len(score.images),
                "summary": {metric: asdict(summary) for metric, summary in score.summary.items()},
                "images": [asdict(image) for image in score.images],
            }
            for score in evaluation.sets
        ],
    }
    cleaned: dict[str, Any] = _finite(plain)
    return cleaned


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _image_rows(sets: Sequence[SetScore]) -> Iterable[dict[str, object]]:
    for score in sets:
        for image in score.images:
            row: dict[str, object] = {"set": score.name, "image": image.name, "unit": score.unit}
            row |= {metric: _number(value) for metric, value in image.restored.items()}
            row |= {f"{metric}_input": _number(value) for metric, value in image.degraded.items()}
            yield row


def _set_rows(sets: Sequence[SetScore]) -> Iterable[dict[str, object]]:
    for score in sets:
        for metric, summary in score.summary.items():
            row: dict[str, object] = {
                "set": score.name,
                "images": len(score.images),
                "metric": metric,
                "unit": metric_name(metric, score.unit).unit,
            }
            for part, interval in (("", summary.restored), ("input_", summary.degraded), ("change_", summary.change)):
                row |= _interval_fields(part, interval)
            yield row


def _interval_fields(part: str, interval: Interval | None) -> dict[str, object]:
    if interval is None:
        return {}
    return {f"{part}{name}": _number(value) for name, value in asdict(interval).items()}


def _number(value: float) -> object:
    """Return a number for CSV: unknown is empty, infinite is ``inf``."""
    return "" if math.isnan(value) else value


def _write_csv(path: Path, rows: Iterable[dict[str, object]]) -> None:
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
