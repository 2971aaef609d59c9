"""The reader of DICOM series: lazy layers in HU, Bq/ml or stored units, with spacing and place in mm."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from napari_datprl.layers import LayerData, series_layer


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the reader if `path` really is DICOM, whatever its name; None leaves it to other plugins."""
    from datprl_toolkit.medical import is_dicom

    first = Path(path[0] if isinstance(path, list) else path)
    return read_dicom if first.exists() and is_dicom(first) else None


def read_dicom(path: str | list[str]) -> list[LayerData]:
    """Return one image layer for each series.

    Raises
    ------
    DatprlError
        If a file is damaged or nothing can be shown.
    """
    from datprl_toolkit.medical.choose import choose_series
    from datprl_toolkit.medical.grouping import group_series
    from datprl_toolkit.medical.options import DicomOptions
    from datprl_toolkit.medical.reading import Scan, scan

    found = Scan()
    for each in path if isinstance(path, list) else [path]:
        part = scan(Path(each))
        found.instances.extend(part.instances)
        found.problems.extend(part.problems)
        found.skipped.update(part.skipped)
        found.series_numbers |= part.series_numbers
    first = Path(path[0] if isinstance(path, list) else path)
    chosen = choose_series(group_series(found.instances), found, DicomOptions(all_series=True), first)
    shown = [series for series in chosen if series.error is None]
    for series in chosen:
        if series.error is not None and not shown:
            raise series.error
        _tell(str(series.error) if series.error else "", *series.warnings)
    _tell(*(str(problem.error) for problem in found.problems))
    watch_viewer()
    return [series_layer(series, frozenset(found.series_numbers)) for series in shown]


def _tell(*lines: str) -> None:
    """Show warnings where napari shows its own; without napari there is nobody to tell."""
    if "napari" not in sys.modules:
        return
    from napari.utils.notifications import show_warning

    for line in filter(None, lines):
        show_warning(line)


def watch_viewer() -> None:
    """Let the window that opens the file say values with their unit, and show the patient with the head up."""
    if "napari" not in sys.modules:
        return
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is not None:
        from napari_datprl.status import show_values
        from napari_datprl.upright import keep_upright

        show_values(viewer)
        keep_upright(viewer)
