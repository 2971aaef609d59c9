"""The shards of a scene: each reads its own window, restores it, and makes one aligned write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from datprl_toolkit.remote_sensing.journal import FinishedShard
from datprl_toolkit.remote_sensing.tiles import WindowNetwork, copy_tile, deviation_tile, restore_tile
from datprl_toolkit.remote_sensing.unreadable import PatientReader
from datprl_toolkit.remote_sensing.windows import coarse, split
from datprl_toolkit.restoring.memory import release_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from datprl_toolkit.remote_sensing.options import OnError
    from datprl_toolkit.remote_sensing.plan import Plan
    from datprl_toolkit.remote_sensing.reading import SceneReader
    from datprl_toolkit.remote_sensing.writing import SceneWriter
    from datprl_toolkit.restoring.tiling import Window

    LocatedNetwork = Callable[[Window], WindowNetwork]


@dataclass(frozen=True, slots=True)
class ShardWork:
    """What it takes to do a shard; it can be pickled into another process.

    Parameters
    ----------
    plan
        What is to be done.
    writer
        Where pixels go to.
    on_error
        What a block of the source that cannot be read becomes.
    block
        Height and width of such a block.
    """

    plan: Plan
    writer: SceneWriter
    on_error: OnError
    block: tuple[int, int]

    def run(
        self,
        shard: Window,
        reader: SceneReader,
        network: LocatedNetwork,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[], None] = lambda: None,
    ) -> FinishedShard:
        """Read, restore and write one shard.

        Parameters
        ----------
        shard
            Its window in the target.
        reader
            Reads the source.
        network
            Gives, for a window of the target, what :func:`restore_tile` takes.
        check
            Called between the steps; an exception that it raises ends the work.
        tell
            Called after each portion.
        """
        patient = PatientReader(reader, self.plan.source, self.on_error, self.block)
        with rasterio.Env():  # outside of one, GDAL prints its warnings
            values = self._restore(shard, patient, network, check, tell)
            mask = self._mask(shard, patient) if self.plan.target.has_mask else None
            check()
            written = self.writer.write(shard, values, mask)
        del values, mask
        release_freed_memory()
        return FinishedShard(shard, written, tuple(patient.unreadable))

    def _restore(
        self,
        shard: Window,
        reader: PatientReader,
        network: LocatedNetwork,
        check: Callable[[], None],
        tell: Callable[[], None],
    ) -> npt.NDArray[np.generic]:
        plan = self.plan
        values = np.empty((len(plan.written), shard.height, shard.width), plan.target.dtype)
        for number, band in self._copied(shard, reader).items():
            values[plan.written.index(number)] = band
        held = plan.needed(shard)
        pixels = reader.read(plan.restored, held)
        places = [plan.written.index(number) for number in plan.restored]
        make = deviation_tile if plan.product == "deviation" else restore_tile
        for portion in plan.portions(shard):
            check()
            for part in self._parts(portion, reader):
                restores = network(part) if self._is_sound(part, reader) else _pass_through
                inside = part.relative_to(shard).slices
                values[places, inside[0], inside[1]] = make(plan, pixels, held, part, restores)
            tell()
        return values

    def _parts(self, portion: Window, reader: PatientReader) -> list[Window]:
        """Return a portion whole, or its tiles one by one where only some of them are to be restored."""
        if self.on_error != "passthrough" or not reader.unreadable:
            return [portion]
        return list(split(portion, self.plan.tile))

    def _is_sound(self, part: Window, reader: PatientReader) -> bool:
        """Tell whether a part is to be restored: with "passthrough", not beside what could not be read."""
        return self.on_error != "passthrough" or not reader.lacks(self.plan.needed(part))

    def _copied(self, shard: Window, reader: PatientReader) -> dict[int, npt.NDArray[np.generic]]:
        plan = self.plan
        if not plan.copied:
            return {}
        # On the same grid nothing beyond the shard matters.
        held = shard if plan.factor == 1 else plan.needed(shard)
        bands = copy_tile(plan, reader.read(plan.copied, held), held, shard)
        return dict(zip(plan.copied, bands, strict=True))

    def _mask(self, shard: Window, reader: PatientReader) -> npt.NDArray[np.uint8]:
        factor = self.plan.factor
        held = coarse(shard, factor)
        mask = np.repeat(np.repeat(reader.read_mask(held), factor, axis=0), factor, axis=1)
        top, left = shard.top - held.top * factor, shard.left - held.left * factor
        return np.ascontiguousarray(mask[top : top + shard.height, left : left + shard.width])


def _pass_through(
    image: npt.NDArray[np.float32], margins: tuple[int, int, int, int], flipped: tuple[int, ...] = ()
) -> npt.NDArray[np.float32]:
    """Return the core of an image as it is."""
    top, bottom, left, right = margins
    return image[:, top : image.shape[1] - bottom, left : image.shape[2] - right]
