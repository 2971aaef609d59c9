"""Perceptual quality of photographs, by ``pyiqa``: NIQE, MUSIQ, MANIQA and CLIP-IQA of an image, FID of a set.

The models behind these figures were trained on photographs; of medical and of satellite images they say nothing.
``pyiqa`` downloads their weights the first time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, WeightsError, missing_package
from datprl_toolkit.evaluation.scores import Interval, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    import numpy.typing as npt

OF_IMAGES = ("niqe", "musiq", "maniqa", "clipiqa")
OF_SETS = ("fid",)
PERCEPTUAL = (*OF_IMAGES, *OF_SETS)


class Perceptual:
    """Computes the figures of one set after the other; a context, for FID keeps the images in a temporary folder.

    Parameters
    ----------
    names
        Of :data:`PERCEPTUAL`.
    device
        Where the models run.

    Raises
    ------
    OptionError
        ``E_OPTION`` for another name.
    ResourceError
        ``E_DEPENDENCY`` if pyiqa is not installed.
    WeightsError
        ``E_WEIGHTS`` if the weights of a model cannot be had.
    """

    def __init__(self, names: Sequence[str], device: str = "cpu") -> None:
        unknown = [name for name in names if name not in PERCEPTUAL]
        if unknown:
            raise OptionError(
                ErrorCode.OPTION, f"there is no figure '{unknown[0]}'", remedy=f"There are {', '.join(PERCEPTUAL)}"
            )
        self.version, make = _package(names)
        self._metrics = {name: _make(make, name, device) for name in dict.fromkeys(names)}
        self._folder = tempfile.TemporaryDirectory(prefix="datprl-fid-")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def of_image(self, image: npt.NDArray[np.uint8], part: str) -> dict[str, float]:
        """Return the figures of an image (H, W, 3), and keep it as one of a `part` of its set."""
        import torch

        self.keep(image, part)
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div(255.0)[None]
        return {name: _value(name, self._metrics[name], tensor) for name in OF_IMAGES if name in self._metrics}

    def of_set(self) -> dict[str, Summary]:
        """Return the figures of the set whose images were kept since the last call, against its truth."""
        place = Path(self._folder.name)
        figures = {}
        for name in OF_SETS:
            if name in self._metrics:
                values = {
                    part: _value(name, self._metrics[name], str(place / part), str(place / "truth"))
                    for part in ("restored", "degraded")
                    if (place / part).is_dir()
                }
                figures[name] = _summary(values)
        self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(prefix="datprl-fid-")
        return figures

    def keep(self, image: npt.NDArray[np.uint8], part: str) -> None:
        """Keep an image (H, W, 3) for the figures of its set, as one of "restored", "degraded" or "truth"."""
        from PIL import Image

        if not any(name in self._metrics for name in OF_SETS):
            return
        folder = Path(self._folder.name) / part
        folder.mkdir(exist_ok=True)
        self._count += 1
        Image.fromarray(image).save(folder / f"{self._count:06d}.png")


def _package(names: Sequence[str]) -> tuple[str, Callable[..., Any]]:
    """Return the version of pyiqa, and what makes its metrics."""
    try:
        import pyiqa
    except ImportError as error:
        raise missing_package("pyiqa", "perceptual", f"to compute {', '.join(names)}") from error
    return pyiqa.__version__, pyiqa.create_metric


def _make(make: Callable[..., Any], name: str, device: str) -> Any:
    try:
        return make(name, device=device)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            ErrorCode.WEIGHTS,
            f"pyiqa cannot make '{name}': {reason}",
            remedy="It downloads its weights the first time; run it once where that is possible",
        ) from error


def _value(name: str, metric: Any, *images: Any) -> float:
    # Those of sets read folders; worker processes would be slower to start than to be useful.
    options: Mapping[str, Any] = {"num_workers": 0, "verbose": False} if name in OF_SETS else {}
    try:
        return float(metric(*images, **options))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            ErrorCode.UNSUPPORTED, f"pyiqa cannot compute '{name}' of these images: {reason}", where=name
        ) from error


def _summary(values: Mapping[str, float]) -> Summary:
    """Return a figure of a set: one number, so that there is no interval."""
    unknown = float("nan")
    after = values["restored"]
    if "degraded" not in values:
        return Summary(Interval(after, unknown, unknown), None, None)
    before = values["degraded"]
    change = Interval(after - before, unknown, unknown)
    return Summary(Interval(after, unknown, unknown), Interval(before, unknown, unknown), change)
