"""Before and after in the real window: what is seen at which place, and that the view is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari_datprl.compare_widget import CompareWidget
from napari_datprl.comparing import Mode
from napari_datprl.curtain import Curtain
from napari_datprl.testing import brightened, opened, settle

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from datprl_toolkit.medical.testing import Modality

pytestmark = pytest.mark.gl


def seen(viewer: Viewer) -> np.ndarray:
    """Return what the canvas shows, (H, W, 3), 0 to 255."""
    settle()
    picture: np.ndarray = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    return picture


def column_of(viewer: Viewer, picture: np.ndarray, share: float, layer: Any) -> int:
    """Return in which column of the picture a share of a layer's width lies."""
    world = (share * layer.data.shape[-1] - 0.5) * layer.scale[-1] + layer.translate[-1]
    camera = viewer.scene.camera
    ratio = picture.shape[1] / viewer.window._qt_viewer.canvas.size[1]
    column: int = round((world - camera.center[-1]) * camera.zoom * ratio + picture.shape[1] / 2)
    return column


@pytest.fixture
def compared(viewer: Viewer, ct_folder: Path) -> CompareWidget:
    original = viewer.add_layer(opened(ct_folder))
    viewer.add_layer(brightened(original, 0.3))
    viewer.dims.set_point(0, original.translate[0] + 2 * original.scale[0])
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    settle()
    return widget


def hide_names(viewer: Viewer) -> None:
    for layer in viewer.layers:
        if hasattr(layer, "name_overlay"):
            layer.name_overlay.visible = False


def only(viewer: Viewer, layer: Any) -> np.ndarray:
    for each in viewer.layers:
        each.visible = each is layer
    return seen(viewer)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_the_curtain_shows_before_left_of_the_line_and_after_right_of_it(compared: CompareWidget, share: float) -> None:
    viewer, (before, after) = compared.viewer, list(compared.viewer.layers)
    pictures = [only(viewer, layer) for layer in (before, after)]
    compared.position.setValue(share)
    compared.set_mode(Mode.CURTAIN)
    viewer.canvas.overlays.scale_bar.visible = False
    named = seen(viewer)
    hide_names(viewer)
    picture = seen(viewer)
    rows, columns = np.nonzero(np.abs(named - picture).max(axis=-1) > 20)
    assert rows.max() < picture.shape[0] // 6, "the names stand above"
    assert columns.min() < picture.shape[1] // 6
    assert columns.max() > picture.shape[1] * 5 // 6
    line = column_of(viewer, picture, share, before)
    assert np.abs(pictures[0] - pictures[1]).mean() > 5
    assert np.abs(picture[:, : line - 6] - pictures[0][:, : line - 6]).max() <= 1
    assert np.abs(picture[:, line + 6 :] - pictures[1][:, line + 6 :]).max() <= 1
    orange = picture[picture.shape[0] // 2, line - 5 : line + 6]
    assert (orange[:, 0] - orange[:, 2]).max() > 150


def test_the_line_follows_the_mouse_that_took_hold_of_it_and_only_then(compared: CompareWidget) -> None:
    class Event:
        def __init__(self, x: float, kind: str) -> None:
            self.position, self.type = (0.0, 0.0, x), kind

    compared.set_mode(Mode.CURTAIN)
    curtain = compared.comparison
    assert isinstance(curtain, Curtain)
    before = curtain.pair.before
    width = before.data.shape[-1] * before.scale[-1]
    left = before.translate[-1] - before.scale[-1] / 2
    event = Event(left + 0.5 * width, "mouse_press")
    drag = curtain._drag(compared.viewer, event)
    next(drag)
    assert not compared.viewer.scene.camera.mouse_pan
    event.type, event.position = "mouse_move", (0.0, 0.0, left + 0.75 * width)
    next(drag)
    assert curtain.share == pytest.approx(0.75)
    assert compared.position.value() == pytest.approx(0.75, abs=0.01)
    event.type = "mouse_release"
    assert next(drag, "over") == "over"
    assert compared.viewer.scene.camera.mouse_pan
    far = curtain._drag(compared.viewer, Event(left, "mouse_press"))
    assert next(far, "not taken") == "not taken"


def test_the_line_stands_where_before_and_after_meet_in_other_planes_too(compared: CompareWidget) -> None:
    viewer = compared.viewer
    before = viewer.layers[0]
    compared.set_mode(Mode.CURTAIN)
    line = viewer.layers["curtain"]
    compared.position.setValue(0.25)
    axial = line.data[0].copy()
    viewer.dims.order = (1, 0, 2)
    low, high = np.asarray(before.extent.world)
    half = np.asarray(before.scale) / 2
    assert np.allclose(sorted(line.data[0][:, 0]), [low[0] - half[0], high[0] + half[0]])
    assert np.allclose(line.data[0][:, 1], axial[:, 1])
    viewer.dims.order = (2, 0, 1)
    assert not line.visible, "the columns lie behind each other"
    viewer.dims.order = (0, 1, 2)
    assert line.visible
    assert np.allclose(line.data[0], axial)


def test_side_by_side_shows_both_with_names_colour_bars_and_a_scale(compared: CompareWidget) -> None:
    viewer = compared.viewer
    compared.set_mode(Mode.SIDE_BY_SIDE)
    picture = seen(viewer)
    middle = picture.shape[1] // 2
    left, right = picture[:, :middle], picture[:, -middle:]
    body = slice(picture.shape[0] * 2 // 5, picture.shape[0] * 3 // 5)
    assert right[body].mean() > left[body].mean() + 3
    for layer in viewer.layers:
        layer.colorbar.visible = False
    without = seen(viewer)
    for half in (slice(0, middle), slice(middle, None)):
        changed = np.abs(picture - without)[:, half].max(axis=-1) > 20
        rows, columns = np.nonzero(changed)
        assert rows.min() > picture.shape[0] // 2, "a colour bar stands in the lower half of each cell"
        assert columns.max() < middle // 2, "on the left, beside the scale and beneath the name"
    viewer.canvas.overlays.scale_bar.visible = False
    rows, columns = np.nonzero(np.abs(without - seen(viewer)).max(axis=-1) > 20)
    assert rows.min() > picture.shape[0] * 3 // 4
    assert columns.min() > middle


def test_the_difference_is_coloured_by_its_sign_about_white(compared: CompareWidget) -> None:
    compared.set_mode(Mode.DIFFERENCE)
    viewer = compared.viewer
    layer = viewer.layers[-1]
    low, high = layer.contrast_limits
    assert low == -high
    changed = np.asarray(layer.data[2])
    picture = seen(viewer)
    green = (picture[..., 1] - picture[..., 0] > 20).sum()
    red = (picture[..., 0] - picture[..., 1] > 20).sum()
    assert (changed > 0).any()
    assert not (changed < 0).any()
    assert green > 1000
    assert red < green / 50
    layer.contrast_limits = (-10.0, 40.0)
    assert layer.contrast_limits == [-40.0, 40.0]


def test_windows_are_shared_and_named(compared: CompareWidget) -> None:
    before, after = compared.viewer.layers
    compared.set_mode(Mode.SIDE_BY_SIDE)
    names = [compared.windows.itemText(number) for number in range(compared.windows.count())]
    assert names == ["Soft tissue", "Lung", "Bone", "Brain", "All values"]
    compared.set_window("Lung")
    assert before.contrast_limits == after.contrast_limits == [-1350.0, 150.0]
    before.contrast_limits = (-200.0, 100.0)
    assert after.contrast_limits == [-200.0, 100.0]
    compared.set_window("All values")
    assert before.contrast_limits[0] < -1000


def test_blink_shows_one_and_then_the_other(compared: CompareWidget) -> None:
    before, after = compared.viewer.layers
    compared.period.setValue(100.0)
    compared.set_mode(Mode.BLINK)
    first = seen(compared.viewer)
    assert (before.visible, after.visible) == (True, False)
    compared._turn()
    assert (before.visible, after.visible) == (False, True)
    assert np.abs(first - seen(compared.viewer)).mean() > 3


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.OFF])
def test_everything_is_put_back(compared: CompareWidget, mode: Mode) -> None:
    viewer = compared.viewer
    before, after = viewer.layers
    after.visible = False
    picture = seen(viewer)
    zoom = viewer.scene.camera.zoom
    compared.set_mode(mode)
    settle()
    compared.set_mode(Mode.OFF)
    assert list(viewer.layers) == [before, after]
    assert (before.visible, after.visible) == (True, False)
    assert not viewer.canvas.grid.enabled
    assert not before.colorbar.visible
    assert viewer.scene.camera.zoom == pytest.approx(zoom)
    assert np.abs(picture - seen(viewer)).max() <= 1
    before.contrast_limits = (0.0, 1.0)
    assert after.contrast_limits != [0.0, 1.0]


def test_pet_is_fused_over_ct_before_and_after(viewer: Viewer, ct_folder: Path, pet_folder: Path) -> None:
    ct, pet = viewer.add_layer(opened(ct_folder)), viewer.add_layer(opened(pet_folder))
    restored = viewer.add_layer(brightened(pet, 0.2))
    viewer.dims.set_point(0, pet.translate[0] + 3 * pet.scale[0])
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    widget.before.choose(pet)
    widget.after.choose(restored)
    widget.under.choose(ct)
    widget.set_window("SUV 0-10")
    widget.set_mode(Mode.SIDE_BY_SIDE)
    for layer in viewer.layers:
        layer.colorbar.visible = layer.name_overlay.visible = False
    fused = seen(viewer)
    middle = fused.shape[1] // 2
    body = slice(fused.shape[0] * 2 // 5, fused.shape[0] * 3 // 5)
    left, right = fused[body, :middle], fused[body, -middle:]
    assert np.ptp(left, axis=-1).max() > 40, "uptake has colours"
    assert right.mean() > left.mean() + 3, "the restored uptake is higher"
    widget.opacity.setValue(0.0)
    grey = seen(viewer)
    assert np.ptp(grey[body], axis=-1).max() < 12, "without uptake the CT is grey"
    assert grey[body].max() > 200, "and its bone is white"
    widget.set_mode(Mode.OFF)
    assert list(viewer.layers) == [ct, pet, restored]


def test_the_window_that_is_shown_has_its_name_and_others_have_none(viewer: Viewer, pet_folder: Path) -> None:
    pet = viewer.add_layer(opened(pet_folder))
    viewer.add_layer(brightened(pet, 0.2))
    widget = CompareWidget(viewer)
    assert widget.windows.currentText() == "SUV 0-10"
    widget.set_window("SUV 0-5")
    assert widget.windows.currentText() == "SUV 0-5"
    pet.contrast_limits = (0.0, 1.0)
    assert widget.windows.currentText() == ""


def test_what_was_not_restored_yet_is_not_compared_with_what_was_restored_from_another(
    viewer: Viewer, ct_folder: Path, pet_folder: Path
) -> None:
    ct = viewer.add_layer(opened(ct_folder))
    restored = viewer.add_layer(brightened(ct, 0.2))
    pet = viewer.add_layer(opened(pet_folder))
    widget = CompareWidget(viewer)
    assert (widget.before.layer, widget.after.layer) == (ct, restored)
    widget.before.choose(pet)
    assert widget.after.layer is None
    widget.set_mode(Mode.CURTAIN)
    assert widget.mode is Mode.OFF
    assert pet.name in widget.message.text()
    widget.before.choose(ct)
    assert widget.after.layer is restored


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.OFF])
def test_layers_that_do_not_fit_are_said_and_nothing_changes(
    mode: Mode, viewer: Viewer, ct_folder: Path, tmp_path: Path
) -> None:
    from datprl_toolkit.medical.testing import write_synthetic_series

    modality: Modality = "CT"
    write_synthetic_series(tmp_path / "other", modality, 3, series="other")
    viewer.add_layer(opened(ct_folder))
    viewer.add_layer(opened(tmp_path / "other"))
    widget = CompareWidget(viewer)
    widget.before.choose(viewer.layers[0])
    widget.after.choose(viewer.layers[1])
    widget.set_mode(mode)
    assert "E_OPTION" in widget.message.text()
    assert widget.mode is Mode.OFF
    assert len(viewer.layers) == 2
    assert all(layer.visible for layer in viewer.layers)
