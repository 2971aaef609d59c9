"""Restore many scenes: the one function behind every way in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datprl_toolkit.errors import ErrorCode, OptionError, missing_package
from datprl_toolkit.files import check_absent, check_apart
from datprl_toolkit.jobs.outputs import check_preview
from datprl_toolkit.jobs.restore import RestoreOptions, scene_options
from datprl_toolkit.reports import write_preview
from datprl_toolkit.restoring import Restorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datprl_toolkit.remote_sensing.batch import BatchOutcome as BatchOutcome  # entry points know jobs alone
    from datprl_toolkit.remote_sensing.batch_manifest import BatchRecord as BatchRecord
    from datprl_toolkit.remote_sensing.batch_sources import BatchScene as BatchScene
    from datprl_toolkit.remote_sensing.batch_watching import BatchWatcher
    from datprl_toolkit.restoring import Outcome, Progress


def restore_batch(
    sources: Sequence[str | Path],
    destination: str | Path,
    restorer: Restorer | Callable[[], Restorer] = Restorer.from_pretrained,
    options: RestoreOptions = RestoreOptions(),  # noqa: B008 (frozen)
    *,
    form: Literal["tif", "zarr"] = "tif",
    assets: Sequence[str] = (),
    shared_context: bool = False,
    previews: Path | None = None,
    watcher: BatchWatcher | None = None,
    announce: Callable[[str], None] | None = None,
) -> BatchOutcome:
    """Restore all scenes that `sources` name, into a folder or into one Zarr store.

    A scene that is done already is skipped, one that failed is tried again, and one that fails does not stop the
    others: the outcome, and the manifest beside the outputs, say what became of each.

    Parameters
    ----------
    sources
        Rasters, folders of them, patterns, CSV files, text files, STAC items, collections and catalogues.
    destination
        A name that ends in ``.zarr``: one store with a group for each scene. Any other: a folder.
    restorer
        Weights on a device, or what loads them; they are loaded only when scenes were found.
    options
        How scenes are restored; those that concern other kinds of input are without meaning here.
    form
        What a folder is filled with: cloud-optimised GeoTIFFs, or Zarr stores.
    assets
        Which assets of a STAC item are its scene.
    shared_context
        Whether all scenes share one context, as the tiles of a mosaic should.
    previews
        A folder for one PNG for each scene that this run restores; those of scenes that are done already stay.
    watcher
        Is told what happens, and may cancel by an exception.
    announce
        Told once, in one line, what was found and what restores it.

    Raises
    ------
    DatprlError
        If the batch as a whole cannot be run. What goes wrong with one scene is in the outcome instead.
    """
    scenes = find_batch(sources, destination, assets)
    from datprl_toolkit.remote_sensing.batch import restore_batch as run
    from datprl_toolkit.remote_sensing.batch_watching import SilentWatcher

    destination = Path(destination)
    if previews is not None:
        check_preview(previews / "preview.png")
    chosen = scene_options(options)
    if options.stac:
        _check_items(sources, destination, scenes, form)
    if not isinstance(restorer, Restorer):
        restorer = restorer()
    if announce is not None:
        announce(f"{len(scenes)} scene{'s' if len(scenes) > 1 else ''}; {restorer.describe()}")
    told = watcher or SilentWatcher()
    if previews is not None:
        told = _Previews(told, previews, overwrite=options.overwrite)
    return run(
        scenes,
        destination,
        restorer,
        chosen,
        form=form,
        shared_context=shared_context,
        compared=previews is not None,
        watcher=told,
    )


def find_batch(
    sources: Sequence[str | Path], destination: str | Path, assets: Sequence[str] = ()
) -> tuple[BatchScene, ...]:
    """Find the scenes of a batch; see :func:`restore_batch`."""
    try:
        from datprl_toolkit.remote_sensing.batch_sources import find_scenes
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("datprl_toolkit"):
            raise
        raise missing_package(error.name, "geo", "for georeferenced rasters") from error
    _check_destination(sources, Path(destination))
    return find_scenes(sources, assets=assets, output=Path(destination))


def _check_destination(sources: Sequence[str | Path], destination: Path) -> None:
    """Refuse an output inside a folder of inputs: the next run would restore what this one made."""
    for source in map(Path, sources):
        if source.is_dir() and destination.resolve().is_relative_to(source.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                "the output lies inside the input folder and would be read as input the next time",
                where=destination,
                remedy="Choose an output outside",
            )


def _check_items(sources: Sequence[str | Path], destination: Path, scenes: Sequence[BatchScene], form: str) -> None:
    """Refuse STAC items beside the outputs that would replace a document given as input."""
    from datprl_toolkit.remote_sensing.stac import item_path

    documents = [Path(source) for source in sources if Path(source).suffix.lower() == ".json"]
    for scene in scenes if documents else ():
        for document in documents:
            check_apart(document, item_path(destination / f"{scene.name}.{form}"))


class _Previews:
    """Passes everything on, and draws each finished scene."""

    def __init__(self, watcher: BatchWatcher, folder: Path, *, overwrite: bool) -> None:
        self._watcher = watcher
        self._folder = folder
        self._overwrite = overwrite

    def planned(self, scenes: Sequence[BatchScene], skipped: Sequence[BatchScene]) -> None:
        done = {scene.name for scene in skipped}
        for scene in scenes:
            if scene.name not in done:
                check_absent(self._picture(scene), overwrite=self._overwrite)
        self._watcher.planned(scenes, skipped)

    def started(self, scene: BatchScene) -> None:
        self._watcher.started(scene)

    def progress(self, scene: BatchScene, progress: Progress) -> None:
        self._watcher.progress(scene, progress)

    def finished(self, scene: BatchScene, record: BatchRecord, outcome: Outcome | None) -> None:
        if outcome is not None and outcome.comparisons:
            write_preview(self._picture(scene), outcome.comparisons, overwrite=self._overwrite)
        self._watcher.finished(scene, record, outcome)

    def _picture(self, scene: BatchScene) -> Path:
        return self._folder / f"{scene.name}.png"
