"""Tiles over an image: cores that cover it once, each read with a halo that is thrown away."""

from __future__ import annotations

from dataclasses import dataclass

from datprl_toolkit.errors import ErrorCode, OptionError


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels: rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index the last two axes of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def relative_to(self, outer: Window) -> Window:
        """Return this window in the coordinates of `outer`."""
        return Window(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    def grown(self, by: int, limit: Window) -> Window:
        """Return the window grown by a number of pixels on each side, as far as `limit` goes."""
        return Window(
            max(self.top - by, limit.top),
            min(self.bottom + by, limit.bottom),
            max(self.left - by, limit.left),
            min(self.right + by, limit.right),
        )


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: what is read and what is kept of it."""

    read: Window
    core: Window


def plan_tiles(area: Window, within: Window, *, tile: int, halo: int, grid: int) -> list[Tile]:
    """Cut an area into tiles.

    Parameters
    ----------
    area
        What has to be covered, each pixel by exactly one core. Its corner must lie on the grid.
    within
        What can be read for halos.
    tile
        Edge of a core, in pixels; rounded up to the grid.
    halo
        Pixels read around a core; rounded up to the grid, so that the network sees every tile on its grid.
    grid
        The network's grid, in pixels.

    Raises
    ------
    OptionError
        ``E_OPTION`` for a tile smaller than 1 or a negative halo.
    """
    if tile < 1 or halo < 0:
        raise OptionError(
            ErrorCode.OPTION, f"tiles need a positive size and a halo of 0 or more, not {tile} and {halo}"
        )
    step = round_up(tile, grid)
    margin = round_up(halo, grid)
    tiles = []
    for top in range(area.top, area.bottom, step):
        for left in range(area.left, area.right, step):
            core = Window(top, min(top + step, area.bottom), left, min(left + step, area.right))
            tiles.append(Tile(core.grown(margin, within), core))
    return tiles


def round_up(number: int, grid: int) -> int:
    """Return the next multiple of the grid."""
    return -(-number // grid) * grid


def sample_windows(height: int, width: int, *, size: int, count: int, grid: int = 1) -> list[Window]:
    """Spread windows of one size evenly over an image: a stratified sample of its tiles.

    Parameters
    ----------
    height, width
        Size of the image.
    size
        Edge of the windows; smaller where the image is.
    count
        How many are wanted at the most.
    grid
        Corners lie on multiples of this.
    """
    window_height, window_width = min(size, height), min(size, width)
    rows_possible = max(1, height // window_height)
    columns_possible = max(1, width // window_width)
    ratio = (height / width * count) ** 0.5
    rows = min(rows_possible, max(1, round(ratio)))
    columns = min(columns_possible, max(1, count // rows))
    rows = min(rows_possible, max(1, count // columns))
    windows = []
    for row in range(rows):
        for column in range(columns):
            top = _place(row, rows, height - window_height, grid)
            left = _place(column, columns, width - window_width, grid)
            windows.append(Window(top, top + window_height, left, left + window_width))
    return windows


def _place(index: int, number: int, room: int, grid: int) -> int:
    """Return the corner of one of a number of windows spread over the room that they can move in."""
    position = room // 2 if number == 1 else round(index * room / (number - 1))
    return position // grid * grid
