"""The command ``datprl explain``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.explanation import Explanation, explain, find_sets, write_explanation
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.restoring import Restorer

NARROWEST = 110  # columns; a table that is cut is worse than one that wraps
SHOWN = 3  # prompts of a set that are named in the terminal


def run(weights: str, places: list[Path], out: Path, *, limit: int, device: str, overwrite: bool) -> None:
    """Explain, write the pictures and numbers, and print the gist."""
    check_absent(out, overwrite=overwrite)
    for place in places:
        check_apart(place, out)
    sets = find_sets(places)
    with Terminal() as terminal:
        restorer = Restorer.from_pretrained(weights, device=device)
        terminal.announce(restorer.describe())
        explanation = explain(sets, restorer, limit=limit, progress=terminal.progress)
        names = write_explanation(out, explanation, overwrite=overwrite)
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, NARROWEST)
    console.print(_table(explanation))
    terminal.console.print(f"written: {', '.join(names)}: {out}", markup=False)


def _table(explanation: Explanation) -> Table:
    """Return for each set and pool the prompts that it uses most, and how many in effect."""
    table = Table("set", "images", box=None, pad_edge=False)
    for name in explanation.pools:
        table.add_column(f"{name} prompts by weight", no_wrap=True)
        table.add_column("in effect")
    for row, (set_name, images) in enumerate(explanation.sets):
        cells = [set_name, str(images)]
        for pool in explanation.pools.values():
            chosen = pool.selections[row]
            first = chosen.weight.argsort()[::-1][:SHOWN]
            cells += [", ".join(f"{j} ({chosen.weight[j]:.0%})" for j in first), f"{chosen.effective:.1f}"]
        table.add_row(*cells)
    return table
