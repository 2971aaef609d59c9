"""What a picture, or a folder of pictures, is and how it would be restored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import DatprlError, ErrorCode, InputError
from datprl_toolkit.images.picture import WRITABLE, Picture, read_picture
from datprl_toolkit.restoring.inspection import Fact, Finding, Inspected, Inspection, merged
from datprl_toolkit.restoring.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES_NAMED = 5


def inspect_images(source: Path, *, quick: bool = False, progress: ProgressCallback = silent) -> Inspection:
    """Describe a picture, or all pictures of a folder together.

    Parameters
    ----------
    source
        A picture, or a folder that is read with its subfolders.
    quick
        Has no meaning here: a picture is read whole to know that it can be.
    progress
        Told after each picture.

    Raises
    ------
    InputError
        ``E_EMPTY`` if a folder holds no picture, or what is wrong with the only one.
    """
    paths = [source]
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in WRITABLE and path.is_file())
        if not paths:
            raise InputError(ErrorCode.EMPTY, "the folder holds no pictures", where=source)
    kinds: Counter[tuple[str, int, int]] = Counter()
    problems: list[Finding] = []
    refused: list[DatprlError] = []
    for number, path in enumerate(paths, start=1):
        try:
            picture = read_picture(path)
        except DatprlError as error:
            refused.append(error)
        else:
            kinds[_kind(picture)] += 1
            problems.extend(_unusual(picture, path.relative_to(source) if source.is_dir() else Path(path.name)))
        progress(Progress("reading", number, len(paths), "pictures"))
    if not kinds:
        raise refused[0]
    failed = [Finding.of_error(error, source) for error in refused]
    return Inspection(source, (_item(kinds, merged([*failed, *problems]), restorable=not failed),))


def _kind(picture: Picture) -> tuple[str, int, int]:
    colour = "grey" if picture.pixels.ndim == 2 else "colour"
    alpha = " with alpha" if picture.alpha is not None else ""
    return f"{colour} of {picture.pixels.dtype}{alpha}", picture.pixels.shape[0], picture.pixels.shape[1]


def _item(kinds: Counter[tuple[str, int, int]], problems: Sequence[Finding], *, restorable: bool) -> Inspected:
    count = sum(kinds.values())
    sizes = Counter[str]()
    for (_, height, width), number in kinds.items():
        sizes[f"{width} x {height}"] += number
    listed = ", ".join(f"{number} of {size}" if count > 1 else size for size, number in sizes.most_common(SIZES_NAMED))
    more = ", ..." if len(sizes) > SIZES_NAMED else ""
    names = sorted({name for name, _, _ in kinds})
    deep = any(str(np.dtype(np.uint16)) in name for name in names)
    return Inspected(
        number=1,
        kind="images",
        title=f"picture, {listed} pixels" if count == 1 else f"{count} pictures",
        restorable=restorable,
        facts=(
            Fact("count", "pictures", str(count), count),
            Fact("size", "size", f"{listed}{more} pixels", dict(sizes)),
            Fact("values", "values", ", ".join(names), list(names)),
        ),
        treatment=(
            Fact("scaling", "scaling", f"0 to {65535 if deep else 255} as [0, 1]", 65535 if deep else 255),
            Fact(
                "output",
                "output",
                f"a picture in the format of its name ({', '.join(WRITABLE)})"
                if count == 1
                else "a folder of pictures under the same names",
                list(WRITABLE),
            ),
        ),
        problems=tuple(problems),
    )


def _unusual(picture: Picture, name: Path) -> list[Finding]:
    found = []
    if name.suffix.lower() in (".jpg", ".jpeg"):
        found.append(Finding("W_LOSSY", "compressed with loss; its artefacts are restored like content", str(name)))
    if picture.alpha is not None:
        found.append(Finding("W_ALPHA", "transparency is kept in PNG and WebP alone", str(name)))
    return found
