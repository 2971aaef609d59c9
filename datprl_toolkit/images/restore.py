"""Restore pictures: file to file, or folder to folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.files import check_absent, check_apart, staged_file, staged_folder
from datprl_toolkit.images.picture import WRITABLE, Picture, check_writable, read_picture, write_picture
from datprl_toolkit.restoring import Comparison, Outcome, Progress, ProgressCallback, Restorer, silent
from datprl_toolkit.restoring.resize import enlarge

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"RIFF", b"P5", b"P6")


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How pictures are restored.

    Parameters
    ----------
    strength
        Share of the network's change that is applied, 0 to 1.
    scale
        Factor of enlargement.
    tile, halo
        Edge of a tile and pixels read around it, for large pictures.
    overwrite
        Whether an existing output may be replaced.
    skip_errors
        Whether pictures that cannot be read are left out, with a warning, rather than ending the job.
    """

    strength: float = 1.0
    scale: int = 1
    tile: int = 512
    halo: int = 64
    overwrite: bool = False
    skip_errors: bool = False


def is_image(path: Path) -> bool:
    """Tell whether a file is a picture, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(12)
    return start.startswith(MAGIC) and (not start.startswith(b"RIFF") or start[8:12] == b"WEBP")


def restore_images(
    source: Path,
    destination: Path,
    restorer: Restorer,
    options: ImageOptions = ImageOptions(),
    progress: ProgressCallback = silent,
) -> Outcome:
    """Restore a picture, or every picture of a folder and its subfolders under the same names.

    Raises
    ------
    InputError
        If a picture cannot be read, or a folder holds none.
    OutputError
        If the output exists and may not be replaced, or cannot be written.
    """
    check_apart(source, destination)
    if source.is_dir():
        return _restore_folder(source, destination, restorer, options, progress)
    check_writable(destination)
    check_absent(destination, overwrite=options.overwrite)
    picture = read_picture(source)
    restored = restore_picture(picture, restorer, options, progress)
    with staged_file(destination, overwrite=options.overwrite) as temporary:
        write_picture(temporary, restored)
    comparison = _compare(picture, restored, options.scale, source.name)
    return Outcome(destination, "1 picture restored", _lost_alpha(picture, destination), (comparison,))


def _restore_folder(
    source: Path, destination: Path, restorer: Restorer, options: ImageOptions, progress: ProgressCallback
) -> Outcome:
    check_absent(destination, overwrite=options.overwrite)
    paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in WRITABLE and p.is_file())
    if not paths:
        raise InputError(ErrorCode.EMPTY, "the folder holds no pictures", where=source)
    warnings: list[str] = []
    comparisons: list[Comparison] = []
    done = 0
    with staged_folder(destination, overwrite=options.overwrite) as folder:
        for number, path in enumerate(paths, start=1):
            try:
                picture = read_picture(path)
            except DatprlError as error:
                if not options.skip_errors:
                    raise
                warnings.append(f"W_SKIPPED: {error}")
                continue
            restored = restore_picture(picture, restorer, options, silent)
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_picture(target, restored)
            done += 1
            if len(comparisons) < 3:
                comparisons.append(_compare(picture, restored, options.scale, path.name))
            progress(Progress("restoring", number, len(paths), "pictures"))
        if not done:
            raise InputError(ErrorCode.EMPTY, "none of the folder's pictures could be read", where=source)
    return Outcome(destination, f"{done} pictures restored", tuple(warnings), tuple(comparisons))


def restore_picture(
    picture: Picture,
    restorer: Restorer,
    options: ImageOptions = ImageOptions(),
    progress: ProgressCallback = silent,
) -> Picture:
    """Restore one picture in memory; transparency is enlarged with it, metadata stay.

    Raises
    ------
    DatprlError
        As :meth:`datprl_toolkit.restoring.Restorer.restore`.
    """
    pixels = restorer.restore(
        picture.pixels,
        scale=options.scale,
        strength=options.strength,
        tile=options.tile,
        halo=options.halo,
        progress=progress,
    )
    alpha = picture.alpha
    if alpha is not None and options.scale > 1:
        alpha = alpha.repeat(options.scale, axis=0).repeat(options.scale, axis=1)
    return Picture(pixels, alpha, picture.metadata)


def _lost_alpha(picture: Picture, destination: Path) -> tuple[str, ...]:
    if picture.alpha is None or WRITABLE[destination.suffix.lower()] in ("PNG", "WEBP"):
        return ()
    return (f"W_ALPHA: the format of {destination.name} has no transparency; it was dropped",)


def _compare(picture: Picture, restored: Picture, scale: int, title: str) -> Comparison:
    high = float(np.iinfo(np.uint16).max if picture.pixels.dtype == np.uint16 else np.iinfo(np.uint8).max)
    before: npt.NDArray[np.float32] = picture.pixels.astype(np.float32)
    if scale > 1:
        planes = before[None] if before.ndim == 2 else np.moveaxis(before, -1, 0)
        larger = np.clip(enlarge(np.ascontiguousarray(planes), scale), 0, high)
        before = larger[0] if before.ndim == 2 else np.moveaxis(larger, 0, -1)
    return Comparison(before, restored.pixels.astype(np.float32), 0.0, high, "grey levels", title)
