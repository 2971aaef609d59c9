"""The commands about workflows and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

workflow_application = typer.Typer(help="Check, draw and run workflows of nodes.", no_args_is_help=True)

WorkflowFile = Annotated[Path, typer.Argument(metavar="WORKFLOW", help="A workflow in YAML.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--set", "-s", help="STEP.PARAMETER=VALUE, in place of what the file says.")
]


@workflow_application.command("run")
def run_command(
    workflow: WorkflowFile,
    destination: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the outputs.")],
    inputs: Annotated[list[str] | None, typer.Option("--input", "-i", help="NAME=PATH.")] = None,
    parameters: Parameters = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps finished steps; .datprl-store beside OUT by default.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Steps that run at the same time without a cluster.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run everything anew, whatever is kept.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing OUT.")] = False,
) -> None:
    """Run a workflow. Steps whose result is kept from an earlier run are not run again."""
    from datprl_toolkit.cli.workflow import run

    engine = (cluster, threads)
    run(workflow, destination, inputs or [], parameters or [], store, engine, fresh=fresh, overwrite=overwrite)


@workflow_application.command("check")
def check_command(workflow: WorkflowFile, parameters: Parameters = None) -> None:
    """Say everything that is wrong with a workflow, without running it."""
    from datprl_toolkit.cli.workflow import check

    check(workflow, parameters or [])


@workflow_application.command("draw")
def draw_command(
    workflow: WorkflowFile,
    picture: Annotated[
        Path | None, typer.Argument(metavar="SVG", help="The .svg file to write; without it, Mermaid is printed.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing picture.")] = False,
) -> None:
    """Draw a workflow."""
    from datprl_toolkit.cli.workflow import draw

    draw(workflow, picture, overwrite=overwrite)


@workflow_application.command("schema")
def schema_command() -> None:
    """Print the JSON schema of workflow files, with which editors complete and check them."""
    from datprl_toolkit.cli.workflow import show_schema

    show_schema()
