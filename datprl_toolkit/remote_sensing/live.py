"""A scene that is restored tile by tile in whatever order somebody looks at it; nothing is written."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.context_modes import restore_in_context
from datprl_toolkit.remote_sensing.reading_cache import cache_bytes
from datprl_toolkit.remote_sensing.restore import make_plan, sample_for_context, scene_context
from datprl_toolkit.remote_sensing.tiles import restore_tile
from datprl_toolkit.restoring.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import SceneOptions
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.scene import Scene
    from datprl_toolkit.restoring import Context, Restorer
    from datprl_toolkit.restoring.tiling import Window


@dataclass(frozen=True, slots=True)
class LiveScene:
    """A scene with the context that all its tiles share.

    Parameters
    ----------
    plan, reader, restorer, context
        As :func:`~datprl_toolkit.remote_sensing.restore.restore_scene` makes them; the context of a scene without
        data is None.
    warnings
        What a person should know of the bands that are restored.
    """

    plan: Plan
    reader: SceneReader
    restorer: Restorer
    context: Context | None
    warnings: tuple[str, ...] = ()

    def change(self, tile: Window) -> npt.NDArray[np.float32]:
        """Return by how much the restored bands of a tile change at full strength.

        Parameters
        ----------
        tile
            Its window; the corner lies on the network's grid.

        Returns
        -------
        (C, h, w) in stored values, not rounded to the stored type; exactly 0 where there are no data and where a
        value lies outside the window of the scaling. The tile that :func:`restore_scene` writes at a strength is
        the original plus that share of it, rounded.
        """
        held = self.plan.needed(tile)
        pixels = self.reader.read(self.plan.restored, held)
        inside = pixels.crop(*tile.relative_to(held).slices)
        answers: list[npt.NDArray[np.float32]] = []

        def network(image: npt.NDArray[np.float32], margins: tuple[int, int, int, int]) -> npt.NDArray[np.float32]:
            assert self.context is not None  # only a scene without any data has none, and its tiles do not come here
            answers.append(restore_in_context(self.plan, self.restorer, image, margins, self.context, tile))
            return answers[0]

        restore_tile(self.plan, pixels, held, tile, network)
        change = np.zeros(inside.values.shape, dtype=np.float32)
        if answers:
            values = np.where(inside.valid, inside.values, 0).astype(np.float64)
            profile = self.plan.profile
            restored = profile.apply(values, profile.to_unit(values), answers[0])
            change[inside.valid] = (restored - values)[inside.valid]
        return change


@contextmanager
def live_scene(
    scene: Scene, restorer: Restorer, options: SceneOptions, progress: ProgressCallback = silent
) -> Iterator[LiveScene]:
    """Open a scene and compute what all its tiles share.

    Parameters
    ----------
    scene, restorer
        The scene and the network.
    options
        Bands, scaling, tile and halo are heeded; the enlargement is 1, the context that of the scene.
    progress
        Told while the scene is sampled.

    Raises
    ------
    InputError, OptionError, ResourceError
        As :func:`~datprl_toolkit.remote_sensing.restore.restore_scene`.
    """
    choice = choose_bands(scene, options.bands)
    with rasterio.Env(GDAL_CACHEMAX=cache_bytes(scene, choice.numbers)), scene.reader() as reader:
        sample = sample_for_context(scene, reader, choice, options, progress)
        plan = make_plan(scene, choice, sample, options, restorer)
        context = scene_context(plan, sample, restorer, progress)
        warnings = () if choice.warning is None else (choice.warning,)
        yield LiveScene(plan, reader, restorer, context, warnings)
