"""One context for all scenes of a batch, so that neighbouring tiles of a mosaic are restored alike."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, cast

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError, OptionError
from datprl_toolkit.files import staged_file
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context import CONTEXT_COUNT, SAMPLED_WHOLE, context_images
from datprl_toolkit.remote_sensing.sampling import sample_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.restoring.frozen_context import load_context, save_context, task_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.batch_sources import BatchScene
    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.restoring import Context, Grouping, Restorer


class SharedContextRestorer:
    """A restorer whose every context is the same.

    Parameters
    ----------
    restorer
        The network.
    shared
        The context.
    context_sha256
        Checksum of it, by which a batch knows what its outputs were made with.
    """

    takes_fields = False
    """One context is shared, not a field of them."""

    def __init__(self, restorer: Restorer, shared: Context, context_sha256: str) -> None:
        self.without_context = restorer
        self._shared = shared
        self.context_sha256 = context_sha256

    def context(self, images: npt.NDArray[np.float32], grouping: Grouping | None = None) -> Context:
        """Return the shared context, whatever the images are."""
        return self._shared

    def __getattr__(self, name: str) -> object:
        return getattr(self.without_context, name)


def share_context(
    scenes: Sequence[BatchScene], options: Mapping[str, SceneOptions], restorer: Restorer, kept: Path
) -> Restorer:
    """Return a restorer that uses one context for all scenes.

    Parameters
    ----------
    scenes, options
        The batch, and the options of each scene by its name.
    restorer
        The network.
    kept
        Where the context is kept: the one that is there is used, so that scenes that are added later fit too.

    Raises
    ------
    OptionError
        ``E_OPTION`` unless all scenes see their values alike: with a scaling that is given, or as uint8; for a context
        of each tile; or if the one that is there was made for another task.
    InputError
        ``E_EMPTY`` if no scene holds any data.
    """
    check_shareable(options[scene.name] for scene in scenes)
    if not kept.exists():
        images = _sample(scenes, options)
        with staged_file(kept) as temporary:
            save_context(restorer.context(images), temporary, restorer.task)
    shared = load_context(kept)
    if shared is None:
        raise InputError(ErrorCode.CORRUPT, "the file holds no context", where=kept, remedy="Remove it")
    if (asked := task_of(kept)) != restorer.task:
        raise OptionError(
            ErrorCode.OPTION,
            f"the shared context was made for {_named(asked)}, and now it is {_named(restorer.task)}",
            where=kept,
            remedy="Ask for the same, or remove the file",
        )
    digest = hashlib.sha256(kept.read_bytes()).hexdigest()
    return cast("Restorer", SharedContextRestorer(restorer, shared.to(restorer.device), digest))


def check_shareable(each: Iterable[SceneOptions]) -> None:
    """Refuse options of scenes that cannot share a context; see :func:`share_context`."""
    for options in each:
        if options.scaling is None or options.scaling.strip() == "percentile":
            raise OptionError(
                ErrorCode.OPTION,
                "a context can be shared by scenes only if their values are scaled alike",
                where="scaling",
                remedy="Give --scaling uint8, reflectance:10000 or minmax:LOW,HIGH",
            )
        if options.context not in {"auto", "scene"}:
            raise OptionError(ErrorCode.OPTION, "a shared context needs --context scene", remedy="Leave the other out")


def _named(task: str | None) -> str:
    return "whatever the network chooses" if task is None else task


def _sample(scenes: Sequence[BatchScene], options: Mapping[str, SceneOptions]) -> npt.NDArray[np.float32]:
    """Return images of one size from scenes all over the batch, as the network will see them."""
    step = max(1, len(scenes) // CONTEXT_COUNT)
    images: list[npt.NDArray[np.float32]] = []
    ordered = {scene.name: scene for scene in (*scenes[::step], *scenes)}  # the rest only if those hold too little
    for scene in ordered.values():
        if len(images) >= CONTEXT_COUNT:
            break
        try:
            images += _images(scene, options[scene.name], -(-CONTEXT_COUNT // len(scenes)))
        except DatprlError:
            continue  # what is wrong with a scene is reported when its turn comes
    if not images:
        raise InputError(ErrorCode.EMPTY, "no scene of the batch holds data to compute a context from")
    height, width = (min(image.shape[axis] for image in images) for axis in (1, 2))
    bands = max(len(image) for image in images)
    cut = [np.broadcast_to(image[:, :height, :width], (bands, height, width)) for image in images]
    return np.stack(cut)


def _images(scene: BatchScene, options: SceneOptions, count: int) -> list[npt.NDArray[np.float32]]:
    """Return up to `count` images of a scene."""
    opened = Scene.open(scene.source, nodata=options.nodata)
    choice = choose_bands(opened, options.bands)
    with opened.reader() as reader:
        sample = sample_scene(reader, choice.numbers, opened.grid.shape, largest=SAMPLED_WHOLE // options.scale)
    if sample.is_empty:
        return []
    profile = scene_profile(options.scaling, opened.dtype, sample.values)
    return [each.image for each in context_images(sample, profile, options.scale, count)]
