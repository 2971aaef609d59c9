"""The report of pictures: a file and its result, or two folders with files of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError
from datprl_toolkit.images.picture import WRITABLE, Picture, read_picture
from datprl_toolkit.jobs.report_network import describe_network
from datprl_toolkit.reports.bands import BandSums
from datprl_toolkit.reports.gather import Images, Search, Values, measure_noise
from datprl_toolkit.reports.report import Measured, Part, Shown
from datprl_toolkit.restoring.checks import Check
from datprl_toolkit.restoring.progress import Progress
from datprl_toolkit.restoring.resize import enlarge
from datprl_toolkit.restoring.restorer import DEFAULT_HALO, DEFAULT_TILE, SAMPLE_COUNT, SAMPLE_TILE
from datprl_toolkit.restoring.tiling import sample_windows

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.reports.measures import Region
    from datprl_toolkit.reports.report import BandChange, Network
    from datprl_toolkit.restoring import ProgressCallback, Restorer

MOST_PICTURES = 12
WHOLE_SIDE, CROP_SIDE = 768, 512
FLAT_SIZE, EDGE_SIZE = 24, 15
UNIT = "grey levels"


def picture_parts(
    before: Path, after: Path, restorer: Restorer | None, progress: ProgressCallback
) -> tuple[list[Part], tuple[str, ...]]:
    """Compare a picture, or the first pictures of a folder, with its result.

    Returns
    -------
    A part for each picture, at most 12, and a warning if there are more.

    Raises
    ------
    InputError
        ``E_MISMATCH`` if a result has no original or another size; else as
        :func:`datprl_toolkit.images.picture.read_picture`.
    """
    pairs = _pairs(before, after)
    parts = []
    compared = pairs[:MOST_PICTURES]
    for number, (first, second) in enumerate(compared, start=1):
        parts.append(_part(first, second, restorer))
        progress(Progress("comparing", number, len(compared), "pictures"))
    if len(pairs) == len(compared):
        return parts, ()
    line = (
        f"W_SAMPLED: the page compares the first {len(compared)} of {len(pairs)} pictures, in the order of their "
        "names; the others were not looked at"
    )
    return parts, (line,)


def _pairs(before: Path, after: Path) -> list[tuple[Path, Path]]:
    if not before.is_dir() and not after.is_dir():
        return [(before, after)]
    if before.is_dir() != after.is_dir():
        raise _mismatch("one is a folder and the other a picture", after)
    results = sorted(path for path in after.rglob("*") if path.suffix.lower() in WRITABLE and path.is_file())
    if not results:
        raise InputError(ErrorCode.EMPTY, "the folder holds no pictures", where=after)
    pairs = [(before / path.relative_to(after), path) for path in results]
    for original, result in pairs:
        if not original.is_file():
            raise _mismatch("the first folder has no picture of this name", result)
    return pairs


def _mismatch(what: str, where: Path) -> InputError:
    return InputError(
        ErrorCode.MISMATCH,
        f"the inputs do not belong together: {what}",
        where=where,
        remedy="Give the original and what was made from it",
    )


def _part(before: Path, after: Path, restorer: Restorer | None) -> Part:
    original, result = read_picture(before), read_picture(after)
    factor = _factor(original, result, after)
    high = _white(original)
    first, second = _values(original, factor, high), result.pixels.astype(np.float64)
    if original.pixels.dtype != result.pixels.dtype:
        # A format of 8 bits holds 256 of the 65536 levels of its source.
        second = second * (high / _white(result))
    height, width = second.shape[:2]
    measured = _measure(first, second, high)
    enlarged = f", enlarged x{factor}" if factor > 1 else ""
    return Part(
        title=f"{after.name}, {width} x {height} pixels{enlarged}",
        facts=(("Size", f"{width} x {height} pixels{enlarged}"), ("Stored as", str(original.pixels.dtype))),
        unit=UNIT,
        length="px",
        spacing=(1.0, 1.0),
        low=0.0,
        high=high,
        shown=_shown(first, second, measured),
        measured=measured,
        checks=_checks(original, result, factor),
        network=None if restorer is None or factor > 1 else _network(original, high, restorer),
    )


def _white(picture: Picture) -> float:
    """Return the largest value that a picture can hold."""
    return float(np.iinfo(np.uint16 if picture.pixels.dtype == np.uint16 else np.uint8).max)


def _factor(original: Picture, result: Picture, where: Path) -> int:
    """Return by how much a picture was enlarged."""
    rows, columns = original.pixels.shape[:2]
    factor = int(result.pixels.shape[0] // rows)
    if factor < 1 or result.pixels.shape[:2] != (rows * factor, columns * factor):
        made = f"{result.pixels.shape[1]} x {result.pixels.shape[0]}"
        raise _mismatch(f"{columns} x {rows} pixels before, {made} after", where)
    if original.pixels.ndim != result.pixels.ndim:
        raise _mismatch("one is grey and the other in colour", where)
    return factor


def _values(picture: Picture, factor: int, high: float) -> npt.NDArray[np.float64]:
    values = picture.pixels.astype(np.float64)
    if factor == 1:
        return values
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    larger = np.clip(enlarge(np.ascontiguousarray(planes), factor), 0, high).astype(np.float64)
    return larger[0] if values.ndim == 2 else np.moveaxis(larger, 0, -1)


def _measure(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], high: float) -> Measured:
    valid = np.ones(before.shape[:2], dtype=np.bool_)
    images = Images(_grey(before), _grey(after), valid)
    values = Values(0.0, high, 1.0)
    values.add(0, images)
    search = Search(
        flat_size=FLAT_SIZE,
        edge_size=EDGE_SIZE,
        flat_low=0.03 * high,
        flat_high=0.97 * high,
        low=0.0,
        high=high,
        least_step=0.1 * high,
        spacing=(1.0, 1.0),
    )
    regions, noise, edges = measure_noise([(0, images)], search, _place)
    return Measured(
        change=values.change(),
        histogram=values.histogram(),
        regions=regions,
        noise=noise,
        edges=edges,
        bands=tuple(_band(name, Images(first, second, valid)) for name, first, second in _planes(before, after)),
    )


def _grey(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return image if image.ndim == 2 else image.mean(axis=-1)


def _planes(
    before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]
) -> list[tuple[str, npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    if before.ndim == 2:
        return [("grey", before, after)]
    return [(name, before[..., place], after[..., place]) for place, name in enumerate(("red", "green", "blue"))]


def _band(name: str, images: Images) -> BandChange:
    sums = BandSums(name, restored=True)
    sums.add(images.before, images.after, images.valid)
    return sums.result()


def _place(region: Region) -> str:
    return f"row {region.row + region.size // 2}, column {region.column + region.size // 2}"


def _shown(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], measured: Measured) -> tuple[Shown, ...]:
    """Return the whole picture, and of a large one also the part around its largest change at full resolution."""
    first, second = before.astype(np.float32), after.astype(np.float32)
    shown = [Shown("the whole picture", first, second, 0)]
    if max(before.shape[:2]) > WHOLE_SIDE:
        _, row, column = measured.change.largest_at
        top, left = _start(row, before.shape[0]), _start(column, before.shape[1])
        part = (slice(top, top + CROP_SIDE), slice(left, left + CROP_SIDE))
        shown.append(Shown("around the largest change", first[part], second[part], 0, (top, left)))
    return tuple(shown)


def _start(middle: int, length: int) -> int:
    return max(0, min(middle - CROP_SIDE // 2, length - CROP_SIDE))


def _checks(original: Picture, result: Picture, factor: int) -> tuple[Check, ...]:
    rows, columns = original.pixels.shape[:2]
    made = f"{result.pixels.shape[1]} x {result.pixels.shape[0]} after"
    depth = f"{original.pixels.dtype} before, {result.pixels.dtype} after"
    checks = [
        Check("Size", True, f"{columns} x {rows} before, {made}" + (f", x{factor}" if factor > 1 else "")),
        Check("Bit depth", original.pixels.dtype == result.pixels.dtype, depth),
    ]
    if original.alpha is not None:
        kept = result.alpha is not None and factor == 1 and np.array_equal(original.alpha, result.alpha)
        found = "dropped" if result.alpha is None else f"{int(np.sum(original.alpha != result.alpha))} pixels differ"
        checks.append(Check("Transparency", kept if factor == 1 else None, found if factor == 1 else "enlarged"))
    profile = original.metadata.get("icc_profile")
    if profile is not None:
        same = profile == result.metadata.get("icc_profile")
        checks.append(Check("Colour profile", same, f"{len(profile)} bytes, {'the same' if same else 'not the same'}"))
    return tuple(checks)


def _network(original: Picture, high: float, restorer: Restorer) -> Network:
    """Return what the network chooses for a picture, from the windows that restoring takes."""
    planes = original.pixels[None] if original.pixels.ndim == 2 else np.moveaxis(original.pixels, -1, 0)
    values = (planes.astype(np.float64) / high).astype(np.float32)
    height, width = values.shape[-2:]
    if max(height, width) <= DEFAULT_TILE + DEFAULT_HALO:
        return describe_network(restorer, restorer.context(values[None]), "the whole picture")
    windows = sample_windows(height, width, size=SAMPLE_TILE, count=SAMPLE_COUNT, grid=restorer.grid)
    sample = np.stack([values[(slice(None), *window.slices)] for window in windows])
    return describe_network(restorer, restorer.context(sample), f"{len(windows)} windows of the picture")
