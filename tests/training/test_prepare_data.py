"""The preparation of the real images: splits, order, units."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from datprl_toolkit.degradations import add_clouds, cloud_opacity
from datprl_toolkit.training import load_prepared
from datprl_toolkit.training.preparation import is_of_another_season, to_bytes
from tests.loading import load_recipe

if TYPE_CHECKING:
    from types import ModuleType


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real images are not there: {SHARED}")


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("prepare_data")


@pytest.mark.shared
@needs_shared
def test_mr_is_split_by_series_and_comes_out_the_same_each_time(recipe: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    recipe.prepare_all(SHARED, tmp_path / "first", 1, ["mri"])
    first = load_prepared(tmp_path / "first")
    assert set(first.sources) == {"mri"}
    assert len(first.sources["mri"]) > 100
    held = first.validation["mri_super_resolution"]
    assert all(name.startswith("siemens_fl2d_sag/") for name in held.names)
    assert all(np.isfinite(image).all() and image.max() <= 1 for image in held.inputs)
    recipe.prepare_all(SHARED, tmp_path / "second", 1, ["mri"])
    assert load_prepared(tmp_path / "second").fingerprint == first.fingerprint


@pytest.mark.shared
@needs_shared
def test_pet_is_read_in_order_and_in_suv(recipe: ModuleType) -> None:
    pytest.importorskip("pydicom")
    slices, pixel = recipe.read_dicom(SHARED / "pet/train/acrin042_pet_ac", scale=recipe.suv_factor)
    assert len(slices) == 135
    assert pixel == pytest.approx(4.6875)
    # FDG spreads over the body: its mean SUV inside is near one by definition.
    volume = np.stack(slices)
    assert 0.3 < volume[volume > 0.1].mean() < 3.0
    # Neighbours in space look alike.
    steps = [np.abs(a - b).mean() for a, b in pairwise(slices)]
    assert np.median(steps) < 0.5 * np.abs(slices[20] - slices[100]).mean()


def test_a_pair_is_of_two_seasons_where_all_of_it_is_darker_and_not_where_clouds_shade_some_of_it() -> None:
    generator = np.random.default_rng(0)
    clean = generator.uniform(0.3, 0.6, (96, 96, 3)).astype(np.float32)
    opacity = cloud_opacity((96, 96), generator, cover=0.5, softness=0.5)
    cloudy = add_clouds(clean, opacity, shadow=0.5)
    seasonal = add_clouds(0.75 * clean, 0.3 * opacity)
    clean_bytes, cloudy_bytes, seasonal_bytes = (to_bytes(image) for image in (clean, cloudy, seasonal))
    assert not is_of_another_season(clean_bytes, clean_bytes)
    assert not is_of_another_season(cloudy_bytes, clean_bytes)
    assert is_of_another_season(seasonal_bytes, clean_bytes)


@pytest.mark.shared
@needs_shared
def test_pairs_of_two_seasons_are_kept_apart_from_those_under_clouds(recipe: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("rasterio")
    work = recipe.Preparation(SHARED, tmp_path)
    recipe.prepare_remote_sensing(work)
    counts = {name: entry["count"] for name, entry in work.manifest["sources"].items()}
    assert counts["rice2"] + counts["rice2_seasons"] == 23
    assert counts["rice2_seasons"] == 12, "seen to be so in the pictures"
    assert "rice1_seasons" not in counts
    assert len(work.pairs["cloud_removal"]) == 5


def test_a_rain_scene_is_found_among_the_photos_whatever_its_crop_and_compression(recipe: ModuleType) -> None:
    generator = np.random.default_rng(0)
    scene = np.kron(generator.integers(0, 256, (16, 24, 3)), np.ones((20, 20, 1)))
    again = np.clip(scene + generator.normal(0, 6, scene.shape), 0, 255)
    other = np.kron(generator.integers(0, 256, (16, 24, 3)), np.ones((20, 20, 1)))
    assert np.vdot(recipe.thumbnail(scene), recipe.thumbnail(again)) > 0.97
    assert np.vdot(recipe.thumbnail(scene), recipe.thumbnail(other)) < 0.9


def test_suv_is_activity_over_dose_per_gram_decayed_to_the_series(recipe: ModuleType) -> None:
    dose = SimpleNamespace(
        RadiopharmaceuticalStartTime="080000", RadionuclideTotalDose=4e8, RadionuclideHalfLife=6586.2
    )
    file = SimpleNamespace(RadiopharmaceuticalInformationSequence=[dose], SeriesTime="094946.2", PatientWeight="80")
    assert recipe.suv_factor(file) == pytest.approx(80_000 / 2e8, rel=1e-9)


def test_phantoms_without_slices_to_make_them_of_are_told_in_one_line(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["prepare_data.py", str(tmp_path), str(tmp_path / "out"), "--only", "phantoms"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match=r"E_EMPTY: phantoms are made of CT and MR slices, and ct and mri"):
        recipe.main()


def test_a_folder_that_is_not_there_is_told_in_one_line(
    recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["prepare_data.py", str(tmp_path / "none"), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="E_MISSING"):
        recipe.main()
    assert not (tmp_path / "out").exists()
