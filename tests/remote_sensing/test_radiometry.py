"""A restored scene, averaged back, has the values of its source, or it is said by how much not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.cli.commands import application
from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.remote_sensing import SceneOptions, restore_scene
from datprl_toolkit.remote_sensing.radiometry import measure_radiometry
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.restoring import Restorer


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_repeated_pixels_have_no_bias_and_a_shift_is_found_to_the_digit(tmp_path: Path, factor: int) -> None:
    values = photograph(3, 60, 70, "uint16")
    values[:, 10:20, 10:20] = 0
    source = write_raster(tmp_path / "a.tif", values, nodata=0)
    larger = np.repeat(np.repeat(values, factor, 1), factor, 2)
    larger[1] = np.where(larger[1] == 0, 0, larger[1] + 50)
    measured = measure_radiometry(source, write_raster(tmp_path / "b.tif", larger, nodata=0))
    assert measured.factor == factor
    assert [band.bias for band in measured.bands] == pytest.approx([0, 50, 0])
    assert [band.rmse for band in measured.bands] == pytest.approx([0, 50, 0], abs=1e-6)
    assert [band.correlation for band in measured.bands] == pytest.approx([1, 1, 1])
    assert {band.count for band in measured.bands} == {60 * 70 - 100}
    mean = values[1][values[1] > 0].mean()
    assert measured.largest_bias_percent == pytest.approx(100 * 50 / mean)


def test_what_is_no_data_in_the_result_does_not_count(tmp_path: Path) -> None:
    values = photograph(1, 40, 40, "float32")
    larger = np.repeat(np.repeat(values, 2, 1), 2, 2)
    larger[0, 5, 5] = np.nan
    measured = measure_radiometry(write_raster(tmp_path / "a.tif", values), write_raster(tmp_path / "b.tif", larger))
    assert measured.bands[0].count == 1599
    empty = write_raster(tmp_path / "c.tif", np.full_like(values, np.nan))
    assert measure_radiometry(empty, empty).bands[0].count == 0
    assert np.isnan(measure_radiometry(empty, empty).largest_bias_percent)


def test_the_command_prints_each_band_and_fails_above_the_limit(
    tmp_path: Path, brighter: Restorer, capsys: pytest.CaptureFixture[str]
) -> None:
    values = photograph(5, 50, 60, "uint8")
    source = write_raster(tmp_path / "a.tif", values, photometric="MINISBLACK")
    restored = restore_scene(source, tmp_path / "b.tif", brighter, SceneOptions(scale=2, bands=(1, 2, 3))).output
    command = ["radiometry", str(source), str(restored)]
    assert application([*command, "--limit", "100"], standalone_mode=False) in (None, 0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "stored values, each pixel against the mean of 2 x 2 of the result"
    assert lines[1].startswith("band 1 (")
    assert "bias +3" in lines[1]  # an eighth of 255, but for the brightest
    assert "not restored" in lines[4]
    assert "bias +0.0" in lines[4] or "bias -0.0" in lines[4]
    assert application([*command, "--limit", "1", "--json"], standalone_mode=False) == 3
    assert json.loads(capsys.readouterr().out)["factor"] == 2


def test_scenes_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    one = write_raster(tmp_path / "a.tif", photograph(1, 40, 40))
    other = write_raster(tmp_path / "b.tif", photograph(1, 50, 40))
    with pytest.raises(DatprlError) as caught:
        measure_radiometry(one, other)
    assert caught.value.code is ErrorCode.MISMATCH
