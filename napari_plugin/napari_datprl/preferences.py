"""What the widgets start with: napari's own settings of this plugin, File > Preferences."""

from __future__ import annotations

from dataclasses import dataclass

PLUGIN = "datprl-toolkit"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Values that a person set for this plugin; see the manifest for their meaning."""

    weights: str = "small"
    device: str = "auto"
    strength: float = 1.0


def preferences() -> Preferences:
    """Return the settings, or their defaults where this napari has none for plugins."""
    try:
        from napari.settings import get_plugin_settings

        stored = get_plugin_settings(PLUGIN).restore
    except (ImportError, KeyError, AttributeError):
        return Preferences()
    return Preferences(str(stored.weights), str(stored.device), float(stored.strength))
