"""``datprl explain``: its arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explain(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Name or path of the weights.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Folders of pictures or DICOM, each a set; or pictures.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explanation.json.")],
    limit: Annotated[int, typer.Option(help="Most images of a set, evenly spaced.")] = 100,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Show which prompts images select, how alike prompts and representations are, and the gates of the blocks."""
    from datprl_toolkit.cli.explain import run

    run(weights, images, out, limit=limit, device=device, overwrite=overwrite)
