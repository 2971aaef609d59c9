"""Commands for the menus and the keyboard: they find the widgets of the window, and open them where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.viewer import Viewer

PLUGIN = "datprl-toolkit"


def restore_layer(viewer: Viewer) -> None:
    """Restore the selected layer."""
    widget = _widget(viewer, "Restore")
    active = viewer.layers.selection.active
    if active is not None:
        widget.layer_choice.choose(active)
    widget.start()


def turn_over(viewer: Viewer) -> None:
    """Show before and after in turn, at each press."""
    from napari_datprl.comparing import Blink, Mode

    widget = _widget(viewer, "Compare")
    if not isinstance(widget.comparison, Blink):
        widget.set_mode(Mode.BLINK)
        widget.stop_turning()
    else:
        widget.comparison.turn()


def curtain(viewer: Viewer) -> None:
    """Draw the curtain, or put it away."""
    from napari_datprl.comparing import Mode

    widget = _widget(viewer, "Compare")
    widget.set_mode(Mode.OFF if widget.mode is Mode.CURTAIN else Mode.CURTAIN)


def difference(viewer: Viewer) -> None:
    """Show the difference, or put it away."""
    from napari_datprl.comparing import Mode

    widget = _widget(viewer, "Compare")
    widget.set_mode(Mode.OFF if widget.mode is Mode.DIFFERENCE else Mode.DIFFERENCE)


KEYS: dict[str, Callable[[Viewer], None]] = {
    "Alt-R": restore_layer,
    "Alt-B": turn_over,
    "Alt-C": curtain,
    "Alt-D": difference,
}


def bind_keys(viewer: Viewer) -> None:
    """Bind the keys of this plugin in a window."""
    for key, command in KEYS.items():
        viewer.bind_key(key, command, overwrite=True)


def _widget(viewer: Viewer, name: str) -> Any:
    """Return a widget of this plugin, opened if it is not."""
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
    return widget
