"""The fingerprint of a job: everything that decides its pixels, so that only the same job is resumed."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from datprl_toolkit import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datprl_toolkit.remote_sensing.journal import Fingerprint
    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.scene import Scene
    from datprl_toolkit.restoring import Restorer

WITHOUT_EFFECT = frozenset({"overwrite", "resume", "on_error", "cluster", "stac"})
"""Options that say what becomes of the output or who computes it, and not what its pixels are."""

_WRITTEN_BY_OTHERS = (".aux.xml", ".ovr")  # statistics and overviews that a viewer leaves beside a raster


def job_fingerprint(plan: Plan, options: SceneOptions, restorer: Restorer, suffix: str, device: str) -> Fingerprint:
    """Return what decides the pixels of an output.

    Parameters
    ----------
    plan, options, restorer
        The job.
    suffix
        Of the output: its format.
    device
        Kind of device on which the network runs.

    Returns
    -------
    Names and values in words for a person. Two jobs with the same fingerprint give the same pixels to the bit.
    """
    entries = {
        "input": input_identity(plan.source),
        "weights": f"{restorer.card.name} {restorer.card.sha256[:12]}",
        "version": __version__,
        "torch": torch.__version__,
        "device": device,
        "precision": restorer.precision,
        "format": suffix,
        "values": f"{plan.profile.low!r} to {plan.profile.high!r} ({plan.profile.name})",
        "size": f"{plan.target.grid.width} x {plan.target.grid.height}",
        "bands written": ",".join(map(str, plan.written)),
        "bands restored": ",".join(map(str, plan.restored)),
        "shard": str(plan.shard),
        "mask": "yes" if plan.target.has_mask else "no",
        "shared context": str(getattr(restorer, "context_sha256", "no"))[:12],
    }
    for field in fields(options):
        if field.name not in WITHOUT_EFFECT:
            entries[field.name.replace("_", " ")] = str(getattr(options, field.name))
    entries["context"] = plan.context
    if restorer.task is not None:
        entries["task"] = restorer.task
    if restorer.self_ensemble:
        entries["self-ensemble"] = "yes"
    return entries


def differences(before: Fingerprint, now: Fingerprint) -> str:
    """Return in words what differs between two jobs; empty if nothing does."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    unknown = "not known"
    return "; ".join(f"{name} was {before.get(name, unknown)} and is {now.get(name, unknown)}" for name in names)


def input_identity(scene: Scene) -> str:
    """Return name, size and time of change of a scene, together with every file that belongs to it.

    The content is not read: hashing a scene would take as long as reading it a second time.
    """
    files = _files(scene)
    if not files:
        # What GDAL reads from elsewhere has neither size nor time here; its address has to do.
        return f"{scene.path.name} ({hashlib.sha256(scene.dataset.encode()).hexdigest()[:8]})"
    return _identity(scene.path.name, files)


def _identity(name: str, files: Iterable[Path]) -> str:
    stats = [(file.name, (state := file.stat()).st_size, state.st_mtime_ns) for file in sorted(files)]
    size, changed = sum(entry[1] for entry in stats), max(entry[2] for entry in stats)
    when = datetime.fromtimestamp(changed / 1e9, UTC).isoformat(timespec="milliseconds")
    several = "" if len(stats) == 1 else f" in {len(stats)} files"
    digest = hashlib.sha256(repr(stats).encode()).hexdigest()[:8]
    return f"{name} ({size} bytes{several}, changed {when}, {digest})"


def _files(scene: Scene) -> set[Path]:
    """Return the files of this machine that a scene is read from."""
    if not scene.dataset:
        return _belonging(scene.path)
    return {file for original in scene.files for file in _belonging(original)}


def _belonging(path: Path) -> set[Path]:
    if path.is_dir():
        return {file for file in path.rglob("*") if file.is_file()}
    from datprl_toolkit.remote_sensing.formats import has_raster_content
    from datprl_toolkit.remote_sensing.raster_reading import open_raster

    if not has_raster_content(path):
        return {path}
    with open_raster(path) as dataset:
        named = {Path(name) for name in dataset.files}
    return {path} | {file for file in named if file.is_file() and not file.name.endswith(_WRITTEN_BY_OTHERS)}
