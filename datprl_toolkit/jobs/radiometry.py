"""Measure the radiometric consistency of a restored scene: the one function behind every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import missing_package
from datprl_toolkit.restoring import ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.radiometry import Radiometry as Radiometry  # entry points know jobs alone


def compare_radiometry(before: Path, after: Path, progress: ProgressCallback = silent) -> Radiometry:
    """Average a restored scene back to the pixels of its source and compare.

    See :func:`~datprl_toolkit.remote_sensing.radiometry.measure_radiometry`.
    """
    try:
        from datprl_toolkit.remote_sensing.radiometry import measure_radiometry
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("datprl_toolkit"):
            raise
        raise missing_package(error.name, "geo", "for georeferenced rasters") from error
    return measure_radiometry(before, after, progress=progress)
