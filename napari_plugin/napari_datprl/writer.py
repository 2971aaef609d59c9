"""The writers: derived DICOM series and NIfTI of what was restored from DICOM, COG and Zarr of scenes.

napari calls a writer in the thread of the window and waits for it, as for every writer;
the button of the restore widget writes without waiting.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_datprl.engine_process import ENGINE, EngineProcess
from napari_datprl.messages import Failed, Finished, Request
from napari_datprl.restoration import Restoration
from napari_datprl.sources import KEY, SceneSource

SUFFIX = ".dicom"

if TYPE_CHECKING:
    from datprl_toolkit.errors import DatprlError


def write_volume(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a layer restored from a DICOM series as a derived series, into a new folder, or as one NIfTI file.

    Raises
    ------
    DatprlError
        If the layer was not restored from DICOM, is not complete, or the output exists.
    """
    from napari_datprl.requests import write_request

    restoration = attributes.get("metadata", {}).get(KEY)
    request = write_request(restoration if isinstance(restoration, Restoration) else None, _folder(path))
    finish(request)
    return [str(_folder(path))]


def write_scene(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a scene as COG or Zarr, by the ending: all of it, restored if the layer is, else as it is.

    Raises
    ------
    DatprlError
        If the layer is no scene, or the output exists.
    """
    from datprl_toolkit.errors import ErrorCode, OptionError
    from napari_datprl.requests import copy_request, write_request
    from napari_datprl.scene_restoration import SceneRestoration

    found = attributes.get("metadata", {}).get(KEY)
    if not isinstance(found, SceneRestoration | SceneSource):
        raise OptionError(ErrorCode.OPTION, "only a georeferenced scene is written as one")
    request = copy_request(found, Path(path)) if isinstance(found, SceneSource) else write_request(found, Path(path))
    finish(request)
    return [path]


def finish(request: Request, engine: EngineProcess = ENGINE) -> Any:
    """Let the engine do something and wait; return its result.

    Raises
    ------
    DatprlError
        What the engine says is wrong.
    """
    *_, last = engine.ask(request)
    if isinstance(last, Finished):
        return last.result
    raise last.error if isinstance(last, Failed) else _cancelled()


def _folder(path: str) -> Path:
    """Return the folder for a series; the suffix is only what napari chose the writer by."""
    return Path(path).with_suffix("") if Path(path).suffix == SUFFIX else Path(path)


def _cancelled() -> DatprlError:
    from datprl_toolkit.errors import ErrorCode, OutputError

    return OutputError(ErrorCode.OUTPUT, "writing was cancelled")
