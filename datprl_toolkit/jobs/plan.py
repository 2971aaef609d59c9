"""Say what restoring a scene will take, without writing anything: the one function behind every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.jobs.identify import identify
from datprl_toolkit.jobs.restore import RestoreOptions, scene_options
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datprl_toolkit.remote_sensing.plan_estimate import Estimate as Estimate  # entry points know jobs alone


def plan_restoring(
    source: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),  # noqa: B008 (frozen)
) -> Estimate:
    """Say in how many pieces a scene will be restored, and what that will take.

    Parameters
    ----------
    source, restorer, options
        As for :func:`~datprl_toolkit.jobs.restore.restore`.

    Raises
    ------
    DatprlError
        As restoring would raise it for the input or the options, and ``E_OPTION`` if the input is no scene.
    """
    if identify(source) != "raster":
        raise OptionError(
            ErrorCode.OPTION, "--dry-run has a meaning for a raster scene alone", where=source, remedy="Leave it out"
        )
    from datprl_toolkit.remote_sensing.plan_estimate import estimate_scene

    if not isinstance(restorer, Restorer):
        restorer = restorer()
    return estimate_scene(source, restorer, scene_options(options))
