"""The command that compares a restored scene with its source, radiometrically."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def radiometry(
    before: Annotated[Path, typer.Argument(metavar="SCENE", help="The scene that was restored.")],
    after: Annotated[Path, typer.Argument(metavar="RESTORED", help="What was made from it, also enlarged.")],
    limit: Annotated[
        float | None, typer.Option(help="Fail with status 3 if the bias of a restored band is above this, in per cent.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Average a restored scene back to the pixels of its source: bias, RMSE and correlation of each band."""
    from datprl_toolkit.cli.radiometry import show_radiometry

    raise typer.Exit(show_radiometry(before, after, limit=limit, as_json=json))
