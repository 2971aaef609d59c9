"""Ways to look at before and after. Each changes the view when it begins and puts everything back when it ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_datprl.combined import Difference, Planes, follow, symmetric_limit
from napari_datprl.software_rendering import keep_programs
from napari_datprl.status import say_again
from napari_datprl.viewing import TEMPORARY, add_beside, remove_layers, shown_index

if TYPE_CHECKING:
    from napari.viewer import Viewer

WINDOW = ("contrast_limits", "gamma")
LINKED = (*WINDOW, "colormap")
ANATOMY_MAP = "gray"
UPTAKE_MAP = "inferno"
SIGNED_MAP = "PiYG"
CELLS = 2


class Mode(StrEnum):
    """How before and after are looked at."""

    OFF = "Off"
    CURTAIN = "Curtain"
    SIDE_BY_SIDE = "Side by side"
    BLINK = "Blink"
    DIFFERENCE = "Difference"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared.

    Parameters
    ----------
    before, after
        Two layers of one shape.
    under
        A layer shown beneath both, such as the CT beneath a PET; None for none.
    opacity
        Of what is shown above `under`.
    """

    before: Image
    after: Image
    under: Image | None = None
    opacity: float = 0.6


class Comparison:
    """One way of looking, from its beginning to its end.

    Parameters
    ----------
    viewer
        The viewer.
    pair
        What is compared.
    """

    def __init__(self, viewer: Viewer, pair: Pair) -> None:
        keep_programs()
        self.viewer, self.pair = viewer, pair
        self._visible = {layer: layer.visible for layer in viewer.layers}
        self._overlays = {
            layer: (layer.colorbar.visible, layer.colorbar.position, layer.name_overlay.visible)
            for layer in _images(viewer)
        }
        grid = viewer.canvas.grid
        self._grid = (grid.enabled, grid.shape, grid.stride)
        self._scale_bar = viewer.canvas.overlays.scale_bar.visible
        self._look = {layer: (layer.blending, layer.opacity) for layer in (pair.before, pair.after)}
        self._added: list[Any] = []
        self._endings: list[Callable[[], None]] = []
        self._ended = False

    def begin(self) -> None:
        """Change the view.

        Raises
        ------
        OptionError
            ``E_OPTION`` if the two layers do not have the same planes; nothing is changed then.
        """
        _check(self.pair)
        self.viewer.layers.link_layers([self.pair.before, self.pair.after], LINKED)
        self.pair.after.contrast_limits = self.pair.before.contrast_limits
        if not self.pair.before.rgb:
            self.pair.after.colormap = self.pair.before.colormap
        self.viewer.canvas.overlays.scale_bar.visible = True
        # The status bar speaks of the layer in hand: of this one it tells both values.
        self.viewer.layers.selection.active = self.pair.after
        say_again(self.viewer)
        self._arrange()

    def _arrange(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Put everything back."""
        if self._ended:
            return
        self._ended = True
        for ending in self._endings:
            ending()
        remove_layers(self.viewer, self._added)
        with suppress(KeyError, ValueError):
            self.viewer.layers.unlink_layers([self.pair.before, self.pair.after], LINKED)
        grid = self.viewer.canvas.grid
        grid.enabled, grid.shape, grid.stride = self._grid
        self.viewer.canvas.overlays.scale_bar.visible = self._scale_bar
        for layer, (blending, opacity) in self._look.items():
            layer.blending, layer.opacity = blending, opacity
        for layer, (bar, position, name) in self._overlays.items():
            layer.colorbar.visible, layer.colorbar.position, layer.name_overlay.visible = bar, position, name
        for layer, visible in self._visible.items():
            layer.visible = visible

    def set_opacity(self, opacity: float) -> None:
        """Change how much of what lies beneath is seen."""
        if self.pair.under is None:
            return
        for layer in (self.pair.before, self.pair.after, *self._added):
            if isinstance(layer, Image) and not layer.metadata.get("beneath"):
                layer.opacity = opacity

    def _show_only(self, *shown: Any) -> None:
        for layer in self.viewer.layers:
            layer.visible = layer in shown

    def _add(self, layer: Any, index: int | None = None) -> Any:
        """Add a layer that lasts as long as the comparison; the one in hand stays in hand."""
        add_beside(self.viewer, layer, index)
        self._added.append(layer)
        return layer

    def _copy_of(self, layer: Image, name: str, *, data: Any = None, linked: bool = True, **options: Any) -> Image:
        """Return a layer on the grid of `layer`, with its values or others, in its window."""
        options = {"rgb": layer.rgb, **options}
        if not options["rgb"]:
            options.setdefault("colormap", layer.colormap)
            options.setdefault("contrast_limits", tuple(layer.contrast_limits))
        made = Image(
            layer.data if data is None else data,
            name=name,
            scale=layer.scale,
            translate=layer.translate,
            affine=layer.affine,
            units=layer.units,
            axis_labels=layer.axis_labels,
            multiscale=layer.multiscale if data is None else isinstance(data, list),
            metadata={"unit": layer.metadata.get("unit", ""), TEMPORARY: True, **options.pop("metadata", {})},
            **options,
        )
        if linked and not made.rgb:
            self.viewer.layers.link_layers([layer, made], WINDOW)
            self._endings.append(lambda: self._unlink(layer, made))
        return made

    def _unlink(self, first: Image, second: Image) -> None:
        # napari unlinks by itself what is removed.
        with suppress(KeyError, ValueError):
            self.viewer.layers.unlink_layers([first, second], WINDOW)

    def _fused_look(self, layer: Image) -> None:
        """Let a layer be seen through to what lies beneath."""
        layer.blending, layer.opacity = "translucent_no_depth", self.pair.opacity


class SideBySide(Comparison):
    """Before and after in two cells with one camera; what lies beneath is in both."""

    def _arrange(self) -> None:
        pair, grid = self.pair, self.viewer.canvas.grid
        if pair.under is None:
            shown: list[Any] = [pair.before, pair.after]
            if list(self.viewer.layers).index(pair.after) < list(self.viewer.layers).index(pair.before):
                shown.reverse()
            stride = 1
        else:
            # Cells are counted from the first layer, so that what belongs together comes first.
            shown = []
            for layer in (pair.before, pair.after):
                beneath = pair.under.metadata.get("modality") or pair.under.name
                above = self._copy_of(layer, f"{layer.name} over {beneath}", colormap=UPTAKE_MAP)
                self._fused_look(above)
                shown.extend((layer_beneath(self, pair.under), above))
                self._endings.append(follow(layer, partial(above.refresh, extent=False)))
            for index, layer in enumerate(shown):
                self._add(layer, index)
            stride = 2
        self._show_only(*shown)
        for layer in shown:
            if not layer.metadata.get("beneath"):
                layer.name_overlay.visible = True
                # A long name reaches across the cell above, the scale stands on the right below.
                layer.colorbar.position = "bottom_left"
                layer.colorbar.visible = not layer.rgb
        grid.stride, grid.shape, grid.enabled = stride, (1, -1), True
        # What was seen in the whole window is seen in each half of it, and again in the whole at the end.
        camera = self.viewer.scene.camera
        camera.zoom /= CELLS

        def widen() -> None:
            camera.zoom *= CELLS

        self._endings.append(widen)


class Blink(Comparison):
    """Before and after in turn."""

    def _arrange(self) -> None:
        if self.pair.under is not None:
            beneath = self._add(layer_beneath(self, self.pair.under), 0)
            for layer in (self.pair.before, self.pair.after):
                self._fused_look(layer)
            self._show_only(beneath, self.pair.before)
        else:
            self._show_only(self.pair.before)
        for layer in (self.pair.before, self.pair.after):
            layer.name_overlay.visible = True

    def turn(self) -> None:
        """Show the other one."""
        before, after = self.pair.before, self.pair.after
        after.visible, before.visible = before.visible, after.visible


class SignedDifference(Comparison):
    """After minus before, in a map whose middle is no change and whose ends lie equally far from it."""

    def __init__(self, viewer: Viewer, pair: Pair) -> None:
        super().__init__(viewer, pair)
        self._difference: Difference | None = None
        self.layer: Image | None = None

    def _arrange(self) -> None:
        pair = self.pair
        self._difference = difference = Difference(pair.before, pair.after)
        limit = symmetric_limit(difference.sample(shown_index(self.viewer, pair.before)))
        self.layer = self._copy_of(
            pair.before,
            f"{pair.after.name} - {pair.before.name}",
            data=difference.data,
            linked=False,
            rgb=False,
            colormap=SIGNED_MAP,
            contrast_limits=(-limit, limit),
        )
        self._add(self.layer)
        self._show_only(self.layer)
        self.layer.colorbar.visible = self.layer.name_overlay.visible = True
        self.layer.events.contrast_limits.connect(self._keep_symmetric)
        for each in (pair.before, pair.after):
            self._endings.append(follow(each, self._refresh))

    def set_limit(self, limit: float) -> None:
        """Set the change at which the colours end."""
        if self.layer is not None and limit > 0:
            self.layer.contrast_limits_range = (
                min(self.layer.contrast_limits_range[0], -limit),
                max(self.layer.contrast_limits_range[1], limit),
            )
            self.layer.contrast_limits = (-limit, limit)

    @property
    def limit(self) -> float:
        """The change at which the colours end."""
        return 0.0 if self.layer is None else float(self.layer.contrast_limits[1])

    def _keep_symmetric(self, event: Any = None) -> None:
        if self.layer is None:
            return
        low, high = self.layer.contrast_limits
        if low != -high:
            self.set_limit(max(abs(low), abs(high)))

    def _refresh(self) -> None:
        if self._difference is not None and self.layer is not None:
            self._difference.forget()
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)


def _check(pair: Pair) -> None:
    """Raise unless both layers have the same planes."""
    before, after = Planes(pair.before), Planes(pair.after)
    if before.grid != after.grid:
        from datprl_toolkit.errors import ErrorCode, OptionError

        raise OptionError(
            ErrorCode.OPTION,
            f"the two layers have different shapes, {before.shape} and {after.shape}",
            where=pair.after.name,
            remedy="Choose a layer and what was restored from it",
        )


def layer_beneath(comparison: Comparison, under: Image) -> Image:
    """Return a copy of the layer that lies beneath, in grey."""
    options: dict[str, Any] = {} if under.rgb else {"colormap": ANATOMY_MAP}
    return comparison._copy_of(under, f"{under.name} beneath", metadata={"beneath": True}, **options)


def _images(viewer: Viewer) -> list[Any]:
    return [layer for layer in viewer.layers if isinstance(layer, Image)]
