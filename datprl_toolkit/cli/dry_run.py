"""What a person is told about scenes before they are restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from datprl_toolkit.cli.batch import duration
from datprl_toolkit.jobs.plan import plan_batch, plan_restoring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.jobs import RestoreOptions
    from datprl_toolkit.jobs.plan import BatchEstimate, Estimate
    from datprl_toolkit.restoring import Restorer


def show_plan(source: str | Path, destination: Path, load: Callable[[], Restorer], options: RestoreOptions) -> None:
    """Print what restoring a scene will take."""
    estimate, *maps = plan_restoring(source, destination, load, options)
    _print([*describe(estimate), *(describe_map(each) for each in maps)])


def show_batch_plan(
    sources: Sequence[str],
    destination: Path,
    load: Callable[[], Restorer],
    options: RestoreOptions,
    form: Literal["tif", "zarr"],
    assets: Sequence[str],
    *,
    shared_context: bool = False,
) -> None:
    """Print what restoring many scenes will take."""
    batch = plan_batch(sources, destination, load, options, form=form, assets=assets, shared_context=shared_context)
    _print(describe_batch(batch))


def _print(lines: list[tuple[str, str]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for name, text in lines:
        console.print(f"{name:10} {text}", markup=False)
    console.print("Nothing was written.")


def describe(estimate: Estimate) -> list[tuple[str, str]]:
    """Return the lines of a plan: what they are about, and what they say."""
    stored = f", {size(estimate.bytes_stored)} as stored" if estimate.bytes_stored else ""
    share = "" if estimate.share > 0.99 else f", data at {estimate.share:.0%} of the places looked at"
    at_once = f"{estimate.workers} at a time" if estimate.cluster is None else f"for the cluster {estimate.cluster}"
    finished = f"; {estimate.finished} were finished earlier" if estimate.finished else ""
    each = "" if estimate.cluster is None else " in each process"
    alone = "" if estimate.cluster is None else " for a process that has this machine to itself"
    measured = f"one tile took {estimate.seconds_per_tile:.2f} s here and now"
    return [
        ("output", f"{estimate.width} x {estimate.height} pixels, {estimate.bands} bands"),
        ("restored", estimate.restored),
        ("tiles", f"{estimate.tiles} of {estimate.tile} pixels with a halo of {estimate.halo}{share}"),
        ("shards", f"{estimate.shards} of {estimate.shard} pixels: as many tasks, {at_once}{finished}"),
        ("read", f"{size(estimate.bytes_read)} of pixels{stored}"),
        ("written", f"{size(estimate.bytes_written)} of pixels before compression, without overviews"),
        ("memory", f"about {size(estimate.memory)} at the most{each}"),
        ("time", f"about {duration(estimate.seconds)}{alone}: {measured}"),
    ]


def describe_map(estimate: Estimate) -> tuple[str, str]:
    """Return the line of the map of deviations, which is made after the scene."""
    what = f"{size(estimate.bytes_written)} of pixels more, {estimate.bands} bands of float32"
    finished = f" ({estimate.finished} of {estimate.shards} shards finished earlier)" if estimate.finished else ""
    return "deviation", f"{what}; about {duration(estimate.seconds)} more{finished}, memory {size(estimate.memory)}"


def describe_batch(batch: BatchEstimate) -> list[tuple[str, str]]:
    """Return the lines of the plan of a batch."""
    estimates = batch.estimates
    counts = [f"{batch.found} found", f"{batch.done} done before" if batch.done else "", f"{len(estimates)} to do"]
    failing = [("failing", f"{name}: {message}") for name, message in batch.failing]
    if failing:
        counts.append(f"{len(failing)} failing")
    lines = [("scenes", ", ".join(count for count in counts if count)), *failing]
    if not estimates:
        return lines
    pixels = sum(estimate.width * estimate.height for estimate in estimates)
    tiles, shards = (sum(getattr(each, name) for each in estimates) for name in ("tiles", "shards"))
    read, written = (size(sum(getattr(each, name) for each in estimates)) for name in ("bytes_read", "bytes_written"))
    measured = max(estimate.seconds_per_tile for estimate in estimates)
    seconds = duration(sum(estimate.seconds for estimate in estimates))
    return [
        *lines,
        ("output", f"{pixels / 1e6:.1f} megapixels"),
        ("tiles", f"{tiles} in {shards} shards, as many tasks"),
        ("read", f"{read} of pixels"),
        ("written", f"{written} of pixels before compression, without overviews"),
        ("memory", f"about {size(max(estimate.memory for estimate in estimates))} at the most"),
        ("time", f"about {seconds}: one tile took {measured:.2f} s here and now"),
    ]


def size(count: int) -> str:
    """Return a number of bytes in a unit that fits it."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or (unit == "GiB" and value < 10240):
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
