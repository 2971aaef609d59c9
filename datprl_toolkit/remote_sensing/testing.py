"""For tests, of this package and of others: small scenes, and networks whose answer is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import rasterio
import torch
from affine import Affine

from datprl_toolkit.remote_sensing.raster_reading import quiet_opening
from datprl_toolkit.restoring import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from rasterio.enums import ColorInterp

    from datprl_toolkit.restoring import Grouping, Restorer


def photograph(bands: int, height: int, width: int, dtype: str = "uint8", seed: int = 0) -> npt.NDArray[Any]:
    """Return (bands, height, width) with the smoothness and noise of a photograph.

    Integers lie between 1 and 10 000 or the largest value of their type, floating-point values between 0.01 and 1.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = 0.5 + 0.25 * np.sin(rows / 17.0) + 0.2 * np.cos(columns / 23.0)
    image = np.stack([smooth * (0.7 + 0.1 * (band % 4)) for band in range(bands)])
    image = np.clip(image + rng.normal(0, 0.03, image.shape), 0.01, 1.0)
    if np.dtype(dtype).kind == "f":
        return image.astype(dtype)
    integers: npt.NDArray[Any] = np.rint(image * min(np.iinfo(dtype).max, 10_000)).astype(dtype)
    return integers


def write_raster(
    path: Path,
    values: npt.NDArray[Any],
    *,
    mask: npt.NDArray[np.uint8] | None = None,
    colours: Sequence[ColorInterp] | None = None,
    descriptions: Sequence[str] | None = None,
    finish: Callable[[Any], None] | None = None,
    **creation: Any,
) -> Path:
    """Write a GeoTIFF and return its path.

    Parameters
    ----------
    path, values
        Where, and what: (bands, height, width).
    mask
        (height, width), 0 where invalid, kept inside the file.
    colours, descriptions
        Of the bands.
    finish
        Called with the open dataset, for whatever else it needs.
    creation
        Options of rasterio; by default 10 m pixels in UTM zone 33.
    """
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype.name,
        "crs": "EPSG:32633",
        "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000),
        **creation,
    }
    with quiet_opening(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as dataset:
        if colours is not None:
            dataset.colorinterp = list(colours)
        dataset.write(values)
        if mask is not None:
            dataset.write_mask(mask)
        if descriptions is not None:
            dataset.descriptions = list(descriptions)
        if finish is not None:
            finish(dataset)
    return path


class _Stub:
    """What a scene needs of a restorer, with an answer that can be computed by hand."""

    grid = 8
    device = torch.device("cpu")
    precision = "float32"
    takes_fields = True
    task: str | None = None
    self_ensemble = False
    card = SimpleNamespace(name="stub", sha256="0" * 64)

    def __init__(self, gain: float) -> None:
        self._gain = np.float32(gain)

    def context(self, images: npt.NDArray[np.float32], grouping: Grouping | None = None) -> Context:
        _check_unit(images, dimensions=4)
        return Context(prompt=None, statistics=())

    def restore_tiled(
        self,
        image: npt.NDArray[np.float32],
        context: object,
        *,
        tile: int,
        halo: int,
        margins: tuple[int, int, int, int],
    ) -> npt.NDArray[np.float32]:
        _check_unit(image, dimensions=3)
        top, bottom, left, right = margins
        if top % self.grid or left % self.grid or tile % self.grid or halo % self.grid:
            raise ValueError(f"margins {margins}, tile {tile} or halo {halo} leave the grid")
        core = image[:, top : image.shape[1] - bottom, left : image.shape[2] - right]
        answer: npt.NDArray[np.float32] = np.clip(core + self._gain, np.float32(0), np.float32(1))
        return answer


def _check_unit(images: npt.NDArray[np.float32], *, dimensions: int) -> None:
    if images.ndim != dimensions or images.dtype != np.float32 or images.min() < 0 or images.max() > 1:
        raise ValueError(f"the network was given {images.dtype} of shape {images.shape}, or values outside [0, 1]")


def stub_restorer(gain: float = 0.0) -> Restorer:
    """Return a restorer that adds `gain` to every value in [0, 1]: with 0, one that changes nothing."""
    return cast("Restorer", _Stub(gain))
