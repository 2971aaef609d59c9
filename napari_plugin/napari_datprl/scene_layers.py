"""Layers of scenes: lazy levels with the coordinates of the map, and what is needed to restore and to read values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.scenes import scene_levels
from napari_datprl.sources import KEY, SceneSource

if TYPE_CHECKING:
    from datprl_toolkit.remote_sensing import Scene
    from napari_datprl.layers import LayerData
    from napari_datprl.scene_restoration import SceneRestoration

PERCENTILES = (1.0, 99.0)


def scene_layer(path: Path) -> LayerData:
    """Return a scene as an image layer; blocks are read when they are shown.

    The bands are those that a restoration would take. Three of them are shown as colours; stored values of another
    type than uint8 are stretched for the eye alone: the source, and the status bar, keep the stored values.

    Raises
    ------
    InputError
        As :meth:`datprl_toolkit.remote_sensing.Scene.open`.
    """
    from datprl_toolkit.remote_sensing import Scene
    from datprl_toolkit.remote_sensing.bands import choose_bands

    scene = Scene.open(path)
    bands = choose_bands(scene).numbers
    levels = scene_levels(scene, bands)
    source = SceneSource(scene, bands, levels, _window(levels[-1], scene))
    rgb = source.is_coloured
    if rgb and scene.dtype != np.uint8:
        levels = [level.map_blocks(source.stretched, dtype=np.uint8) for level in levels]
    options: dict[str, Any] = {
        "name": path.stem,
        "rgb": rgb,
        "multiscale": len(levels) > 1,
        "metadata": {
            KEY: source,
            "unit": scene.band(bands[0]).unit or "stored value",
            "crs": None if scene.grid.crs is None else scene.grid.crs.to_string(),
        },
        **_place(scene),
    }
    if not rgb:
        options["contrast_limits"] = source.window
    return (levels if len(levels) > 1 else levels[0]), options, "image"


def _place(scene: Scene) -> dict[str, Any]:
    """Return where the scene lies: rows along -y and columns along x of the map, so that north is up.

    napari counts to the centre of a pixel, the transform of a raster to its corner.
    """
    transform = scene.grid.transform
    if transform is None:
        return {}
    a, b, c, d, e, f = transform[:6]
    corner = np.array([[-e, -d, -f], [b, a, c], [0.0, 0.0, 1.0]])
    half = np.eye(3)
    half[:2, 2] = 0.5
    crs = scene.grid.crs
    metres = crs is not None and not crs.is_geographic and str(crs.linear_units) in ("metre", "meter", "m")
    unit = "m" if metres else None
    return {"affine": corner @ half, **({"units": (unit, unit)} if unit else {})}


def map_position(scene: Scene, row: float, column: float) -> tuple[float, float] | None:
    """Return the map coordinates (x, y) of a place in pixels, (0, 0) being the centre of the first."""
    transform = scene.grid.transform
    if transform is None:
        return None
    a, b, c, d, e, f = transform[:6]
    x, y = column + 0.5, row + 0.5
    return a * x + b * y + c, d * x + e * y + f


def _window(coarsest: Any, scene: Scene) -> tuple[float, float]:
    """Return which stored values are shown black and white, from the coarsest level: it is read anyway."""
    if scene.dtype == np.uint8:
        return 0.0, 255.0
    values = np.asarray(coarsest[:: max(1, coarsest.shape[0] // 512), :: max(1, coarsest.shape[1] // 512)])
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if scene.nodata is not None:
        values = values[values != scene.nodata]
    if values.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, PERCENTILES))
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def describe_scene_position(
    source: SceneSource, row: float, column: float, restoration: SceneRestoration | None = None
) -> str:
    """Return the stored values at a place in pixels and its map coordinates, for a person; "" outside.

    With a restoration it says the values before and after, and by how much they differ.
    """
    from datprl_toolkit.remote_sensing.storage import to_stored
    from datprl_toolkit.restoring.tiling import Window

    scene = source.scene
    top, left = round(row), round(column)
    if not (0 <= top < scene.grid.height and 0 <= left < scene.grid.width):
        return ""
    with scene.reader() as reader:
        pixels = reader.read(source.bands, Window(top, top + 1, left, left + 1))
    valid, before = pixels.valid[:, 0, 0], pixels.values[:, 0, 0]
    said = _listed(before, valid)
    change = None if restoration is None else restoration.change_at(top, left)
    if change is not None:
        original = before.astype(np.float64)
        restored = to_stored(original + change, scene.dtype, scene.nodata)
        difference = restored.astype(np.float64) - original
        said = f"original {said}, restored {_listed(restored, valid)}, difference {_listed(difference, valid, '+g')}"
    place = map_position(scene, row, column)
    where = "" if place is None else f", x {place[0]:.2f} y {place[1]:.2f}"
    return f"band{'s' * (len(source.bands) > 1)} {', '.join(map(str, source.bands))}: {said}{where}"


def _listed(values: Any, valid: Any, form: str = "g") -> str:
    return ", ".join(
        f"{value.item():{form}}" if known else "no data" for value, known in zip(values, valid, strict=True)
    )
