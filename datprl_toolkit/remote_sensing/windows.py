"""Arithmetic of windows that scenes need beyond that of tiles: grids of two resolutions, and GDAL's form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datprl_toolkit.restoring.tiling import Window

if TYPE_CHECKING:
    from collections.abc import Iterator


def whole(shape: tuple[int, int]) -> Window:
    """Return the window of a whole image of (height, width)."""
    return Window(0, shape[0], 0, shape[1])


def split(area: Window, size: int) -> Iterator[Window]:
    """Cut `area` into squares of `size` from its upper left corner, row by row; the last ones are smaller."""
    for top in range(area.top, area.bottom, size):
        for left in range(area.left, area.right, size):
            yield Window(top, min(top + size, area.bottom), left, min(left + size, area.right))


def coarse(window: Window, factor: int) -> Window:
    """Return the smallest window of a grid `factor` times coarser that covers `window`."""
    return Window(window.top // factor, -(-window.bottom // factor), window.left // factor, -(-window.right // factor))


def fine(window: Window, factor: int) -> Window:
    """Return the window of a grid `factor` times finer that covers the same ground."""
    return Window(window.top * factor, window.bottom * factor, window.left * factor, window.right * factor)


def margins(outer: Window, core: Window) -> tuple[int, int, int, int]:
    """Return the pixels of `outer` above, below, left and right of `core`."""
    return core.top - outer.top, outer.bottom - core.bottom, core.left - outer.left, outer.right - core.right


def describe(window: Window) -> str:
    """Name a window for a person, counted from 0."""
    return f"rows {window.top} to {window.bottom - 1}, columns {window.left} to {window.right - 1}"


def as_rasterio(window: Window) -> Any:  # rasterio has no types
    """Return the window as rasterio takes it."""
    from rasterio.windows import Window as RasterWindow

    return RasterWindow(window.left, window.top, window.width, window.height)
