"""The command that restores many scenes."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from datprl_toolkit.cli.scene_choices import ContextMode, OtherBands, Task, UnreadableBlock, ZarrProfile


class Form(StrEnum):
    """What a folder is filled with."""

    tif = "tif"
    zarr = "zarr"


def restore_batch(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCES...", help="Rasters, folders, 'patterns', CSV or text lists, STAC documents."),
    ],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="One store, OUT.zarr; or a folder.")],
    form: Annotated[Form, typer.Option(help="What a folder is filled with.")] = Form.tif,
    weights: Annotated[str, typer.Option(help="Name or path of the weights.")] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")] = "auto",
    task: Annotated[Task | None, typer.Option(help="What is wrong, if the network does not see it by itself.")] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option("--self-ensemble", help="Mean over four mirror images: closer to the truth, four times as long."),
    ] = False,
    strength: Annotated[float, typer.Option(help="Share of the change that is applied, 0 to 1.")] = 1.0,
    scale: Annotated[int, typer.Option(help="Enlarge by this factor.")] = 1,
    tile: Annotated[int, typer.Option(help="Edge of a tile in pixels.")] = 512,
    halo: Annotated[int, typer.Option(help="Pixels read around a tile.")] = 64,
    bands: Annotated[str | None, typer.Option(help="Bands to restore: 3,2,1 or B04,B03,B02.")] = None,
    other_bands: Annotated[OtherBands, typer.Option(help="What happens to other bands.")] = OtherBands.copy,
    scaling: Annotated[
        str | None, typer.Option(help="uint8, reflectance:10000[,offset:-1000], minmax:a,b or percentile.")
    ] = None,
    nodata: Annotated[float | None, typer.Option(help="Value of missing data.")] = None,
    context: Annotated[ContextMode, typer.Option(help="What the tiles of a scene share.")] = ContextMode.auto,
    shared_context: Annotated[
        bool, typer.Option("--shared-context", help="One context for all scenes, for the tiles of a mosaic.")
    ] = False,
    on_error: Annotated[
        UnreadableBlock, typer.Option(help="What a block that cannot be read does to its scene.")
    ] = UnreadableBlock.fail,
    zarr_profile: Annotated[
        ZarrProfile, typer.Option(help="Readers of Zarr: xarray and zarr; GDAL 3.12 (qgis); older GDAL (legacy).")
    ] = ZarrProfile.default,
    cluster: Annotated[str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786; or local:2.")] = None,
    assets: Annotated[str | None, typer.Option(help="Assets of STAC items, such as red,green,blue.")] = None,
    previews: Annotated[Path | None, typer.Option(help="Folder for a PNG of each scene.")] = None,
    stac: Annotated[bool, typer.Option("--stac", help="Write a STAC item beside each output of a folder.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs of other input or options.")] = False,
) -> None:
    """Restore many scenes into one Zarr store or into a folder. Given again, it goes on where it was stopped.

    OUT.manifest.jsonl or OUT/manifest.jsonl says what became of each. Exit status: 0 if every scene is done, 3 if
    some failed or are not whole, 130 if it was interrupted.
    """
    from datprl_toolkit.cli.batch import run_batch
    from datprl_toolkit.cli.terminal import parse_bands
    from datprl_toolkit.jobs import RestoreOptions
    from datprl_toolkit.restoring import Restorer

    options = RestoreOptions(
        strength=strength,
        scale=scale,
        tile=tile,
        halo=halo,
        overwrite=overwrite,
        bands=parse_bands(bands),
        other_bands=other_bands.value,
        scaling=scaling,
        nodata=nodata,
        context=context.value,
        on_error=on_error.value,
        zarr_profile=zarr_profile.value,
        cluster=cluster,
        stac=stac,
    )
    load = partial(
        Restorer.from_pretrained,
        weights,
        device=device,
        precision=precision,
        task=task and task.value,
        self_ensemble=self_ensemble,
    )
    names = tuple(name.strip() for name in assets.split(",")) if assets else ()
    if dry_run:
        from datprl_toolkit.cli.dry_run import show_batch_plan

        show_batch_plan(sources, destination, load, options, form.value, names, shared_context=shared_context)
        return
    status = run_batch(sources, destination, load, options, form.value, names, previews, shared_context=shared_context)
    raise typer.Exit(status)
