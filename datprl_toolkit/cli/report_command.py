"""The command that compares a result with its original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="DICOM, raster, picture or folder.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="What was made from it.")],
    out: Annotated[Path, typer.Option(help="The HTML page to write.")],
    weights: Annotated[
        str | None, typer.Option(help="Weights it was made with: a few slices are restored again (DICOM).")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing page.")] = False,
) -> None:
    """Compare AFTER with BEFORE on one page: viewer, noise, edges, uptake, and a certificate of what must be kept."""
    from datprl_toolkit.cli.report import run_report

    run_report(before, after, out, weights, device, overwrite=overwrite)
