"""What the engine does for each request: calls of the same functions that the command line calls."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.messages import (
    Advanced,
    FloatArray,
    ListWeights,
    Loaded,
    MapUncertainty,
    ReadPrompts,
    RestoreArray,
    RestoreTiles,
    RestoreVolume,
    RunNode,
    RunWorkflow,
    SliceAnswered,
    WriteScene,
    WriteSeries,
)

if TYPE_CHECKING:
    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.restoring import Restorer
    from datprl_toolkit.restoring.stack import StackRestorer
    from napari_datprl.engine import Engine

BATCH_PIXELS = 512 * 512
GPU_BATCH_PIXELS = 8 * BATCH_PIXELS


def _loaded(restorer: Restorer, profile: IntensityProfile, notes: tuple[str, ...] = ()) -> Loaded:
    return Loaded(restorer.describe(), pickle.dumps(restorer.card), restorer.arithmetic, profile, notes)


def restore_volume(engine: Engine, request: RestoreVolume) -> None:
    """Restore a series slice by slice, in the order that is asked for."""
    from datprl_toolkit.medical.choose import check_task
    from datprl_toolkit.medical.grouping import Series
    from datprl_toolkit.restoring.stack import StackRestorer

    volume, restorer = request.volume, engine.restorer(request.network)
    check_task(Series(1, volume, (), None, request.earliest), restorer.card)
    profile, notes = _profile(engine, request)
    engine.send(_loaded(restorer, profile, notes))
    with engine.interruptible(restorer.network):
        stack = StackRestorer.of_volume(
            lambda index: volume.slices[index].read(),
            len(volume.slices),
            restorer,
            profile,
            inverted=volume.inverted,
            progress=engine.progress,
        )
        for indices in _batches(request.order, volume.shape[1] * volume.shape[2], restorer):
            planes = np.stack([profile.to_unit(volume.slices[index].read()) for index in indices])
            _answer(engine, stack, indices, planes)


def restore_array(engine: Engine, request: RestoreArray) -> None:
    """Restore planes in memory: a grey stack under one context, pictures each by itself."""
    from datprl_toolkit.restoring.stack import StackRestorer

    restorer, profile, values = engine.restorer(request.network), request.profile, request.values
    engine.send(_loaded(restorer, profile))
    with engine.interruptible(restorer.network):
        if values.ndim == 4 or len(values) == 1:
            for index in request.order:
                # In [0, 1] the restored image is the network's answer itself.
                answer = restorer.restore(profile.to_unit(values[index]), progress=engine.progress)
                engine.send(SliceAnswered(index, answer.astype(np.float32)))
            return
        stack = StackRestorer.of_volume(
            lambda index: values[index], len(values), restorer, profile, progress=engine.progress
        )
        for indices in _batches(request.order, values.shape[1] * values.shape[2], restorer):
            _answer(engine, stack, indices, profile.to_unit(values[list(indices)]))


def restore_tiles(engine: Engine, request: RestoreTiles) -> None:
    """Restore tiles of a scene under the context of all of it, in the order that is asked for."""
    from datprl_toolkit.remote_sensing.live import live_scene

    restorer = engine.restorer(request.network)
    with (
        engine.interruptible(restorer.network),
        live_scene(request.scene, restorer, request.options, engine.progress) as live,
    ):
        engine.send(_loaded(restorer, live.plan.profile, live.warnings))
        for index, tile in enumerate(request.tiles):
            engine.check()
            engine.send(SliceAnswered(index, np.ascontiguousarray(np.moveaxis(live.change(tile), 0, -1))))


def map_uncertainty(engine: Engine, request: MapUncertainty) -> None:
    """Map what the network alone decides, slice by slice, in the order that is asked for."""
    from datprl_toolkit.restoring.uncertainty import UncertaintyEstimator

    # The map compares the orientations over which a self-ensemble takes the mean.
    volume, restorer = request.volume, engine.restorer(request.network).with_self_ensemble(False)
    engine.send(_loaded(restorer, request.profile))
    with engine.interruptible(restorer.network):
        estimator = UncertaintyEstimator.of_volume(
            lambda index: volume.slices[index].read(),
            len(volume.slices),
            restorer,
            request.profile,
            strength=request.strength,
            inverted=volume.inverted,
            progress=engine.progress,
        )
        for index in request.order:
            engine.check()
            maps = estimator.maps(volume.slices[index].read()[None])
            engine.send(SliceAnswered(index, np.concatenate([maps.deviation, maps.noise_ratio])))


def write_scene(engine: Engine, request: WriteScene) -> str:
    """Restore a scene from file to file, or copy it; return a summary."""
    if request.network is None:
        from datprl_toolkit.remote_sensing import Scene
        from datprl_toolkit.remote_sensing.rewriting import copy_scene

        copy_scene(Scene.open(request.source), request.destination, progress=engine.progress)
        return f"{request.destination.name} written"
    from datprl_toolkit.remote_sensing import restore_scene

    restorer = engine.restorer(request.network)
    return restore_scene(request.source, request.destination, restorer, request.options, engine.progress).summary


def write_series(engine: Engine, request: WriteSeries) -> str:
    """Blend the kept answers and write them with the writer of the command line; return a summary.

    A destination that is named as NIfTI holds the values of that series.
    """
    from datprl_toolkit.medical.nifti_format import is_nifti_name

    if not is_nifti_name(request.destination):
        return _write_dicom(engine, request, request.destination)
    from datprl_toolkit.files import check_absent
    from datprl_toolkit.medical.nifti_export import write_nifti
    from datprl_toolkit.medical.opening import open_volume

    check_absent(request.destination, overwrite=request.options.overwrite)
    with tempfile.TemporaryDirectory() as folder:
        series = Path(folder) / "series"
        summary = _write_dicom(engine, request, series)
        write_nifti(open_volume(series).volume, request.destination, overwrite=request.options.overwrite)
    return summary


def _write_dicom(engine: Engine, request: WriteSeries, destination: Path) -> str:
    from datprl_toolkit.medical.blended import write_blended

    return write_blended(
        request.volume,
        request.answers.__getitem__,
        request.profile,
        pickle.loads(request.card),
        destination,
        request.options,
        created=datetime.now(),
        self_ensemble=request.self_ensemble,
        arithmetic=request.arithmetic,
        taken=request.taken,
        progress=engine.progress,
    )


def read_prompts(engine: Engine, request: ReadPrompts) -> dict[str, Any]:
    """Return what the network chose for one plane, as plain numbers."""
    import torch

    from datprl_toolkit.restoring.arrays import pad_to_grid

    restorer = engine.restorer(request.network)
    image = request.image[None] if request.image.ndim == 2 else np.moveaxis(request.image, -1, 0)
    padded = torch.from_numpy(np.ascontiguousarray(pad_to_grid(image[None], restorer.grid)))
    with torch.inference_mode(), engine.interruptible(restorer.network):
        context = restorer.network.context(padded.expand(-1, 3, -1, -1).to(restorer.device))
    chosen = {
        name: {
            "selected": choice.selected[0].tolist(),
            "weights": choice.weights[0].tolist(),
            "similarity": choice.similarity[0].tolist(),
        }
        for name, choice in (("domain", context.domain), ("task", context.task))
        if choice is not None
    }
    return {"pools": chosen, "gates": restorer.network.gates(), "description": restorer.describe()}


def run_node(engine: Engine, request: RunNode) -> tuple[str, ...]:
    """Run one node from files to files; return its warnings."""
    from datprl_nodes import find_node
    from datprl_nodes.calling import run_node as run
    from datprl_nodes.node import make_node

    warnings: list[str] = []
    node = make_node(request.name, find_node(request.name), request.parameters)
    run(
        request.name,
        node,
        request.inputs,
        request.outputs,
        overwrite=request.overwrite,
        progress=engine.progress,
        warn=warnings.append,
    )
    return tuple(warnings)


def run_workflow(engine: Engine, request: RunWorkflow) -> tuple[str, ...]:
    """Run a saved workflow; return its warnings."""
    from datprl_nodes.api import run_workflow as run
    from datprl_nodes.running import Event
    from datprl_nodes.workflow import load_workflow

    def observe(event: Event) -> None:
        engine.check()
        engine.send(Advanced(f"{event.task}: {event.work or event.state}", event.done, event.total, event.unit))

    workflow = load_workflow(request.workflow)
    return run(workflow, request.folder, request.inputs, overwrite=request.overwrite, observe=observe).warnings


def list_weights(engine: Engine, request: ListWeights) -> dict[str, tuple[str, ...]]:
    """Return the weights known by name, each with the names of its tasks; damaged ones are left out."""
    from datprl_toolkit import weights
    from datprl_toolkit.errors import DatprlError

    found = {}
    for name, path in weights.list_weights().items():
        try:
            found[name] = tuple(task.name for task in weights.read_card(path).tasks)
        except DatprlError:
            continue
    return found


def _profile(engine: Engine, request: RestoreVolume) -> tuple[IntensityProfile, tuple[str, ...]]:
    """Return the window that the network sees: the one that is asked for, or that of the command line."""
    from datprl_toolkit.medical.profiles import choose_profile
    from datprl_toolkit.medical.survey import Survey, ValueCount, survey

    if request.profile is not None:
        return request.profile, ()
    volume = request.volume
    # The window of a CT is fixed; the first slice need not wait until all are read.
    if volume.modality == "CT":
        found = Survey(volume, ValueCount(), (), ())
    else:
        found = survey(volume, progress=engine.progress)
    return choose_profile(found, request.earliest)


def _batches(order: Sequence[int], pixels: int, restorer: Restorer) -> Iterator[tuple[int, ...]]:
    """Yield the first slice alone, since somebody is looking at it, then as many at once as one call takes."""
    budget = BATCH_PIXELS if restorer.device.type == "cpu" else GPU_BATCH_PIXELS
    size = max(1, budget // pixels)
    yield tuple(order[:1])
    for start in range(1, len(order), size):
        yield tuple(order[start : start + size])


def _answer(engine: Engine, stack: StackRestorer, indices: tuple[int, ...], planes: FloatArray) -> None:
    engine.check()
    for index, answer in zip(indices, stack.answer(planes), strict=True):
        engine.send(SliceAnswered(index, answer))
