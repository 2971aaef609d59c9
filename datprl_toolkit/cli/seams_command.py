"""The command that looks for seams in a raster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def seams(
    source: Annotated[str, typer.Argument(metavar="RASTER", help="Any raster, also of other tools.")],
    tile: Annotated[int | None, typer.Option(help="Distance of the cut lines in pixels; looked for if absent.")] = None,
    original: Annotated[str | None, typer.Option(help="The scene before: its content then does not count.")] = None,
    against: Annotated[
        str | None, typer.Option(help="The same scene restored in other tiles: overlap disagreement.")
    ] = None,
    bands: Annotated[str | None, typer.Option(help="Bands to measure: 1,2,3 or names.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG that shows where the seams are.")] = None,
    limit: Annotated[float | None, typer.Option(help="Fail with status 3 if the index is above.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing picture.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure the seams of a raster: the seam index is 1.00 where tiles meet without one."""
    from datprl_toolkit.cli.seams import show_seams
    from datprl_toolkit.cli.terminal import parse_bands

    numbers = parse_bands(bands)
    status = show_seams(
        source,
        tile=tile,
        original=original,
        against=against,
        bands=numbers,
        picture=picture,
        limit=limit,
        overwrite=overwrite,
        as_json=json,
    )
    raise typer.Exit(status)
