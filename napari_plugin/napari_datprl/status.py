"""The status bar: value, unit, what it was or became, the difference, and the place in the patient."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_datprl.geometry import describe_position, patient_position
from napari_datprl.restoration import Restoration
from napari_datprl.sources import KEY, ArraySource, SceneSource, VolumeSource

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

_WATCHED: weakref.WeakSet[Any] = weakref.WeakSet()


def show_values(viewer: ViewerModel) -> None:
    """Let the layers of a viewer that this plugin made say their values with unit, before and after."""
    if viewer in _WATCHED:
        return
    _WATCHED.add(viewer)
    for layer in viewer.layers:
        _watch(viewer, layer)
    viewer.layers.events.inserted.connect(lambda event: _watch(viewer, event.value))


def say_again(viewer: ViewerModel) -> None:
    """Have the status bar speak anew of what lies under a cursor at rest, for the value there has changed."""
    viewer.cursor.events.position(value=viewer.cursor.position)


def _watch(viewer: ViewerModel, layer: Any) -> None:
    """Have a layer's status line written here."""
    if not isinstance(layer.metadata.get(KEY), VolumeSource | ArraySource | SceneSource | Restoration):
        return
    original = layer.get_status
    seen = weakref.ref(viewer)

    def get_status(position: Any = None, **options: Any) -> dict[str, str]:
        status: dict[str, str] = original(position, **options)
        viewer = seen()
        if position is None or viewer is None:
            return status
        described = describe(viewer, layer, position)
        if described:
            status["value"] = described
            status["coordinates"] = f"{status['coords']}: {described}"
        return status

    layer.get_status = get_status


def describe(viewer: ViewerModel, layer: Image, position: Any) -> str:
    """Return what stands under the cursor, for a person.

    Parameters
    ----------
    viewer
        Whose other layers hold the value before or after.
    layer
        The layer that is asked.
    position
        In world coordinates.
    """
    found = layer.metadata[KEY]
    scene = found.source if isinstance(found, Restoration) else found
    if isinstance(scene, SceneSource):
        return _describe_scene(viewer, layer, scene, position)
    value = value_at(layer, position)
    if value is None:
        return ""
    source = volume_source(layer)
    say = partial(_with_unit, unit=layer.metadata.get("unit", ""), factor=None if source is None else source.suv_factor)
    parts = [say(value)]
    partner = partner_of(viewer, layer)
    other = None if partner is None else value_at(partner, position)
    if other is not None:
        restored = isinstance(layer.metadata[KEY], Restoration)
        before, after = (other, value) if restored else (value, other)
        parts = [f"original {say(before)}"]
        if np.isfinite(after):
            parts += [f"restored {say(after)}", f"difference {after - before:+.4g}"]
        else:
            parts.append(say(after))
    if source is not None:
        place = layer.world_to_data(np.asarray(position)[-layer.ndim :])
        parts.append(describe_position(patient_position(source.volume, tuple(place))))
    return ", ".join(parts)


def _describe_scene(viewer: ViewerModel, layer: Image, scene: SceneSource, position: Any) -> str:
    from napari_datprl.scene_layers import describe_scene_position
    from napari_datprl.scene_restoration import SceneRestoration

    partner = partner_of(viewer, layer)
    both = [layer.metadata[KEY], None if partner is None else partner.metadata[KEY]]
    restoration = next((each for each in both if isinstance(each, SceneRestoration)), None)
    row, column = layer.world_to_data(np.asarray(position, dtype=float)[-2:])[:2]
    return describe_scene_position(scene, float(row), float(column), restoration)


def partner_of(viewer: ViewerModel, layer: Image) -> Image | None:
    """Return the layer that was restored from `layer`, or from which it was restored; the topmost if several."""
    found = layer.metadata[KEY]
    wanted = found.source if isinstance(found, Restoration) else found
    for other in reversed(list(viewer.layers)):
        theirs = other.metadata.get(KEY)
        if other is layer or theirs is None or isinstance(theirs, Restoration) == isinstance(found, Restoration):
            continue
        if (theirs.source if isinstance(theirs, Restoration) else theirs) is wanted:
            return other
    return None


def volume_source(layer: Any) -> VolumeSource | None:
    """Return the DICOM series behind an original or restored layer."""
    found = layer.metadata.get(KEY)
    source = found.source if isinstance(found, Restoration) else found
    return source if isinstance(source, VolumeSource) else None


def value_at(layer: Image, position: Any) -> float | None:
    """Return the grey value of the voxel at a place in world coordinates; None outside."""
    if layer.rgb or layer.multiscale:
        return None
    place = np.rint(layer.world_to_data(np.asarray(position, dtype=float)[-layer.ndim :])).astype(int)
    if np.any(place < 0) or np.any(place >= np.array(layer.data.shape)):
        return None
    return float(layer.data[tuple(int(index) for index in place)])


def _with_unit(value: float, unit: str, factor: float | None) -> str:
    """Return a value with its unit, activity also as SUV; nothing is said of a unit that nobody knows."""
    if not np.isfinite(value):
        return "not restored yet"
    if unit in ("", "1"):
        return f"{value:.6g}"
    uptake = f" (SUV {value * factor:.3g})" if factor and unit == "Bq/ml" else ""
    return f"{value:.6g} {unit}{uptake}"
