from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.remote_sensing import seams
from datprl_toolkit.remote_sensing.seams import measure_seams, seams_of
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def with_steps(values: npt.NDArray[Any], tile: int, step: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return an image whose tiles differ in brightness by +step or -step, in turn, from their neighbours."""
    rows, columns = (np.arange(length) // tile % 2 for length in values.shape[1:])
    stepped: npt.NDArray[np.float64] = values + step * (rows[:, None] ^ columns[None, :])
    return stepped


def scene(size: int = 512, seed: int = 0) -> npt.NDArray[np.float64]:
    return photograph(3, size, size, "float64", seed) * 255


def test_an_image_without_seams_has_the_index_one() -> None:
    for seed in range(3):
        report = seams_of(scene(seed=seed), 64)
        assert abs(report.index - 1) < 0.02
        assert report.is_seamless
        assert report.lines == 14
        assert report.step < 2 * report.noise


@pytest.mark.parametrize("step", [1.0, 3.0, 10.0])
def test_the_step_is_the_difference_of_the_tiles(step: float) -> None:
    report = seams_of(with_steps(scene(), 64, step), 64)
    assert report.step == pytest.approx(step, rel=0.1)
    assert report.noise < 3.0


def test_the_index_grows_with_the_step_and_is_high_only_at_the_cut_lines() -> None:
    indices = [seams_of(with_steps(scene(), 64, step), 64).index for step in (0, 5, 20)]
    assert indices == sorted(indices)
    assert indices[2] > 1.5
    assert seams_of(with_steps(scene(), 64, 20), 48).index < indices[2]
    assert abs(seams_of(with_steps(scene(), 128, 20)[:, 10:, 10:], 128).index - 1) < 0.05


def test_the_original_takes_the_content_out() -> None:
    before = scene()
    before[:, :, 256:] += 60  # a road along a cut line
    alone = seams_of(before, 64)
    assert alone.index > 1.05
    same = seams_of(before, 64, before)
    assert same.index == 1.0
    assert same.step == 0.0
    changed = seams_of(with_steps(before, 64, 0.5), 64, before)
    assert changed.step == pytest.approx(0.5)
    assert changed.noise == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("tile", [48, 64, 100])
def test_tiles_that_can_be_seen_are_found(tmp_path: Path, tile: int) -> None:
    path = write_raster(tmp_path / "seams.tif", with_steps(scene(), tile, 15).astype(np.float32))
    report = measure_seams(path)
    assert (report.tile, report.found) == (tile, True)
    assert not report.is_seamless


def test_in_an_image_without_seams_none_are_found(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "smooth.tif", photograph(3, 300, 500))
    report = measure_seams(path)
    assert not report.found
    assert report.is_seamless
    one_edge = photograph(3, 300, 500).astype(np.int16)
    one_edge[:, :, 250:] += 90
    assert not measure_seams(write_raster(tmp_path / "edge.tif", one_edge)).found


def test_strips_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = with_steps(scene(200), 64, 8)
    path = write_raster(tmp_path / "seams.tif", values)
    whole = measure_seams(path, tile=64)
    for rows in (2, 7, 64, 100):
        monkeypatch.setattr(seams, "_STRIP_BYTES", rows * 200 * 3 * 8)
        strips = measure_seams(path, tile=64)
        assert strips.index == pytest.approx(whole.index, rel=1e-12)
        assert strips.step == pytest.approx(whole.step, rel=1e-12)
    assert whole.index == pytest.approx(seams_of(values, 64).index, rel=1e-12)


def test_what_is_no_data_does_not_count(tmp_path: Path) -> None:
    values = scene(256).astype(np.float32)
    clean = measure_seams(write_raster(tmp_path / "clean.tif", values), tile=64)
    values[:, 64:128, 64:128] = -9999
    holed = measure_seams(write_raster(tmp_path / "holed.tif", values, nodata=-9999), tile=64)
    assert holed.index == pytest.approx(clean.index, abs=0.02)
    empty = np.full((1, 200, 200), -1, np.float32)
    nothing = measure_seams(write_raster(tmp_path / "empty.tif", empty, nodata=-1), tile=64)
    assert (nothing.lines, nothing.index, nothing.step) == (0, 1.0, 0.0)


def test_a_flat_image_has_no_seam_and_a_step_in_it_is_the_largest_there_is() -> None:
    flat = np.zeros((1, 128, 128))
    assert seams_of(flat, 32).index == 1.0
    assert seams_of(with_steps(flat, 32, 1.0), 32).index == np.inf


def test_the_largest_steps_are_named_with_their_place() -> None:
    values = scene(256)
    values[:, :64, 64:128] += 40
    names = [name for name, _ in seams_of(values, 64).largest[:3]]
    assert "column 64, rows 0 to 63" in names
    assert "column 128, rows 0 to 63" in names


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"tile": 4}, "E_OPTION"),
        ({"tile": 300}, "E_OPTION"),
        ({"bands": (4,)}, "E_OPTION"),
        ({"bands": (0,)}, "E_OPTION"),
    ],
    ids=["small", "large", "band", "band zero"],
)
def test_what_cannot_be_measured_is_refused(tmp_path: Path, options: dict[str, Any], code: str) -> None:
    path = write_raster(tmp_path / "scene.tif", photograph(3, 100, 120))
    with pytest.raises(DatprlError, match=code):
        measure_seams(path, **options)
    smaller = write_raster(tmp_path / "smaller.tif", photograph(3, 50, 60))
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        measure_seams(path, original=smaller)
