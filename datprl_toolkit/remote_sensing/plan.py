"""What will be done to a scene: which bands, on which grid, in which pieces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.remote_sensing.bands import COLOURS, BandChoice
from datprl_toolkit.remote_sensing.enlargement import REACH
from datprl_toolkit.remote_sensing.scene import Band
from datprl_toolkit.remote_sensing.storage import as_stored
from datprl_toolkit.remote_sensing.validity import FILL_RADIUS
from datprl_toolkit.remote_sensing.windows import coarse, split, whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.remote_sensing.options import Product, ResolvedContext, SceneOptions
    from datprl_toolkit.remote_sensing.scene import Scene, Tags
    from datprl_toolkit.restoring.tiling import Window

LARGEST_SHARD = 2048
SMALLEST_SHARD = 512
_SHARD_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a tile needs to know about the job it belongs to.

    Parameters
    ----------
    source, target
        The scene that is read, and a description of the one that is written.
    restored
        Numbers of the source's bands that the network sees.
    written
        Number of the source's band from which each band of the target comes.
    profile
        The window of stored values that the network sees as [0, 1].
    level
        (C,): mean of each restored band over the scene, for filling what is no data.
    factor
        Enlargement.
    strength
        Share of the network's change that is applied.
    tile, halo
        In pixels of the target; multiples of the network's grid.
    context
        From what the context of a tile is computed; see :class:`SceneOptions`.
    overlap
        How far beyond its edge a tile is restored, which is no more than `halo`: how far it is read.
    product
        What is written; see :class:`SceneOptions`.
    grid
        The network's grid, in pixels.
    portion
        Side of what is handed to the restorer at once, in pixels of the target: one tile where the processor is
        busy with that, more where a device runs several tiles as a batch.
    """

    source: Scene
    target: Scene
    restored: tuple[int, ...]
    written: tuple[int, ...]
    profile: IntensityProfile
    level: npt.NDArray[np.float64]
    factor: int
    strength: float
    tile: int
    halo: int
    portion: int
    context: ResolvedContext = "scene"
    overlap: int = 0
    product: Product = "restored"
    grid: int = 8

    @property
    def copied(self) -> tuple[int, ...]:
        """Numbers of the source's bands that are written without being restored."""
        return tuple(number for number in self.written if number not in self.restored)

    @property
    def area(self) -> Window:
        """The whole target."""
        return whole(self.target.grid.shape)

    @property
    def shard(self) -> int:
        """Side of the pieces that are written at once: smaller for a scene of very many bands."""
        return shard_size(self.target)

    def shards(self) -> list[Window]:
        """Return the pieces of the target, row by row."""
        return list(split(self.area, self.shard))

    def portions(self, shard: Window) -> list[Window]:
        """Return the parts of a shard that are handed to the restorer one by one."""
        return list(split(shard, self.portion))

    def seen(self, core: Window) -> Window:
        """Return the window of the target that the network sees in order to restore `core`."""
        return core.grown(self.halo, self.area)

    def needed(self, core: Window) -> Window:
        """Return the window of the source on which `core`, a window of the target, depends."""
        return coarse(self.seen(core), self.factor).grown(FILL_RADIUS + REACH, whole(self.source.grid.shape))


def shard_size(target: Scene) -> int:
    """Return the side of a shard: 2048, halved while one of all bands would take more than 256 MiB."""
    size = LARGEST_SHARD
    while size > SMALLEST_SHARD and len(target.bands) * target.dtype.itemsize * size**2 > _SHARD_BYTES:
        size //= 2
    return size


def plan_target(source: Scene, choice: BandChoice, options: SceneOptions) -> tuple[Scene, tuple[int, ...]]:
    """Describe the scene that will be written, and from which bands of the source its bands come."""
    if options.product == "deviation":
        return _planned_deviation(source, choice, options.scale), choice.numbers
    alpha = () if source.alpha is None else (source.alpha,)  # alpha says which pixels are data, so it always stays
    kept = tuple(band.number for band in source.bands)
    written = kept if options.other_bands == "copy" else (*choice.numbers, *alpha)
    recolour = _colours(source, choice, options)
    bands = tuple(
        replace(
            _planned_band(source.band(number), restored=number in choice.numbers, factor=options.scale),
            number=place + 1,
            colour=recolour.get(number, source.band(number).colour),
        )
        for place, number in enumerate(written)
    )
    target = replace(
        source,
        grid=source.grid.enlarged(options.scale),
        bands=bands,
        nodata=source.nodata if as_stored(source.nodata, source.dtype) is not None else None,
        tags=_planned_tags(source.tags, options.scale),
    )
    return target, written


def _planned_deviation(source: Scene, choice: BandChoice, factor: int) -> Scene:
    """Describe the map of the standard deviations of the restored bands."""
    bands = [source.band(number) for number in choice.numbers]
    return replace(
        source,
        grid=source.grid.enlarged(factor),
        bands=tuple(
            Band(
                number=place,
                description=f"standard deviation of {band.description or f'band {band.number}'}",
                scale=band.scale,
                unit=band.unit,
            )
            for place, band in enumerate(bands, start=1)
        ),
        dtype=np.dtype(np.float32),
        nodata=float("nan"),
        has_mask=False,
        tags=_planned_tags(source.tags, factor),
    )


def _colours(source: Scene, choice: BandChoice, options: SceneOptions) -> dict[int, str]:
    """Name red, green and blue where they are known and the source does not name them itself."""
    named = any(band.colour in COLOURS for band in source.image_bands)
    known = len(choice.numbers) == len(COLOURS) and choice.warning is None
    if not known or (named and options.other_bands == "copy"):
        return {}
    colours = {band.number: "undefined" for band in source.image_bands}
    return colours | dict(zip(choice.numbers, COLOURS, strict=True))


def _planned_band(band: Band, *, restored: bool, factor: int) -> Band:
    """Keep what stays true of a band: its statistics do not, if its pixels change."""
    unchanged = not restored and factor == 1
    tags = {key: value for key, value in band.tags.items() if unchanged or not key.startswith("STATISTICS_")}
    description = band.description
    if not restored and factor > 1:
        kernel = "nearest" if band.colour == "alpha" else "cubic"
        description = f"{description or f'band {band.number}'} (resampled x{factor}, {kernel})"
    return replace(band, description=description, tags=tags)


def _planned_tags(tags: dict[str, Tags], factor: int) -> dict[str, Tags]:
    """Drop the geolocation arrays of an enlarged scene: they name pixels of the old grid."""
    return {domain: dict(items) for domain, items in tags.items() if factor == 1 or domain != "GEOLOCATION"}
