"""The command that writes DICOM without the identity of the patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def deidentify(
    sources: Annotated[list[Path], typer.Argument(metavar="SERIES...", help="DICOM; source and result together.")],
    out: Annotated[Path, typer.Option(help="Folder for the copies.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing folder.")] = False,
) -> None:
    """Write copies of DICOM series without the identity of the patient, still linked, with SUV as it was."""
    from datprl_toolkit.cli.terminal import Terminal
    from datprl_toolkit.jobs.deidentify import deidentify as write_copies

    with Terminal() as terminal:
        made = write_copies(sources, out, overwrite=overwrite, progress=terminal.progress)
    for line in made.warnings:
        terminal.console.print(line, markup=False, style="yellow")
    terminal.console.print(f"{made.summary}: {out}", markup=False)
