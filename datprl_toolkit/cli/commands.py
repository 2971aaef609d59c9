"""The commands and their options. What a command needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from datprl_toolkit import __version__
from datprl_toolkit.cli.batch_command import restore_batch
from datprl_toolkit.cli.deidentify_command import deidentify
from datprl_toolkit.cli.evaluate_command import evaluate
from datprl_toolkit.cli.explain_command import explain
from datprl_toolkit.cli.inspect_command import inspect
from datprl_toolkit.cli.node_command import node_application
from datprl_toolkit.cli.prompts_command import prompts
from datprl_toolkit.cli.radiometry_command import radiometry
from datprl_toolkit.cli.report_command import report as report_command
from datprl_toolkit.cli.scene_choices import ContextMode, OtherBands, Task, ZarrProfile
from datprl_toolkit.cli.seams_command import seams
from datprl_toolkit.cli.series_choices import CtWindow, Suv
from datprl_toolkit.cli.verify_command import verify_output
from datprl_toolkit.cli.workflow_command import workflow_application

EXIT_PARTIAL = 3

application = typer.Typer(
    name="datprl",
    help="Restore medical, satellite and natural images with the DATPRL-IR network.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
weights_application = typer.Typer(help="List, inspect, verify and convert weights.", no_args_is_help=True)
application.add_typer(weights_application, name="weights")
application.add_typer(node_application, name="node")
application.add_typer(workflow_application, name="workflow")


class PrivateTags(StrEnum):
    """Which private DICOM tags are kept."""

    quant = "quant"
    keep = "keep"
    drop = "drop"


class Quantity(StrEnum):
    """What the values of a NIfTI are, which it does not say."""

    hu = "hu"
    suv = "suv"
    bqml = "bqml"
    mr = "mr"


class OnError(StrEnum):
    """What happens when a file, or a block of a scene, cannot be read."""

    fail = "fail"
    skip = "skip"
    nodata = "nodata"
    passthrough = "passthrough"


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
    source: Annotated[str, typer.Argument(metavar="IN", help="DICOM or NIfTI, raster, picture; a file or folder.")],
    destination: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder or .nii.gz for DICOM; .tif or .zarr for a scene; picture.")
    ],
    weights: Annotated[str, typer.Option(help="Name or path of the weights.")] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")] = "auto",
    onnx: Annotated[
        Path | None, typer.Option(help="Run the weights by onnxruntime, from the file of `datprl weights export`.")
    ] = None,
    strength: Annotated[float, typer.Option(help="Share of the change that is applied, 0 to 1.")] = 1.0,
    preview: Annotated[Path | None, typer.Option(help="PNG showing input, restored and difference.")] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page with measurements and a certificate.")] = None,
    uncertainty: Annotated[
        Path | None, typer.Option(help="Maps of where the network may have invented: folder; .tif, .zarr for a scene.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
    task: Annotated[
        Task | None, typer.Option(help="What is wrong, if the network does not see it by itself (scenes, pictures).")
    ] = None,
    self_ensemble: Annotated[
        bool,
        typer.Option("--self-ensemble", help="Mean over four mirror images: closer to the truth, four times as long."),
    ] = False,
    scale: Annotated[int, typer.Option(help="Enlarge by this factor (scenes, pictures; MR: 2 or 4).")] = 1,
    tile: Annotated[int, typer.Option(help="Edge of a tile in pixels (scenes, pictures).")] = 512,
    halo: Annotated[int, typer.Option(help="Pixels read around a tile (scenes, pictures).")] = 64,
    bands: Annotated[str | None, typer.Option(help="Bands to restore: 3,2,1 or B04,B03,B02 (scenes).")] = None,
    other_bands: Annotated[OtherBands, typer.Option(help="What happens to other bands (scenes).")] = OtherBands.copy,
    scaling: Annotated[
        str | None, typer.Option(help="uint8, reflectance:10000[,offset:-1000], minmax:a,b or percentile (scenes).")
    ] = None,
    nodata: Annotated[float | None, typer.Option(help="Value of missing data (scenes).")] = None,
    series: Annotated[str | None, typer.Option(help="Number in the list, or SeriesInstanceUID (DICOM).")] = None,
    all_series: Annotated[bool, typer.Option("--all-series", help="Restore every series (DICOM).")] = False,
    private: Annotated[PrivateTags, typer.Option(help="Private tags to keep (DICOM).")] = PrivateTags.quant,
    on_error: Annotated[
        OnError, typer.Option(help="What is unreadable: skip a file; nodata or passthrough for blocks of a scene.")
    ] = OnError.fail,
    context: Annotated[ContextMode, typer.Option(help="What tiles share: auto is field (scenes).")] = ContextMode.auto,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished output (scenes).")] = False,
    zarr_profile: Annotated[
        ZarrProfile, typer.Option(help="Readers of a Zarr: xarray and zarr; GDAL 3.12 (qgis); older GDAL (legacy).")
    ] = ZarrProfile.default,
    cluster: Annotated[
        str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786; or local:2 (scenes).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it takes; write nothing (scenes).")] = False,
    stac: Annotated[bool, typer.Option("--stac", help="Write a STAC item beside OUT (scenes).")] = False,
    quantity: Annotated[Quantity | None, typer.Option(help="What the values of a NIfTI are.")] = None,
    ct_window: Annotated[
        CtWindow, typer.Option(help="-160 to 240 HU, or -1360 to 1440 HU in nine windows (CT).")
    ] = CtWindow.soft_tissue,
    suv: Annotated[Suv | None, typer.Option(help="Write the NIfTI of a PET series in SUV of this kind.")] = None,
) -> int:
    """Restore IN and write OUT. What IN is, is found out from its content.

    Exit status: 0, or 3 if a part of a scene was unreadable and OUT lacks it.
    """
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
        report=report,
        uncertainty=uncertainty,
        series=series,
        all_series=all_series,
        private=private.value,
        on_error=on_error.value,
        bands=parse_bands(bands),
        other_bands=other_bands.value,
        scaling=scaling,
        nodata=nodata,
        context=context.value,
        resume=resume,
        zarr_profile=zarr_profile.value,
        cluster=cluster,
        stac=stac,
        quantity=None if quantity is None else quantity.value,
        ct_window=ct_window.value,
        suv=None if suv is None else suv.value,
    )
    load = partial(
        Restorer.from_pretrained,
        weights,
        device=device,
        precision=precision,
        onnx=onnx,
        task=task and task.value,
        self_ensemble=self_ensemble,
    )
    if dry_run:
        from datprl_toolkit.cli.dry_run import show_plan

        show_plan(source, destination, load, options)
        return 0
    with Terminal() as terminal:
        outcome = run(source, destination, load, options, terminal.progress, terminal.announce)
    terminal.report(outcome, preview, report, uncertainty)
    return EXIT_PARTIAL if outcome.partial else 0


application.command()(inspect)


application.command("report")(report_command)


application.command()(evaluate)


application.command("verify")(verify_output)


application.command()(deidentify)


application.command()(explain)


application.command("restore-batch")(restore_batch)
application.command("seams")(seams)
application.command("radiometry")(radiometry)
application.command("prompts")(prompts)


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


@weights_application.command("export")
def export_command(
    name: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Name or path.")],
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="The .onnx file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Write weights as an ONNX file, for `datprl restore --onnx` and for other engines."""
    from datprl_toolkit.cli.weights import export

    export(name, destination, overwrite=overwrite)
