"""Restoring a raster that is already an xarray: ``array.datprl.restore()``, lazily.

    import datprl_toolkit.remote_sensing.accessor

Importing this module gives every :class:`xarray.DataArray` the accessor ``datprl``.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import dask.array as da
import numpy as np
import xarray as xr

from datprl_toolkit.errors import ErrorCode, InputError, OptionError
from datprl_toolkit.remote_sensing.options import SceneOptions
from datprl_toolkit.remote_sensing.reading import Pixels
from datprl_toolkit.remote_sensing.sampling import sample_scene
from datprl_toolkit.remote_sensing.scaling import scene_profile
from datprl_toolkit.remote_sensing.storage import as_stored, to_stored
from datprl_toolkit.remote_sensing.validity import valid_elements
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.tiling import Window, round_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from datprl_toolkit.intensity.profile import IntensityProfile
    from datprl_toolkit.restoring import Context

_SAMPLE = 512


@xr.register_dataarray_accessor("datprl")  # type: ignore[no-untyped-call]
class DatprlAccessor:
    """What this toolkit adds to a :class:`xarray.DataArray` of a raster."""

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    def restore(
        self,
        restorer: Restorer | None = None,
        *,
        bands: tuple[int, ...] | None = None,
        scaling: str | None = None,
        strength: float = 1.0,
        tile: int = 512,
        halo: int = 64,
        nodata: float | None = None,
    ) -> xr.DataArray:
        """Return the array restored, computed when it is needed.

        A sample of the array is read at once, for the scaling and for the context that all tiles share; every chunk of
        the result is then one call of the network.

        Parameters
        ----------
        restorer
            Weights on a device; None for those that are shipped.
        bands
            Which bands to restore, counted from 1 along the first axis: three as red, green, blue, or one. None for
            an array of one or three bands.
        scaling, strength
            As for :class:`SceneOptions`.
        tile, halo
            Edge of the chunks of the result, and how far each looks beyond its own.
        nodata
            Value of missing data; None takes what the array's attributes or encoding say. NaN is missing in any case.

        Returns
        -------
        Array of the same shape, type, coordinates and attributes, in chunks. What is no data is as it was.

        Raises
        ------
        InputError
            ``E_UNSUPPORTED`` for an array that is not (y, x) or (band, y, x) of numbers.
        OptionError
            ``E_OPTION`` for bands that are not there or are needed, and for what else cannot be used.
        """
        array = self._array
        options = SceneOptions(strength=strength, bands=bands, scaling=scaling, tile=tile, halo=halo)
        _check_image(array)
        chosen = _chosen(array, bands)
        values = array.data if array.ndim == 3 else array.data[None]
        missing = as_stored(_missing(array) if nodata is None else nodata, array.dtype)
        restorer = Restorer.from_pretrained() if restorer is None else restorer
        reader = _ArrayReader(values, missing)
        sample = sample_scene(reader, chosen, cast("tuple[int, int]", values.shape[1:]), largest=_SAMPLE)
        if sample.is_empty:
            return array.copy()
        profile = scene_profile(options.scaling, array.dtype, sample.values)
        places = sample.fullest(16)
        filled = [
            np.where(sample.pixels[place].valid, sample.pixels[place].values, sample.level[:, None, None])
            for place in places
        ]
        context = restorer.context(np.stack([profile.to_unit(part) for part in filled]))
        block = _Block(restorer, context, profile, sample.level, chosen, missing, options.strength)
        side, depth = round_up(options.tile, restorer.grid), round_up(options.halo, restorer.grid)
        restored = _mapped(values, block, side, depth)
        return array.copy(data=restored if array.ndim == 3 else restored[0])


def _mapped(values: Any, block: _Block, side: int, depth: int) -> Any:
    """Restore an array chunk by chunk, each with its halo; chunks that are at the edge have none there."""
    pieces = [_joined(length, side, depth) for length in values.shape[1:]]
    lazy = da.asarray(values).rechunk((values.shape[0], *pieces))  # type: ignore[no-untyped-call]
    return da.map_overlap(  # type: ignore[no-untyped-call]
        block,
        lazy,
        # An axis in one piece has no neighbour, and dask wants none that is shorter than the halo.
        depth={0: 0} | {axis + 1: depth if len(lengths) > 1 else 0 for axis, lengths in enumerate(pieces)},
        boundary="none",
        dtype=values.dtype,
        meta=np.empty((0, 0, 0), values.dtype),
    )


def _joined(length: int, side: int, depth: int) -> tuple[int, ...]:
    """Cut a length into pieces of `side`, none of them shorter than the halo: that reaches into one neighbour only."""
    side = max(side, depth)
    pieces = [min(side, length - start) for start in range(0, length, side)]
    if len(pieces) > 1 and pieces[-1] < depth:
        last = pieces.pop()
        pieces[-1] += last
    return tuple(pieces)


@dataclass(slots=True)
class _Block:
    """Restores one chunk with its halo."""

    restorer: Restorer
    context: Context
    profile: IntensityProfile
    level: npt.NDArray[np.float64]
    numbers: tuple[int, ...]
    nodata: float | None
    strength: float
    _network: threading.Lock = field(default_factory=threading.Lock)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __dask_tokenize__(self) -> str:
        return self._token  # weights need not be hashed to name a task

    def __getstate__(self) -> tuple[object, ...]:
        """Leave the lock behind when a worker elsewhere gets this."""
        return (
            self.restorer, self.context, self.profile, self.level, self.numbers, self.nodata, self.strength, self._token
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (
            self.restorer, self.context, self.profile, self.level, self.numbers, self.nodata, self.strength, self._token
        ) = state  # fmt: skip
        self._network = threading.Lock()

    def __call__(self, block: npt.NDArray[Any]) -> npt.NDArray[Any]:
        places = [number - 1 for number in self.numbers]
        stored = block[places]
        valid = valid_elements(stored, self.nodata)
        if not valid.any():
            return block
        values = np.where(valid, stored, self.level[:, None, None]).astype(np.float64)
        before = self.profile.to_unit(values)
        with self._network:  # one call already uses the whole processor or device
            after = self.restorer.restore_batch(before[None], self.context)[0]
        restored = self.profile.apply(values, before, after, strength=self.strength)
        result = block.copy()
        changed = valid & (restored != values)
        result[places] = np.where(changed, to_stored(restored, block.dtype, self.nodata), stored)
        return result


class _ArrayReader:
    """Reads windows of an array, as of a scene."""

    def __init__(self, values: Any, nodata: float | None) -> None:
        self._values, self._nodata = values, nodata

    def read(self, numbers: Sequence[int], window: Window) -> Pixels:
        """Read bands in a window; see :class:`SceneReader`."""
        rows, columns = window.slices
        part = np.asarray(self._values[[number - 1 for number in numbers], rows, columns])
        return Pixels(part, valid_elements(part, self._nodata))


def _check_image(array: xr.DataArray) -> None:
    if array.ndim not in (2, 3) or array.dtype.kind not in "iuf" or 0 in array.shape:
        raise InputError(
            ErrorCode.UNSUPPORTED,
            f"a raster is an array of numbers, (y, x) or (band, y, x), not {array.dtype} with {array.dims}",
            remedy="Choose one time or variable first, and move the bands to the front",
        )


def _chosen(array: xr.DataArray, bands: tuple[int, ...] | None) -> tuple[int, ...]:
    count = array.shape[0] if array.ndim == 3 else 1
    if bands is None:
        if count not in (1, 3):
            raise OptionError(
                ErrorCode.OPTION,
                f"one band or three are restored, and the array has {count}",
                where="bands",
                remedy="Name them: bands=(4, 3, 2)",
            )
        return tuple(range(1, count + 1))
    if not all(1 <= number <= count for number in bands):
        raise OptionError(ErrorCode.OPTION, f"bands are numbered from 1 to {count}, not {bands}", where="bands")
    return bands


def _missing(array: xr.DataArray) -> float | None:
    """Return the value of missing data that an array names; none where they were made NaN on opening."""
    value = array.attrs.get("_FillValue", array.attrs.get("nodata"))
    return None if value is None else float(value)
