"""The curtain: before and after in one picture, parted by a line that a person drags."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Shapes

from napari_datprl.combined import Planes, Wiped, follow
from napari_datprl.comparing import UPTAKE_MAP, Comparison, Pair, layer_beneath
from napari_datprl.viewing import plane_to_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

LINE_WIDTH = 3  # canvas pixels
REACH = 12  # canvas pixels from the line within which a press takes hold of it
LINE_COLOUR = "#ffb000"


class Curtain(Comparison):
    """Before on the left of a line that can be dragged, after on its right."""

    def __init__(self, viewer: Viewer, pair: Pair, share: float = 0.5) -> None:
        super().__init__(viewer, pair)
        self.share = share
        self.moved: Callable[[float], None] = lambda share: None
        self._wiped: list[tuple[Wiped, Image]] = []
        self._line: Any = None

    def _arrange(self) -> None:
        pair = self.pair
        if pair.under is not None:
            self._add(layer_beneath(self, pair.under))
        halves = [self._half(pair.before, "left"), self._half(pair.after, "right")]
        self._line = self._add(self._make_line())
        self._show_only(*(layer for layer in self._added if layer.metadata.get("beneath")), *halves, self._line)
        self.viewer.mouse_drag_callbacks.append(self._drag)
        self._endings.append(lambda: self.viewer.mouse_drag_callbacks.remove(self._drag))
        for layer in (pair.before, pair.after):
            self._endings.append(follow(layer, self._refresh))
        self._redraw_line()
        self.viewer.dims.events.order.connect(self._redraw_line)
        self._endings.append(lambda: self.viewer.dims.events.order.disconnect(self._redraw_line))

    def move(self, share: float) -> None:
        """Put the line at a share of the width, from 0 to 1."""
        self.share = min(max(share, 0.0), 1.0)
        for wiped, _ in self._wiped:
            wiped.move(self.share)
        self._redraw_line()
        self._refresh()

    def _half(self, layer: Image, side: Any) -> Image:
        wiped = Wiped(layer, side, self.share)
        made = self._copy_of(layer, f"{side}: {layer.name}", data=wiped.data, rgb=layer.rgb)
        made.name_overlay.position, made.name_overlay.visible = f"top_{side}", True
        if self.pair.under is not None:
            self._fused_look(made)
            made.colormap = UPTAKE_MAP
        self._wiped.append((wiped, made))
        self._add(made)
        return made

    def _refresh(self) -> None:
        for wiped, layer in self._wiped:
            wiped.forget()
            layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _line_points(self) -> Any:
        """Return the ends of the line in the world: down the axis that is seen vertically, at its column."""
        before, grid = self.pair.before, Planes(self.pair.before).grid
        vertical = max(self.viewer.dims.displayed[-2] - self.viewer.dims.ndim, -len(grid))
        ends = np.zeros((2, len(grid)))
        ends[:, -1] = self.share * grid[-1] - 0.5
        ends[:, vertical] = -0.5, grid[vertical] - 0.5
        return np.array([np.asarray(before.data_to_world(end))[[vertical, -1]] for end in ends])

    def _redraw_line(self, event: Any = None) -> None:
        """Draw the line where it is; along the columns, a picture is on one side of it and has none."""
        self._line.visible = self.viewer.dims.displayed[-1] == self.viewer.dims.ndim - 1
        if self._line.visible:
            self._line.data = [self._line_points()]

    def _make_line(self) -> Any:
        width = LINE_WIDTH / max(self.viewer.scene.camera.zoom, 1e-6)
        line = Shapes(
            [self._line_points()],
            shape_type="line",
            edge_color=LINE_COLOUR,
            edge_width=width,
            name="curtain",
            units=self.pair.before.units[-2:],
        )
        line.editable = False
        return line

    def _drag(self, viewer: Any, event: Any) -> Iterator[None]:
        """Take hold of the line near to which the button was pressed."""
        before, columns = self.pair.before, int(Planes(self.pair.before).grid[-1])

        def share_under_cursor() -> float:
            position = np.asarray(event.position, dtype=float)[-before.ndim :]
            return (float(before.world_to_data(position)[-1]) + 0.5) / columns

        step = np.linalg.norm(np.diff(plane_to_world(before, [[0, 0], [0, columns]]), axis=0))
        distance = abs(share_under_cursor() - self.share) * float(step) * viewer.scene.camera.zoom
        if viewer.dims.ndisplay != 2 or distance > REACH:
            return
        panned, viewer.scene.camera.mouse_pan = viewer.scene.camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                self.move(share_under_cursor())
                self.moved(self.share)
                yield
        finally:
            viewer.scene.camera.mouse_pan = panned
