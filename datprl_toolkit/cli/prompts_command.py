"""The command that maps the prompts of a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def prompts(
    source: Annotated[str, typer.Argument(metavar="SCENE", help="Raster, or what else names a scene.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="A .geojson file.")],
    weights: Annotated[str, typer.Option(help="Name or path of the weights.")] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    tile: Annotated[int, typer.Option(help="Edge of a tile in pixels.")] = 512,
    bands: Annotated[str | None, typer.Option(help="Bands to look at: 3,2,1 or B04,B03,B02.")] = None,
    scaling: Annotated[
        str | None, typer.Option(help="uint8, reflectance:10000[,offset:-1000], minmax:a,b or percentile.")
    ] = None,
    nodata: Annotated[float | None, typer.Option(help="Value of missing data.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Map which prompts each tile of a scene would choose by itself, as GeoJSON."""
    from datprl_toolkit.cli.terminal import Terminal, parse_bands
    from datprl_toolkit.jobs.prompts import map_scene_prompts
    from datprl_toolkit.jobs.restore import RestoreOptions
    from datprl_toolkit.restoring import Restorer

    options = RestoreOptions(tile=tile, bands=parse_bands(bands), scaling=scaling, nodata=nodata, overwrite=overwrite)
    with Terminal() as terminal:
        restorer = Restorer.from_pretrained(weights, device=device)
        terminal.announce(restorer.describe())
        count = map_scene_prompts(source, destination, restorer, options, terminal.progress)
    terminal.announce(f"prompts of {count} tiles: {destination}")
