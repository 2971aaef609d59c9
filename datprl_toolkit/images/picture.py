"""One picture file: its pixels as an array, and everything else kept to be written back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, missing_package

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

try:
    from PIL import Image as _pillow
    from PIL import ImageOps, UnidentifiedImageError
except ImportError as error:
    package = "pillow"
    raise missing_package(package, "cli", "to read pictures") from error

WRITABLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}
"""Suffixes that can be written, and their formats."""

KEPT = ("icc_profile", "dpi")
JPEG_OPTIONS = {"quality": 95, "subsampling": 0}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in memory.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3), uint8 or uint16.
    alpha
        (H, W), uint8; None for an opaque picture.
    metadata
        What Pillow keeps beside the pixels and can write again: EXIF, colour profile, resolution.
    """

    pixels: npt.NDArray[np.generic]
    alpha: npt.NDArray[np.uint8] | None
    metadata: dict[str, Any]


def read_picture(path: Path) -> Picture:
    """Read one picture, turned upright as its EXIF orientation says.

    Raises
    ------
    InputError
        ``E_MISSING``, ``E_UNKNOWN_FORMAT``, ``E_TRUNCATED`` or ``E_UNSUPPORTED`` (more than one frame).
    """
    try:
        with _pillow.open(path) as opened:
            if getattr(opened, "n_frames", 1) > 1:
                raise InputError(ErrorCode.UNSUPPORTED, "the picture has several frames", where=path)
            opened.load()
            metadata: dict[str, Any] = {key: opened.info[key] for key in KEPT if key in opened.info}
            upright = ImageOps.exif_transpose(opened)
            exif = upright.getexif()
            if exif:
                metadata["exif"] = exif.tobytes()
            return _to_arrays(upright, metadata)
    except FileNotFoundError as error:
        raise InputError(ErrorCode.MISSING, "there is no such file", where=path) from error
    except UnidentifiedImageError as error:
        raise InputError(ErrorCode.UNKNOWN_FORMAT, "the content is no picture that can be read", where=path) from error
    except _pillow.DecompressionBombError as error:
        raise InputError(ErrorCode.UNSUPPORTED, f"the picture is absurdly large: {error}", where=path) from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            ErrorCode.TRUNCATED, f"the picture cannot be decoded to its end: {error}", where=path
        ) from error


def _to_arrays(image: Image.Image, metadata: dict[str, Any]) -> Picture:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
            raise InputError(ErrorCode.UNSUPPORTED, "the picture has grey values beyond 16 bits")
        return Picture(values.astype(np.uint16), None, metadata)
    alpha = None
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    grey = image.mode in ("1", "L", "LA")
    return Picture(np.asarray(image.convert("L" if grey else "RGB")), alpha, metadata)


def check_writable(path: Path) -> str:
    """Return the format that the suffix of `path` names.

    Raises
    ------
    OptionError
        ``E_OPTION`` if no format has this suffix.
    """
    format_name = WRITABLE.get(path.suffix.lower())
    if format_name is None:
        raise OptionError(
            ErrorCode.OPTION,
            f"no picture format has the suffix '{path.suffix}'",
            where=path,
            remedy=f"Use one of {', '.join(WRITABLE)}",
        )
    return format_name


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture in the format of the suffix; 16-bit grey needs PNG."""
    format_name = check_writable(path)
    pixels = picture.pixels
    if pixels.dtype == np.uint16 and format_name != "PNG":
        pixels = np.rint(pixels.astype(np.float64) / 257.0).astype(np.uint8)
    image = _pillow.fromarray(pixels)
    if picture.alpha is not None and format_name in ("PNG", "WEBP"):
        image.putalpha(_pillow.fromarray(picture.alpha))
    options: dict[str, Any] = dict(picture.metadata)
    if format_name == "JPEG":
        options |= JPEG_OPTIONS
    if format_name == "WEBP":
        options |= {"lossless": True}
    image.save(path, format=format_name, **options)
