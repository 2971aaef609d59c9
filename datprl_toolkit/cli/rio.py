"""``rio datprl``: the same commands, for those who work with rasterio's command line."""

from __future__ import annotations

import sys

import click


@click.command(
    "datprl", short_help="Restore scenes with DATPRL-IR.", add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)  # fmt: skip
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def rio_datprl(arguments: tuple[str, ...]) -> None:
    """Run a command of datprl, such as ``rio datprl restore scene.tif restored.tif``."""
    from datprl_toolkit.cli.main import main

    sys.argv = ["datprl", *arguments]
    main()
