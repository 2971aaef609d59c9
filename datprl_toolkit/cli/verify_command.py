"""The command that checks an output against its own checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify_output(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A restored scene: .tif or .zarr.")],
) -> int:
    """Read every shard of a restored scene and compare it with the checksum written with it.

    Exit status: 0 if all are intact, 1 if any is damaged.
    """
    from datprl_toolkit.cli.verify import show_verification

    return show_verification(output)
