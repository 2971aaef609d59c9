"""The preview: what is drawn is what was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.reports import write_preview
from datprl_toolkit.reports.preview import draw
from datprl_toolkit.restoring import Comparison

if TYPE_CHECKING:
    from pathlib import Path


def comparison(shape: tuple[int, ...] = (60, 80)) -> Comparison:
    before = np.zeros(shape, np.float32)
    after = before.copy()
    after[20:40, 20:40] = 50.0
    return Comparison(before, after, 0.0, 100.0, "HU", "slice 1 of 1")


def test_the_three_panels_show_input_result_and_signed_difference() -> None:
    figure = draw([comparison()])
    before, after, difference = (axes.images[0] for axes in figure.axes[:3])
    assert np.asarray(before.get_array()).max() == 0.0
    assert np.asarray(after.get_array()).max() == 50.0
    assert np.asarray(difference.get_array()).max() == 50.0
    assert before.get_clim() == after.get_clim() == (0.0, 100.0)
    low, high = difference.get_clim()
    assert low == -high
    assert "HU" in figure.axes[2].get_title()


def test_rounding_is_not_drawn_as_a_change() -> None:
    same = comparison()
    figure = draw([Comparison(same.before, same.before + 1e-6, 0.0, 100.0, "HU", "same")])
    assert figure.axes[2].images[0].get_clim()[1] >= 0.1


@pytest.mark.parametrize("shape", [(60, 80), (60, 80, 3), (3000, 20), (1, 1)])
def test_any_shape_gives_a_picture_with_something_in_it(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "preview.png"
    write_preview(path, [comparison(shape), comparison(shape)])
    with Image.open(path) as image:
        assert np.asarray(image.convert("L")).std() > 2
        assert max(image.size) < 6000


def test_missing_data_are_drawn_and_do_not_disturb_the_scale() -> None:
    base = comparison((60, 80, 3))
    before = base.before.copy()
    before[:10] = np.nan
    figure = draw([Comparison(before, base.after, 0.0, 100.0, "1", "holes")])
    assert np.isfinite(figure.axes[2].images[0].get_clim()).all()
    assert np.asarray(figure.axes[0].images[0].get_array())[0, 0].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("name", ["preview.jpg", "preview"])
def test_a_preview_is_a_png(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatprlError, match="E_OPTION: a preview is a PNG"):
        write_preview(tmp_path / name, [comparison()])


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatprlError, match="nothing to preview"):
        write_preview(tmp_path / "preview.png", [])


def test_values_without_a_unit_are_called_so() -> None:
    base = comparison()
    figure = draw([Comparison(base.before, base.after, 0.0, 100.0, "1", "MR")])
    assert figure.axes[2].get_title() == "restored minus input, arbitrary units"
