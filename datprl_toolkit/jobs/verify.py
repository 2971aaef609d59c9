"""Check an output against the checksums that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.formats import has_raster_content, is_zarr
from datprl_toolkit.restoring import ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.verify import Verification


def verify(output: Path, progress: ProgressCallback = silent) -> Verification:
    """Read all of an output and compare it with its checksums.

    Raises
    ------
    InputError
        ``E_MISSING`` if there is no such output, ``E_UNSUPPORTED`` if it carries no checksums.
    """
    if not output.exists():
        raise InputError(ErrorCode.MISSING, "there is no such file or store", where=output)
    if not is_zarr(output) and not has_raster_content(output):
        raise InputError(
            ErrorCode.UNSUPPORTED,
            "only restored scenes carry checksums, as GeoTIFF or Zarr",
            where=output,
            remedy="Give the .tif or .zarr that datprl restore wrote",
        )
    from datprl_toolkit.remote_sensing.verify import verify_scene

    return verify_scene(output, progress)
