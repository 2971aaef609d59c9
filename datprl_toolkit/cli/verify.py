"""What a person sees of a verification: how far it is, what is damaged, and a closing line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.cli.main import EXIT_ERROR
from datprl_toolkit.cli.terminal import Terminal
from datprl_toolkit.jobs.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


def show_verification(output: Path) -> int:
    """Verify an output, print one line for each damaged part, and return the exit status."""
    with Terminal() as terminal:
        verification = verify(output, terminal.progress)
    for damage in verification.damaged:
        terminal.console.print(f"damaged: {damage}", markup=False, style="red")
    terminal.console.print(verification.summary, markup=False)
    return EXIT_ERROR if verification.damaged else 0
