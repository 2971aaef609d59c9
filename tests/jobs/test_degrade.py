"""Simulators on what was read: right in their unit, the same for the same seed, refused where they mean nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datprl_toolkit.degradations import add_haze, low_dose_ct, truncate_k_space
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.images.picture import Picture
from datprl_toolkit.jobs.degrade import (
    degrade_picture,
    degrade_scene,
    lower_ct_dose,
    lower_mr_resolution,
    lower_pet_counts,
)
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.remote_sensing import Scene
from datprl_toolkit.remote_sensing.testing import photograph, write_raster

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.medical import Volume
    from datprl_toolkit.medical.testing import Modality


def series(folder: Path, modality: Modality, slices: int = 2) -> Volume:
    write_synthetic_series(folder / modality, modality, slices)
    return open_volume(folder / modality).volume


def test_a_low_dose_ct_is_what_the_simulator_gives_rounded_to_hounsfield_units(tmp_path: Path) -> None:
    volume = series(tmp_path, "CT")
    low = lower_ct_dose(volume, tmp_path / "low", dose=0.05, seed=3, views=60)
    rows, columns = volume.shape[1:]
    image = volume.slices[1].read()
    square = np.pad(image, [(0, columns - rows), (0, 0)], constant_values=-1000.0)
    generator = np.random.default_rng([3, 1])
    expected = low_dose_ct(square, 0.05, generator, pixel_mm=2.5, views=60)[:rows]
    stored = volume.slices[1].read_stored()
    inside = ~volume.slices[1].pixel_format.padding_mask(stored)
    difference = low.slices[1].read() - expected
    assert np.abs(difference[inside]).max() <= 0.51
    assert np.std((low.slices[1].read() - image)[inside]) > 1.0
    np.testing.assert_array_equal(low.slices[1].read()[~inside], image[~inside])


def test_a_low_count_pet_keeps_its_unit_and_most_of_its_activity(tmp_path: Path) -> None:
    volume = series(tmp_path, "PT", 2)
    low = lower_pet_counts(volume, tmp_path / "low", fraction=0.5, seed=1)
    assert low.unit == "Bq/ml"
    before, after = volume.slices[1].read(), low.slices[1].read()
    assert after.sum() == pytest.approx(before.sum(), rel=0.1)
    assert not np.array_equal(before, after)
    assert not low.slices[0].read().any()  # the first synthetic slice has no activity


def test_a_low_resolution_mr_is_the_truncated_k_space(tmp_path: Path) -> None:
    volume = series(tmp_path, "MR", 1)
    low = lower_mr_resolution(volume, tmp_path / "low", factor=4)
    expected = truncate_k_space(volume.slices[0].read(), 4)
    assert np.abs(low.slices[0].read() - expected.clip(0, 4095)).max() <= 0.51


def test_a_simulator_is_refused_for_another_modality(tmp_path: Path) -> None:
    volume = series(tmp_path, "MR", 1)
    with pytest.raises(DatprlError, match="a low dose is simulated for CT, and the series is MR"):
        lower_ct_dose(volume, tmp_path / "low", dose=0.5)
    assert not (tmp_path / "low").exists()


def haze(image: npt.NDArray[np.float32], generator: np.random.Generator) -> npt.NDArray[np.floating[Any]]:
    return add_haze(image, np.full(image.shape[:2], generator.uniform(0.3, 0.6), np.float32), 0.9)


def test_each_picture_gets_its_own_weather_and_the_same_one_each_time() -> None:
    first, second = (
        Picture(photograph(3, 20, 24, seed=seed).transpose(1, 2, 0), np.full((20, 24), 9, np.uint8), {"dpi": (72, 72)})
        for seed in (0, 1)
    )
    spoilt = [degrade_picture(picture, haze, 0) for picture in (first, first, second)]
    np.testing.assert_array_equal(spoilt[0].pixels, spoilt[1].pixels)
    shift = [
        float(s.pixels.mean()) - float(p.pixels.mean()) for s, p in zip(spoilt, (first, first, second), strict=True)
    ]
    assert abs(shift[0] - shift[2]) > 0.5
    assert spoilt[0].metadata == {"dpi": (72, 72)}
    assert spoilt[0].alpha is first.alpha
    assert not np.array_equal(degrade_picture(first, haze, 1).pixels, spoilt[0].pixels)


def test_a_spoilt_scene_keeps_its_grid_and_its_missing_pixels_and_says_what_was_done(tmp_path: Path) -> None:
    values = photograph(3, 40, 50, "uint16")
    values[:, :5] = 0
    scene = Scene.open(write_raster(tmp_path / "in.tif", values, nodata=0, descriptions=["b", "g", "r"]))
    made = degrade_scene(scene, tmp_path / "out.tif", haze, method="haze", seed=4, scaling="reflectance:10000")
    assert (made.grid, made.dtype, made.nodata) == (scene.grid, scene.dtype, scene.nodata)
    assert [band.description for band in made.bands] == ["b", "g", "r"]
    assert made.tags[""]["DATPRL_SIMULATED"] == "haze, seed 4"
    with made.reader() as reader:
        from datprl_toolkit.remote_sensing.windows import whole

        pixels = reader.read((1, 2, 3), whole(made.grid.shape))
    assert not pixels.valid[:, :5].any()
    assert pixels.valid[:, 5:].all()
    assert pixels.values[:, 5:].mean() > values[:, 5:].mean()
