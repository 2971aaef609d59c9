"""The command that says what an input is."""

from __future__ import annotations

from typing import Annotated

import typer


def inspect(
    source: Annotated[str, typer.Argument(metavar="PATH", help="What restore takes, or a folder of it.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Read headers alone.")] = False,
) -> None:
    """Say what PATH is, how restore would treat it, what is wrong with it, and what other readers get wrong.

    Nothing is written. No name, identifier or date of a patient is shown.
    """
    from datprl_toolkit.cli.inspect import run_inspect

    run_inspect(source, as_json=json, quick=quick)
