"""Say what restoring scenes will take, without writing anything: the one function behind every way in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError
from datprl_toolkit.jobs.batch import find_batch
from datprl_toolkit.jobs.restore import RestoreOptions, check_job, deviation_options, scene_options
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.remote_sensing.plan_estimate import Estimate as Estimate  # entry points know jobs alone


def plan_restoring(
    source: str | Path,
    destination: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),  # noqa: B008 (frozen)
) -> tuple[Estimate, ...]:
    """Say in how many pieces a scene will be restored, and what that will take.

    Parameters
    ----------
    source, destination, restorer, options
        As for :func:`~datprl_toolkit.jobs.restore.restore`.

    Returns
    -------
    One for the scene, and one for the map of deviations if that is asked for.

    Raises
    ------
    DatprlError
        As restoring would raise it for the input, the options or an output that is in the way, and ``E_OPTION`` if
        the input is no scene.
    """
    kind, named = check_job(source, destination, options)
    if kind != "raster":
        raise OptionError(
            ErrorCode.OPTION, "--dry-run has a meaning for a raster scene alone", where=source, remedy="Leave it out"
        )
    from datprl_toolkit.remote_sensing.plan_estimate import estimate_scene

    if not isinstance(restorer, Restorer):
        restorer = restorer()
    chosen = scene_options(options)
    scene = named or Path(source)
    estimates = [estimate_scene(scene, restorer, chosen, Path(destination))]
    if options.uncertainty is not None:
        estimates.append(estimate_scene(scene, restorer, deviation_options(chosen), options.uncertainty))
    return tuple(estimates)


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What restoring many scenes will take.

    Parameters
    ----------
    found
        How many scenes there are.
    done
        How many of them an earlier run finished.
    failing
        Name and error of each that cannot be opened.
    estimates
        What each of the others will take.
    """

    found: int
    done: int
    failing: tuple[tuple[str, str], ...]
    estimates: tuple[Estimate, ...]


def plan_batch(
    sources: Sequence[str | Path],
    destination: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),  # noqa: B008 (frozen)
    *,
    form: Literal["tif", "zarr"] = "tif",
    assets: Sequence[str] = (),
    shared_context: bool = False,
) -> BatchEstimate:
    """Say what restoring all scenes that `sources` name will take; a few windows of each are read.

    What a tile takes is measured once, on the first scene with data that is to be restored.

    Parameters
    ----------
    sources, destination, restorer, options, form, assets, shared_context
        As for :func:`~datprl_toolkit.jobs.batch.restore_batch`.

    Raises
    ------
    DatprlError
        If the batch as a whole could not be run.
    """
    scenes = find_batch(sources, destination, assets)
    from datprl_toolkit.remote_sensing.batch import unfinished_scenes
    from datprl_toolkit.remote_sensing.plan_estimate import estimate_scene

    if not isinstance(restorer, Restorer):
        restorer = restorer()
    chosen = scene_options(options)
    waiting = unfinished_scenes(scenes, Path(destination), restorer, chosen, form=form, shared_context=shared_context)
    estimates: list[Estimate] = []
    failing: list[tuple[str, str]] = []
    seconds: float | None = None
    for scene in waiting:
        try:
            estimate = estimate_scene(scene.source, restorer, scene.options(chosen), seconds_per_tile=seconds)
        except DatprlError as error:
            failing.append((scene.name, str(error)))
        else:
            estimates.append(estimate)
            seconds = seconds or estimate.seconds_per_tile or None
    return BatchEstimate(len(scenes), len(scenes) - len(waiting), tuple(failing), tuple(estimates))
