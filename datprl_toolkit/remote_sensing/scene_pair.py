"""A scene and what was made from it, read back together: what belongs to what, and whether the rest was kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.remote_sensing.bands import choose_bands
from datprl_toolkit.remote_sensing.provenance import PREFIX
from datprl_toolkit.remote_sensing.scene import Scene
from datprl_toolkit.remote_sensing.windows import split, whole
from datprl_toolkit.restoring.checks import Check

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from affine import Affine

    from datprl_toolkit.remote_sensing.reading import Pixels
    from datprl_toolkit.restoring.tiling import Window

LARGEST_FACTOR = 4
LARGEST_SHIFT = 1e-6  # of a pixel
WRITTEN_DIGITS = 1e-5  # relative: the window is written with six digits
WINDOW_SIDE = 1024
MOST_WINDOWS = 400
_SCALING = re.compile(r"stored values (\S+) to (\S+) as ")


@dataclass(frozen=True, slots=True)
class ScenePair:
    """A scene before and after.

    Parameters
    ----------
    before, after
        The scenes.
    factor
        Enlargement.
    written
        Number of the band before from which each band after comes.
    restored
        Numbers of the bands before that were restored.
    window
        Stored values outside which nothing may change; None where the result does not say.
    made
        What the result says about how it was made, by the names of its metadata items without prefix.
    """

    before: Scene
    after: Scene
    factor: int
    written: tuple[int, ...]
    restored: tuple[int, ...]
    window: tuple[float, float] | None
    made: dict[str, str]

    def windows(self) -> tuple[list[Window], int]:
        """Return the windows of the result that are compared, and how many there are in all."""
        every = list(split(whole(self.after.grid.shape), WINDOW_SIDE))
        if len(every) <= MOST_WINDOWS:
            return every, len(every)
        chosen = [every[place * len(every) // MOST_WINDOWS] for place in range(MOST_WINDOWS)]
        return chosen, len(every)

    def place(self, number: int) -> int:
        """Return the number of the band after that comes from a band before."""
        return self.written.index(number) + 1


def match_scenes(before: Path, after: Path) -> ScenePair:
    """Pair a scene with its result.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if the result has another size or other bands; else as :meth:`Scene.open`.
    """
    first, second = Scene.open(before), Scene.open(after)
    made = {key.removeprefix(PREFIX): value for key, value in second.tags.get("", {}).items() if key.startswith(PREFIX)}
    factor = second.grid.height // first.grid.height
    rows, columns = first.grid.shape
    if not 1 <= factor <= LARGEST_FACTOR or second.grid.shape != (rows * factor, columns * factor):
        raise _mismatch(f"{columns} x {rows} pixels before, {second.grid.width} x {second.grid.height} after", after)
    restored = _restored(first, made)
    alpha = () if first.alpha is None else (first.alpha,)
    every = tuple(band.number for band in first.bands)
    written = every if len(second.bands) == len(every) else (*restored, *alpha)
    if len(written) != len(second.bands):
        raise _mismatch(f"{len(every)} bands before, {len(second.bands)} after", after)
    return ScenePair(first, second, factor, written, restored, _window(made), made)


def _mismatch(what: str, where: Path) -> InputError:
    return InputError(
        ErrorCode.MISMATCH,
        f"the scenes do not belong together: {what}",
        where=where,
        remedy="Give the original and what was made from it",
    )


def _restored(scene: Scene, made: dict[str, str]) -> tuple[int, ...]:
    """Return which bands were restored: those that the result names, else those that would be."""
    words = made.get("BANDS", "").split(",")
    numbers = tuple(int(word) for word in words if word.isdecimal())
    possible = {band.number for band in scene.image_bands}
    if numbers and set(numbers) <= possible:
        return numbers
    return choose_bands(scene).numbers


def _window(made: dict[str, str]) -> tuple[float, float] | None:
    found = _SCALING.match(made.get("SCALING", ""))
    if found is None:
        return None
    try:
        return float(found[1]), float(found[2])
    except ValueError:
        return None


def check_grid(pair: ScenePair) -> list[Check]:
    """Check that the result lies where its source lies, and stores its values the same way."""
    before, after = pair.before, pair.after
    expected = before.grid.enlarged(pair.factor)
    enlarged = f", x{pair.factor}" if pair.factor > 1 else ""
    size = (
        f"{before.grid.width} x {before.grid.height} before, {after.grid.width} x {after.grid.height} after{enlarged}"
    )
    bands = [after.bands[place] for place in range(len(pair.written))]
    scaled = sum(
        (band.scale, band.offset) == (before.band(number).scale, before.band(number).offset)
        for band, number in zip(bands, pair.written, strict=True)
    )
    points = len(expected.control_points)
    return [
        Check("Size", True, size),
        Check("Reference system", expected.crs == after.grid.crs, _name_of(after)),
        _check_transform(expected.transform, after.grid.transform),
        Check("Ground control points", points == len(after.grid.control_points), f"{points} before, "
              f"{len(after.grid.control_points)} after"),
        Check("RPCs", (expected.rpcs is None) == (after.grid.rpcs is None), "present" if after.grid.rpcs else "none"),
        Check("Stored type", before.dtype == after.dtype, f"{before.dtype} before, {after.dtype} after"),
        Check("Nodata value", _same_value(before.nodata, after.nodata), f"{before.nodata} and {after.nodata}"),
        Check("Scale and offset of bands", scaled == len(bands), f"as in the source in {scaled} of {len(bands)} bands"),
        Check("Says how it was made", bool(pair.made), f"{len(pair.made)} metadata items of this package"),
    ]  # fmt: skip


def _name_of(scene: Scene) -> str:
    crs = scene.grid.crs
    if crs is None:
        return "none"
    code = crs.to_epsg()
    return f"EPSG:{code}" if code is not None else "one without EPSG code"


def _check_transform(expected: Affine | None, found: Affine | None) -> Check:
    if expected is None or found is None:
        return Check("Transform", expected is found, "none" if found is None else "only one has a transform")
    pixel = max(abs(expected.a), abs(expected.b), abs(expected.d), abs(expected.e))
    shift = max(abs(mine - other) for mine, other in zip(expected[:6], found[:6], strict=True)) / pixel
    corner = f"corner {found.c:.10g}, {found.f:.10g}, pixel {abs(found.a) or abs(found.b):.8g}"
    return Check("Transform", shift <= LARGEST_SHIFT, f"{corner}; largest difference {shift:.2g} pixels")


def _same_value(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (np.isnan(one) and np.isnan(other))


class ScenePixelChecks:
    """Collects, window after window, whether what must not change has not changed; for results of the same grid."""

    def __init__(self, pair: ScenePair) -> None:
        self._pair = pair
        self._invalid = self._moved = 0
        self._outside = self._outside_changed = 0
        self._copied = self._copied_changed = 0

    def add(self, before: Pixels, after: Pixels) -> None:
        """Look at a window of all bands of the result, (C, H, W), in the result's order."""
        for place, number in enumerate(self._pair.written):
            first, second = before.values[place], after.values[place]
            invalid = ~before.valid[place]
            self._invalid += int(invalid.sum())
            self._moved += int((before.valid[place] != after.valid[place]).sum())
            changed = ~_identical(first, second)
            if number not in self._pair.restored:
                self._copied += first.size
                self._copied_changed += int(changed.sum())
            elif self._pair.window is not None:
                low, high = self._pair.window
                margin = WRITTEN_DIGITS * max(abs(low), abs(high))
                values = first.astype(np.float64)
                outside = before.valid[place] & ((values < low - margin) | (values > high + margin))
                self._outside += int(outside.sum())
                self._outside_changed += int((changed & outside).sum())

    def checks(self) -> list[Check]:
        """Return what was found."""
        pair = self._pair
        names = ("Pixels without data", "Values outside the window untouched", "Bands not restored untouched")
        if pair.factor > 1:
            return [Check(name, None, "the result is enlarged, so that no pixel is the same") for name in names]
        found = [
            Check(
                names[0], self._moved == 0, f"{self._moved:,} elements differ from the {self._invalid:,} of the source"
            )
        ]
        if pair.window is None:
            found.append(Check(names[1], None, "the result does not say which window was used"))
        else:
            place = f"{self._outside:,} outside {pair.window[0]:g} to {pair.window[1]:g}"
            words = f"{self._outside_changed:,} of {place} differ in a bit"
            found.append(Check(names[1], self._outside_changed == 0, words))
        if self._copied:
            words = f"{self._copied_changed:,} of {self._copied:,} elements differ in a bit"
            found.append(Check(names[2], self._copied_changed == 0, words))
        return found


def _identical(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Return where two arrays of one type hold the same bits; NaN equals itself."""
    if first.dtype != second.dtype:
        return np.zeros(first.shape, dtype=np.bool_)
    kind = np.dtype(f"u{first.dtype.itemsize}")
    same: npt.NDArray[np.bool_] = np.ascontiguousarray(first).view(kind) == np.ascontiguousarray(second).view(kind)
    return same
