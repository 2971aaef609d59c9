"""Scores of what was read: those of the metrics themselves, with units, refused where two things do not fit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import Picture
from datprl_toolkit.jobs.score import score_picture, score_scene, score_volume
from datprl_toolkit.medical.opening import open_volume, select_slices
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.metrics import psnr, ssim
from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path


def test_a_volume_is_scored_slice_by_slice_in_its_unit(tmp_path: Path) -> None:
    from datprl_toolkit.jobs.degrade import lower_ct_dose

    write_synthetic_series(tmp_path / "ct", "CT", 2)
    volume = open_volume(tmp_path / "ct").volume
    low = lower_ct_dose(volume, tmp_path / "low", dose=0.1, views=60)
    report = score_volume(low, volume, label="low dose")
    assert report.columns[:3] == ("PSNR [dB]", "SSIM", "RMSE [HU]")
    assert [label for label, _ in report.rows] == ["low dose: slice 001", "low dose: slice 002"]
    assert report.mean("RMSE [HU]") > 1
    assert score_volume(volume, volume).rows[0][1][0] == math.inf
    with pytest.raises(DatprlError, match="E_GEOMETRY"):
        score_volume(select_slices(low, 1, 1), volume)


def test_a_picture_is_scored_by_the_metrics() -> None:
    pixels = photograph(3, 30, 40).transpose(1, 2, 0)
    noisy = (pixels.clip(5, 250) + np.random.default_rng(0).integers(-5, 6, pixels.shape)).astype(np.uint8)
    figures = score_picture(Picture(noisy, None, {}), Picture(pixels, None, {})).rows[0][1]
    assert figures == (psnr(noisy, pixels), ssim(noisy, pixels))


def test_a_scene_in_blocks_is_scored_as_the_whole_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = photograph(2, 60, 70)
    noisy = (values.clip(5, 250) + np.random.default_rng(0).integers(-5, 6, values.shape)).astype(np.uint8)
    truth, other = (Scene.open(write_raster(tmp_path / f"{n}.tif", v)) for n, v in (("a", values), ("b", noisy)))
    report = score_scene(other, truth)
    for (label, figures), band in zip(report.rows, range(2), strict=True):
        assert label == f"band {band + 1}"
        assert figures[0] == pytest.approx(psnr(noisy[band], values[band]))
        assert figures[1] == pytest.approx(ssim(noisy[band], values[band]))
        difference = noisy[band].astype(float) - values[band]
        assert figures[2:] == pytest.approx((np.sqrt((difference**2).mean()), difference.mean()))
    monkeypatch.setattr("datprl_toolkit.jobs.score.BLOCK", 25)
    in_blocks = score_scene(other, truth)
    for whole, parts in zip(report.rows, in_blocks.rows, strict=True):
        assert parts[1][0] == pytest.approx(whole[1][0])
        assert parts[1][2:] == pytest.approx(whole[1][2:])


def test_missing_pixels_do_not_count(tmp_path: Path) -> None:
    values = photograph(1, 40, 40)
    spoilt = values.copy()
    spoilt[:, :4], spoilt[:, 10:] = 0, values[:, 10:]
    spoilt[:, 4:10] = values[:, 4:10] + 2
    truth = Scene.open(write_raster(tmp_path / "a.tif", values, nodata=0))
    other = Scene.open(write_raster(tmp_path / "b.tif", spoilt, nodata=0))
    report = score_scene(other, truth)
    assert report.mean("bias [stored value]") == pytest.approx(2 * 6 / 36)
    assert math.isnan(report.mean("SSIM"))


def test_scenes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "a.tif", photograph(1, 30, 30)))
    smaller = Scene.open(write_raster(tmp_path / "b.tif", photograph(1, 30, 20)))
    more = Scene.open(write_raster(tmp_path / "c.tif", photograph(2, 30, 30)))
    for other in (smaller, more, replace(scene, grid=replace(scene.grid, crs=None))):
        with pytest.raises(DatprlError, match="E_GEOMETRY"):
            score_scene(other, scene)
