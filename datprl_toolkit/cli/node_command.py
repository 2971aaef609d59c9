"""The commands about workflow nodes and their options."""

from __future__ import annotations

from typing import Annotated

import typer

node_application = typer.Typer(help="List, describe and run workflow nodes, one at a time.", no_args_is_help=True)


@node_application.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything about the nodes as JSON.")] = False,
) -> None:
    """List the nodes that are installed, with their inputs and outputs."""
    from datprl_toolkit.cli.node import show_list

    show_list(as_json=as_json)


@node_application.command("schema")
def schema_command(name: Annotated[str, typer.Argument(help="Name of a node.")]) -> None:
    """Print what a node takes, gives and is told, as JSON; the parameters are a JSON schema."""
    from datprl_toolkit.cli.node import show_schema

    show_schema(name)


@node_application.command("run")
def run_command(
    name: Annotated[str, typer.Argument(help="Name of a node.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="PORT=PATH; again for a port that takes any number."),
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output", "-o", help="PORT=PATH, or PATH for the only one.")
    ] = None,
    parameters: Annotated[list[str] | None, typer.Option("--set", "-s", help="PARAMETER=VALUE.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
) -> None:
    """Run one node from files to files, as a step of Snakemake, CWL, Nextflow or a shell script."""
    from datprl_toolkit.cli.node import run

    run(name, inputs or [], outputs or [], parameters or [], overwrite=overwrite)
