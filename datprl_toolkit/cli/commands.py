"""The commands and their options. What a command needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from datprl_toolkit import __version__

application = typer.Typer(
    name="datprl",
    help="Restore medical, satellite and natural images with the DATPRL-IR network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
weights_application = typer.Typer(help="List, inspect, verify and convert weights.", no_args_is_help=True)
application.add_typer(weights_application, name="weights")


class OtherBands(StrEnum):
    """What happens to bands that are not restored."""

    copy = "copy"
    drop = "drop"


class PrivateTags(StrEnum):
    """Which private DICOM tags are kept."""

    quant = "quant"
    keep = "keep"
    drop = "drop"


class OnError(StrEnum):
    """What happens when a file cannot be read."""

    fail = "fail"
    skip = "skip"


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"datprl-toolkit {__version__}")
        raise typer.Exit


@application.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Restore medical, satellite and natural images with the DATPRL-IR network."""


@application.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="IN", help="DICOM folder or file, raster, picture or folder.")],
    destination: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for DICOM; .tif or .zarr for a scene; picture or folder.")
    ],
    weights: Annotated[str, typer.Option(help="Name or path of the weights.")] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")] = "auto",
    strength: Annotated[float, typer.Option(help="Share of the change that is applied, 0 to 1.")] = 1.0,
    preview: Annotated[Path | None, typer.Option(help="PNG showing input, restored and difference.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    scale: Annotated[int, typer.Option(help="Enlarge by this factor (scenes, pictures).")] = 1,
    tile: Annotated[int, typer.Option(help="Edge of a tile in pixels (scenes, pictures).")] = 512,
    halo: Annotated[int, typer.Option(help="Pixels read around a tile (scenes, pictures).")] = 64,
    bands: Annotated[str | None, typer.Option(help="Bands to restore, such as 3,2,1 (scenes).")] = None,
    other_bands: Annotated[OtherBands, typer.Option(help="What happens to other bands (scenes).")] = OtherBands.copy,
    scaling: Annotated[
        str | None, typer.Option(help="uint8, reflectance:10000[,offset:-1000], minmax:a,b or percentile (scenes).")
    ] = None,
    nodata: Annotated[float | None, typer.Option(help="Value of missing data (scenes).")] = None,
    series: Annotated[str | None, typer.Option(help="Number in the list, or SeriesInstanceUID (DICOM).")] = None,
    all_series: Annotated[bool, typer.Option("--all-series", help="Restore every series (DICOM).")] = False,
    private: Annotated[PrivateTags, typer.Option(help="Private tags to keep (DICOM).")] = PrivateTags.quant,
    on_error: Annotated[OnError, typer.Option(help="What an unreadable file does.")] = OnError.fail,
) -> None:
    """Restore IN and write OUT. What IN is, is found out from its content."""
    from datprl_toolkit.cli.terminal import Terminal, parse_bands
    from datprl_toolkit.jobs import RestoreOptions
    from datprl_toolkit.jobs import restore as run
    from datprl_toolkit.restoring import Restorer

    options = RestoreOptions(
        strength=strength,
        scale=scale,
        tile=tile,
        halo=halo,
        overwrite=overwrite,
        preview=preview,
        series=series,
        all_series=all_series,
        private=private.value,
        on_error=on_error.value,
        bands=parse_bands(bands),
        other_bands=other_bands.value,
        scaling=scaling,
        nodata=nodata,
    )
    with Terminal() as terminal:
        load = partial(Restorer.from_pretrained, weights, device=device, precision=precision)
        outcome = run(source, destination, load, options, terminal.progress, terminal.announce)
    terminal.report(outcome, preview)


@weights_application.command("list")
def list_command() -> None:
    """List the weights that are known by name."""
    from datprl_toolkit.cli.weights import show_list

    show_list()


@weights_application.command("info")
def info_command(name: Annotated[str, typer.Argument(help="Name or path.")]) -> None:
    """Show the card of weights: tasks, figures, training data, licence."""
    from datprl_toolkit.cli.weights import show_info

    show_info(name)


@weights_application.command("verify")
def verify_command(name: Annotated[str, typer.Argument(help="Name or path.")]) -> None:
    """Load weights, check every tensor against the card's network, and print the checksum."""
    from datprl_toolkit.cli.weights import verify

    verify(name)


@weights_application.command("convert")
def convert_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Published checkpoint (.pth, .pt, .ckpt).")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors file to write.")],
    preset: Annotated[str | None, typer.Option(help="Setting it was trained in: md-6t, md-9t.")] = None,
    tasks: Annotated[str | None, typer.Option(help="Tasks it was trained for, separated by commas.")] = None,
    task_top_k: Annotated[int, typer.Option(help="Prompts chosen from the task pool.")] = 3,
    domain_top_k: Annotated[int, typer.Option(help="Prompts chosen from the domain pool.")] = 5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Convert a published checkpoint to weights of this toolkit. Nothing in it is executed."""
    from datprl_toolkit.cli.weights import convert

    convert(source, destination, preset, tasks, (task_top_k, domain_top_k), overwrite=overwrite)
