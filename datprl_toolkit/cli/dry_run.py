"""What a person is told about a scene before it is restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datprl_toolkit.cli.batch import duration
from datprl_toolkit.jobs.plan import plan_restoring

if TYPE_CHECKING:
    from collections.abc import Callable

    from datprl_toolkit.jobs import RestoreOptions
    from datprl_toolkit.jobs.plan import Estimate
    from datprl_toolkit.restoring import Restorer


def show_plan(source: str | Path, load: Callable[[], Restorer], options: RestoreOptions) -> None:
    """Print what restoring a scene will take."""
    console = Console(highlight=False, soft_wrap=True)
    for name, text in describe(plan_restoring(source, load, options)):
        console.print(f"{name:10} {text}", markup=False)
    console.print("Nothing was written.")


def describe(estimate: Estimate) -> list[tuple[str, str]]:
    """Return the lines of a plan: what they are about, and what they say."""
    stored = f", {size(estimate.bytes_stored)} as stored" if estimate.bytes_stored else ""
    share = "" if estimate.share > 0.99 else f", data at {estimate.share:.0%} of the places looked at"
    return [
        ("output", f"{estimate.width} x {estimate.height} pixels, {estimate.bands} bands"),
        ("restored", estimate.restored),
        ("tiles", f"{estimate.tiles} of {estimate.tile} pixels with a halo of {estimate.halo}{share}"),
        ("shards", f"{estimate.shards} of {estimate.shard} pixels: as many tasks, {estimate.workers} at a time"),
        ("read", f"{size(estimate.bytes_read)} of pixels{stored}"),
        ("written", f"{size(estimate.bytes_written)} of pixels before compression, without overviews"),
        ("memory", f"about {size(estimate.memory)} at the most"),
        ("time", f"about {duration(estimate.seconds)}: one tile took {estimate.seconds_per_tile:.2f} s here and now"),
    ]


def size(count: int) -> str:
    """Return a number of bytes in a unit that fits it."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or (unit == "GiB" and value < 10240):
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
