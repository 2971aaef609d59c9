"""Pictures inside a page: every value exactly enough to be measured again, and one still picture for all cases."""

from __future__ import annotations

import base64
import io
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import missing_package

if TYPE_CHECKING:
    from datprl_toolkit.reports.report import Part, Shown

LONGEST_SIDE = 768
STILL_SIDE = 320
LEVELS = 65534
ABSENT = 32767  # marks what is no data

# Red for more, blue for less, white for no change: ColorBrewer's RdBu, which people of all colour visions tell apart.
DIVERGING = (
    (5, 48, 97), (33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (255, 255, 255),
    (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43), (103, 0, 31),
)  # fmt: skip


def encode_shown(shown: Shown) -> dict[str, Any]:
    """Return what a script needs to draw a pair of images from their values.

    Both are turned into 16-bit numbers on one scale; whole numbers stay exact, others within 1/131068 of their
    range. Before is kept as differences from the pixel at the left, after as differences from before; bytes are
    compressed by zlib.
    """
    step = max(1, -(-max(shown.before.shape[:2]) // LONGEST_SIDE))
    before, after = (_planes(image[::step, ::step]) for image in (shown.before, shown.after))
    scale, offset = _scale(before, after)
    numbers = [[_quantise(plane, scale, offset) for plane in planes] for planes in (before, after)]
    return {
        "title": shown.title,
        "frame": shown.frame,
        "origin": list(shown.origin),
        "step": step,
        "height": int(before.shape[1]),
        "width": int(before.shape[2]),
        "scale": scale,
        "offset": offset,
        "before": [_packed(_from_left(plane)) for plane in numbers[0]],
        "after": [_packed(second - first) for first, second in zip(*numbers, strict=True)],
    }


def _planes(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return (1, H, W) or (3, H, W)."""
    planes = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0)
    return planes.astype(np.float64)


def _scale(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return scale and offset with which the values of both become 16-bit numbers."""
    values = np.concatenate([before.ravel(), after.ravel()])
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 1.0, 0.0
    low, high = float(values.min()), float(values.max())
    if high - low <= LEVELS and np.array_equal(values, np.rint(values)):
        return 1.0, float(np.floor((low + high) / 2))
    return max((high - low) / LEVELS, 1e-30), (low + high) / 2


def _quantise(plane: npt.NDArray[np.float64], scale: float, offset: float) -> npt.NDArray[np.int32]:
    known = np.isfinite(plane)
    numbers = np.rint((np.where(known, plane, offset) - offset) / scale)
    return np.where(known, np.clip(numbers, -ABSENT, ABSENT), ABSENT + 1).astype(np.int32)


def _from_left(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the first number and the step to each next one, row after row as one line."""
    steps = np.diff(numbers.ravel(), prepend=0)
    return steps.astype(np.int32)


def _packed(numbers: npt.NDArray[np.int32]) -> str:
    """Compress small signed numbers: sign in the lowest bit, high bytes before low bytes."""
    wrapped = ((numbers.ravel() + 32768) % 65536 - 32768).astype(np.int32)
    folded = np.where(wrapped < 0, -2 * wrapped - 1, 2 * wrapped).astype(np.uint16)
    planes = (folded >> 8).astype(np.uint8).tobytes() + (folded & 255).astype(np.uint8).tobytes()
    return base64.b64encode(zlib.compress(planes, 9)).decode("ascii")


def still_picture(part: Part, shown: Shown) -> str:
    """Return before, after and difference side by side as the data of an ``img`` element."""
    try:
        from PIL import Image
    except ImportError as error:
        package = "pillow"
        raise missing_package(package, "cli", "to draw a report") from error

    step = max(1, -(-max(shown.before.shape[:2]) // STILL_SIDE))
    before, after = shown.before[::step, ::step], shown.after[::step, ::step]
    change = after - before
    change = change.mean(axis=-1) if change.ndim == 3 else change
    panels = [_grey(before, part), _grey(after, part), colour_change(change, part.measured.change.shown)]
    gap = np.full((before.shape[0], 4, 3), 128, np.uint8)
    picture = np.concatenate([panels[0], gap, panels[1], gap, panels[2]], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _grey(image: npt.NDArray[np.float32], part: Part) -> npt.NDArray[np.uint8]:
    scaled = np.clip((image - part.low) / (part.high - part.low), 0.0, 1.0)
    scaled = 1.0 - scaled if part.inverted else scaled
    levels = np.where(np.isfinite(scaled), np.rint(255 * scaled), 128).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1) if levels.ndim == 2 else levels


def colour_change(change: npt.NDArray[np.floating], limit: float) -> npt.NDArray[np.uint8]:
    """Return signed changes as colours, (H, W, 3): white at 0, the ends of the map at -limit and limit."""
    place = np.nan_to_num(np.clip(change / limit, -1.0, 1.0), nan=0.0)
    place = (place + 1.0) * (len(DIVERGING) - 1) / 2
    table = np.array(DIVERGING, dtype=np.float64)
    low = np.minimum(np.floor(place).astype(np.int64), len(DIVERGING) - 2)
    share = (place - low)[..., None]
    colours: npt.NDArray[np.uint8] = np.rint(table[low] * (1 - share) + table[low + 1] * share).astype(np.uint8)
    return colours
