"""Many scenes, one after the other: a failing one does not stop the others, and a stopped batch goes on."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from datprl_toolkit import __version__
from datprl_toolkit.errors import DatprlError, ErrorCode, OptionError, OutputError, explained
from datprl_toolkit.files import check_apart
from datprl_toolkit.remote_sensing.batch_manifest import (
    BatchRecord,
    Manifest,
    Status,
    open_manifest,
    read_records,
    write_compact,
)
from datprl_toolkit.remote_sensing.batch_watching import BatchWatcher, SilentWatcher, Teller
from datprl_toolkit.remote_sensing.fingerprint import WITHOUT_EFFECT, input_identity
from datprl_toolkit.remote_sensing.manifest import read_mark
from datprl_toolkit.remote_sensing.reading_sources import locate
from datprl_toolkit.remote_sensing.restore import restore_scene
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.stac import check_item, item_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datprl_toolkit.remote_sensing.batch_sources import BatchScene
    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.restoring import Outcome, Restorer

Form = Literal["tif", "zarr"]

# After these no other scene can fare better.
_FATAL = {ErrorCode.DISK_FULL, ErrorCode.DEVICE, ErrorCode.DEPENDENCY, ErrorCode.WEIGHTS}


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of a batch.

    Parameters
    ----------
    output, manifest
        Where the outputs are, and the file with a record of each.
    done, skipped, failed
        Names of the scenes that this run finished, that an earlier run had finished, and that have no output.
    partial
        Names of those that have an output in which something that could not be read is no data.
    records
        The last record of every scene of the batch, in its order.
    """

    output: Path
    manifest: Path
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: tuple[str, ...]
    partial: tuple[str, ...]
    records: tuple[BatchRecord, ...]


def restore_batch(
    scenes: Sequence[BatchScene],
    destination: Path,
    restorer: Restorer,
    options: SceneOptions,
    *,
    form: Form = "tif",
    manifest: Path | None = None,
    shared_context: bool = False,
    compared: bool = True,
    watcher: BatchWatcher | None = None,
) -> BatchOutcome:
    """Restore scenes into a folder, or into one Zarr store with a group for each.

    A scene that is done already, from the same input, weights and options, is skipped; one that failed before is
    tried again. What goes wrong with one scene is recorded and the next one begins; only where no scene could fare
    better, such as with a full disk, the batch ends.

    Parameters
    ----------
    scenes
        As :func:`find_scenes` returns them.
    destination
        A name that ends in ``.zarr``: one store. Any other: a folder with a file or store for each scene.
    restorer, options
        As for :func:`restore_scene`. With ``overwrite`` the outputs of other inputs or options are replaced.
    form
        What a folder is filled with: cloud-optimised GeoTIFFs, or Zarr stores.
    manifest
        The file of records (JSON lines); by default ``manifest.jsonl`` in the folder, or beside the store.
    shared_context
        Whether all scenes share one context, computed from a sample of them and kept beside the manifest, so that
        neighbouring tiles of a mosaic are restored alike.
    compared
        Whether the watcher is given something of each scene to look at; see :func:`restore_scene`.
    watcher
        Is told what happens.

    Raises
    ------
    OutputError
        ``E_EXISTS`` if outputs are in the way, ``E_DISK_FULL``, or ``E_OUTPUT`` if another run has the batch.
    OptionError
        ``E_OPTION`` if the options of a scene cannot be used, or an output would replace an input.
    """
    destination = Path(destination)
    job = _Batch(
        scenes=tuple(scenes),
        destination=destination,
        restorer=restorer,
        options={scene.name: scene.options(options) for scene in scenes},
        form=form,
        compared=compared,
        watcher=watcher or SilentWatcher(),
    )
    job.check_outputs()
    with open_manifest(manifest or manifest_path(destination)) as records:
        if shared_context:
            from datprl_toolkit.remote_sensing.batch_context import share_context

            job = replace(job, restorer=share_context(job.scenes, job.options, restorer, _kept_context(records.path)))
        return job.run(records, overwrite=options.overwrite)


def unfinished_scenes(
    scenes: Sequence[BatchScene],
    destination: Path,
    restorer: Restorer,
    options: SceneOptions,
    *,
    form: Form = "tif",
    shared_context: bool = False,
) -> list[BatchScene]:
    """Return the scenes that :func:`restore_batch` would restore, without writing anything.

    Parameters
    ----------
    scenes, destination, restorer, options, form, shared_context
        As there.

    Raises
    ------
    OutputError, OptionError
        As :func:`restore_batch` would, before any work.
    """
    chosen = {scene.name: scene.options(options) for scene in scenes}
    job = _Batch(tuple(scenes), destination, restorer, chosen, form, compared=False, watcher=SilentWatcher())
    job.check_outputs()
    path = manifest_path(destination)
    if shared_context:
        from datprl_toolkit.remote_sensing.batch_context import check_shareable, share_context

        check_shareable(chosen.values())
        if _kept_context(path).exists():
            restorer = share_context(scenes, chosen, restorer, _kept_context(path))
    records = read_records(path.read_text(encoding="utf-8"), path) if path.exists() else {}
    prints = {scene.name: fingerprint(scene, chosen[scene.name], restorer) for scene in scenes}
    waiting = [scene for scene in scenes if not job.is_done(scene, records, prints[scene.name])]
    if not options.overwrite:
        job.check_free(waiting, job.unrecorded(waiting, records))
    return waiting


def manifest_path(destination: Path) -> Path:
    """Return where the manifest of a batch is by default."""
    if destination.suffix.lower() == ".zarr":
        return destination.with_name(f"{destination.stem}.manifest.jsonl")
    return destination / "manifest.jsonl"


def _kept_context(manifest: Path) -> Path:
    """Return where the context that all scenes of a batch share is kept."""
    return manifest.with_name(f"{manifest.name.removesuffix('.jsonl')}.context.safetensors")


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch with everything decided."""

    scenes: tuple[BatchScene, ...]
    destination: Path
    restorer: Restorer
    options: dict[str, SceneOptions]
    form: Form
    compared: bool
    watcher: BatchWatcher

    @property
    def is_one_store(self) -> bool:
        return self.destination.suffix.lower() == ".zarr"

    def output(self, scene: BatchScene) -> Path:
        """Return where the finished scene is."""
        if self.is_one_store:
            return self.destination / scene.name
        return self.destination / f"{scene.name}.{self.form}"

    def check_outputs(self) -> None:
        """Refuse a batch whose outputs would lie in the way of its inputs, before any work."""
        for scene in self.scenes:
            for original in _protected(scene):
                check_apart(original, self.output(scene))
                if self.options[scene.name].stac:
                    check_apart(original, item_path(self.output(scene)))
                if self.is_one_store:
                    check_apart(original, self.destination)
        if self.is_one_store:
            from datprl_toolkit.remote_sensing.batch_store import check_names, check_store

            check_names([scene.name for scene in self.scenes])
            check_store(self.destination)
            if any(options.stac for options in self.options.values()):
                raise OptionError(
                    ErrorCode.OPTION,
                    "one store for all scenes has no place for STAC items",
                    where=self.destination,
                    remedy="Write to a folder, in the form tif or zarr",
                )
            if any(options.zarr_profile == "legacy" for options in self.options.values()):
                raise OptionError(
                    ErrorCode.OPTION,
                    "one store for all scenes is Zarr 3, which the profile 'legacy' is not",
                    where=self.destination,
                    remedy="Write to a folder, in the form zarr",
                )
        elif self.destination.exists() and not self.destination.is_dir():
            raise OptionError(
                ErrorCode.OPTION,
                "the output of a batch is a folder, or one store that ends in .zarr",
                where=self.destination,
                remedy="Choose another output",
            )

    def run(self, manifest: Manifest, *, overwrite: bool) -> BatchOutcome:
        """Restore what is not done yet."""
        prints = {scene.name: fingerprint(scene, self.options[scene.name], self.restorer) for scene in self.scenes}
        skipped = [scene for scene in self.scenes if self.is_done(scene, manifest.records, prints[scene.name])]
        waiting = [scene for scene in self.scenes if scene not in skipped]
        unrecorded = None if overwrite else self.unrecorded(waiting, manifest.records)
        if not overwrite:
            self.check_free(waiting, unrecorded)
        self.watcher.planned(self.scenes, skipped)
        with ExitStack() as stack:
            if self.is_one_store:
                from datprl_toolkit.remote_sensing.batch_store import batch_store

                stack.enter_context(batch_store(self.destination))
            job = self._on_lasting_cluster(stack) if waiting else self
            for scene in waiting:
                # What stands in the way was looked for: what is left there is from an earlier run.
                options = replace(job.options[scene.name], resume=not overwrite, overwrite=scene != unrecorded)
                job._restore(scene, options, manifest, prints[scene.name])
        write_compact(manifest, [scene.name for scene in self.scenes])
        records = tuple(manifest.records[scene.name] for scene in self.scenes)
        return BatchOutcome(
            output=self.destination,
            manifest=manifest.path,
            done=tuple(scene.name for scene in waiting if manifest.records[scene.name].status != "failed"),
            skipped=tuple(scene.name for scene in skipped),
            failed=tuple(record.name for record in records if record.status == "failed"),
            partial=tuple(record.name for record in records if record.status == "partial"),
            records=records,
        )

    def _on_lasting_cluster(self, stack: ExitStack) -> _Batch:
        """Return the same batch whose scenes share one cluster, which is started once."""
        named = {options.cluster for options in self.options.values()} - {None}
        if not named:
            return self
        from datprl_toolkit.remote_sensing.cluster import lasting

        (name,) = named  # no list of scenes can name another
        address = stack.enter_context(lasting(str(name)))
        return replace(self, options={key: replace(value, cluster=address) for key, value in self.options.items()})

    def is_done(self, scene: BatchScene, records: dict[str, BatchRecord], print_: str) -> bool:
        """Tell whether an earlier run made the output that is wanted."""
        record = records.get(scene.name)
        return (
            record is not None
            and record.status != "failed"
            and record.fingerprint == print_
            and self.output(scene).exists()
        )

    def unrecorded(self, waiting: Sequence[BatchScene], records: dict[str, BatchRecord]) -> BatchScene | None:
        """Return the scene that may have been finished by a run that was killed before it recorded it.

        A kill leaves one such output at most. Whether this job made it, is seen when the turn of the scene comes.
        """
        there = [scene for scene in waiting if self.output(scene).exists()]
        if len(there) != 1:
            return None
        record = records.get(there[0].name)
        unknown = record is None or record.status == "failed"
        return there[0] if unknown and read_mark(self.output(there[0])).job is not None else None

    def check_free(self, waiting: Sequence[BatchScene], unrecorded: BatchScene | None) -> None:
        """Refuse a batch whose outputs would replace those of another; of `unrecorded` it is seen later."""
        taken = [self.output(scene) for scene in waiting if self.output(scene).exists() and scene != unrecorded]
        if taken:
            raise OutputError(
                ErrorCode.EXISTS,
                f"{len(taken)} of the outputs exist already and were made from other input or with other options, "
                "weights or version",
                where=taken[0],
                remedy="Add --overwrite to make them again, or choose another output",
            )
        for scene in waiting:
            if self.options[scene.name].stac and not self.is_one_store:
                check_item(self.output(scene), overwrite=False, resume=True)

    def _restore(self, scene: BatchScene, options: SceneOptions, manifest: Manifest, print_: str) -> None:
        """Restore one scene and record what became of it."""
        teller = Teller(self.watcher, scene)
        self.watcher.started(scene)
        began = time.monotonic()
        outcome, error = None, None
        try:
            outcome = self._call(scene, options, teller)
        except Exception as caught:  # whatever it is, the other scenes must not suffer
            if teller.cancelled:
                raise
            error = caught
        record = BatchRecord(
            name=scene.name,
            source=scene.source,
            status="failed" if outcome is None else "done",
            output=scene.name if self.is_one_store else f"{scene.name}.{self.form}",
            fingerprint=print_,
            seconds=round(time.monotonic() - began, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if outcome is not None:
            status: Status = "partial" if outcome.partial else "done"
            record = replace(record, status=status, summary=outcome.summary, warnings=outcome.warnings)
        elif error is not None:
            said = explained(error)
            record = replace(record, code=str(said.code), message=str(said))
        manifest.add(record)
        self.watcher.finished(scene, record, outcome)
        if isinstance(error, DatprlError) and error.code in _FATAL:
            raise error

    def _call(self, scene: BatchScene, options: SceneOptions, teller: Teller) -> Outcome:
        output = self.output(scene)
        restore = partial(restore_scene, compared=self.compared, acquisition=scene.acquisition)
        if not self.is_one_store:
            return restore(scene.source, output, self.restorer, options, teller)
        from datprl_toolkit.remote_sensing.batch_store import staged_group

        with staged_group(self.destination, scene.name, replaces=options.overwrite) as staged:
            outcome = restore(scene.source, staged, self.restorer, options, teller)
        return replace(outcome, output=output)


def _protected(scene: BatchScene) -> tuple[Path, ...]:
    """Return the files of this machine that a scene is read from.

    If it cannot be located, that is reported when its turn comes.
    """
    try:
        return locate(scene.source).protected
    except DatprlError:
        return ()


def fingerprint(scene: BatchScene, options: SceneOptions, restorer: Restorer) -> str:
    """Return a checksum of everything that decides what an output holds.

    Files count with their size and the time of their last change; remote ones with their address alone.
    """
    parts = {
        "source": scene.source,
        "input": _identity(scene),
        "weights": restorer.card.sha256,
        **({} if restorer.task is None else {"task": restorer.task}),
        **({"self_ensemble": True} if restorer.self_ensemble else {}),
        "context": getattr(restorer, "context_sha256", None),
        "options": {key: value for key, value in asdict(options).items() if key not in WITHOUT_EFFECT},
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _identity(scene: BatchScene) -> str:
    if not _protected(scene):
        return ""
    try:
        return input_identity(Scene.open(scene.source))
    except (DatprlError, OSError):  # whatever is wrong with it is reported when its turn comes
        return ""
