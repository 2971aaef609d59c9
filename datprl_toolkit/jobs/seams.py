"""Measure the seams of a raster and draw them: the one function behind every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import missing_package
from datprl_toolkit.files import check_absent, check_apart, check_file_place
from datprl_toolkit.reports.seams import write_seam_picture
from datprl_toolkit.restoring import ProgressCallback, silent

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.remote_sensing.seams import SeamReport as SeamReport  # entry points know jobs alone
    from datprl_toolkit.remote_sensing.seams_overlap import Disagreement as Disagreement


def find_seams(
    source: str | Path,
    *,
    tile: int | None = None,
    original: str | Path | None = None,
    against: str | Path | None = None,
    bands: tuple[int | str, ...] | None = None,
    picture: Path | None = None,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> tuple[SeamReport, Disagreement | None]:
    """Measure the seams of a raster.

    Parameters
    ----------
    source, tile, original, bands
        As for :func:`~datprl_toolkit.remote_sensing.seams.measure_seams`.
    against
        Another restoration of the same scene, in tiles at other places, to compare with.
    picture
        A PNG that shows where the seams are.
    overwrite
        Whether an existing picture may be replaced.
    progress
        Told after each strip.

    Returns
    -------
    The seams, and the overlap disagreement if there is something to compare with.
    """
    try:
        from datprl_toolkit.remote_sensing.reading_sources import locate
        from datprl_toolkit.remote_sensing.seams import measure_seams
        from datprl_toolkit.remote_sensing.seams_overlap import measure_disagreement
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("datprl_toolkit"):
            raise
        raise missing_package(error.name, "geo", "for georeferenced rasters") from error
    if picture is not None:
        for given in (source, original, against):
            for path in locate(given).protected if given is not None else ():
                check_apart(path, picture)
        check_absent(picture, overwrite=overwrite)
        check_file_place(picture)
    report = measure_seams(source, tile=tile, original=original, bands=bands, progress=progress)
    compared = None if against is None else measure_disagreement(source, against, bands=bands, progress=progress)
    if picture is not None:
        _draw(report, picture, overwrite=overwrite)
    return report, compared


def _draw(report: SeamReport, picture: Path, *, overwrite: bool) -> None:
    profiles = []
    for name, (index, by_band) in (("column", report.columns), ("row", report.rows)):
        strongest = np.nan_to_num(by_band)
        place = np.abs(strongest).argmax(axis=0, keepdims=True) if strongest.size else np.zeros((1, 1, 1), int)
        steps = np.take_along_axis(strongest, place, axis=0)[0] if strongest.size else np.zeros((1, 1))
        profiles.append((name, index, steps))
    title = f"seam index {report.index:.3f} at every {report.tile} pixels"
    write_seam_picture(picture, profiles, tile=report.tile, title=title, overwrite=overwrite)
