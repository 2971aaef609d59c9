"""Map the prompts of a scene: the one function behind every way in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OptionError, missing_package
from datprl_toolkit.files import check_file_place
from datprl_toolkit.jobs.restore import RestoreOptions, scene_options
from datprl_toolkit.restoring import ProgressCallback, Restorer, silent

if TYPE_CHECKING:
    from collections.abc import Callable


def map_scene_prompts(
    source: str | Path,
    destination: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),  # noqa: B008 (frozen)
    progress: ProgressCallback = silent,
) -> int:
    """Write which prompts each tile of a scene would choose by itself, as GeoJSON, and return how many tiles.

    Parameters
    ----------
    source, restorer, options, progress
        As for :func:`~datprl_toolkit.remote_sensing.context_map.map_prompts`.
    destination
        A ``.geojson`` or ``.json`` file.

    Raises
    ------
    DatprlError
        As the function above.
    """
    try:
        from datprl_toolkit.remote_sensing.context_map import map_prompts
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("datprl_toolkit"):
            raise
        raise missing_package(error.name, "geo", "for georeferenced rasters") from error
    destination = Path(destination)
    if destination.suffix.lower() not in {".geojson", ".json"}:
        raise OptionError(
            ErrorCode.OPTION, "a map of prompts is GeoJSON", where=destination, remedy="End the name in .geojson"
        )
    check_file_place(destination)
    chosen = scene_options(options)
    if not isinstance(restorer, Restorer):
        restorer = restorer()
    return map_prompts(source, destination, restorer, chosen, progress)
