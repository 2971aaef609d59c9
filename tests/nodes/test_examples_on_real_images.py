"""Every example workflow on a few real images, with the weights that are shipped, as people first see it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from datprl_nodes.api import run_workflow
from datprl_nodes.workflow import load_workflow
from PIL import Image
from rasterio.windows import Window

from datprl_toolkit.images.picture import read_picture
from datprl_toolkit.medical.opening import open_volume
from datprl_toolkit.metrics.report import Report

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real images are not there: {SHARED}"),
]


def run(name: str, destination: Path, source: Path, **changes: dict[str, Any]) -> Path:
    workflow = load_workflow(ROOT / "nodes" / "examples" / f"{name}.yaml").with_parameters(changes)
    (declared,) = workflow.inputs
    return run_workflow(workflow, destination, {declared: source}).destination


def take(folder: str, places: slice, target: Path) -> None:
    """Copy some images of a series."""
    target.mkdir(exist_ok=True)
    for path in sorted((SHARED / folder).iterdir())[places]:
        shutil.copyfile(path, target / f"{path.parent.name}_{path.name}")


def cut(source: Path, target: Path, size: int = 256) -> None:
    """Copy the upper left corner of a scene."""
    with rasterio.open(source) as scene:
        window = Window(0, 0, size, size)
        profile = {**scene.profile, "width": size, "height": size, "transform": scene.window_transform(window)}
        with rasterio.open(target, "w", **profile) as written:
            written.write(scene.read(window=window))


def gains(path: Path) -> float:
    """Return how much the PSNR of the second row is above that of the first, in dB."""
    scores = Report.from_json(path.read_text(encoding="utf-8"))
    before, after = (figures[scores.columns.index("PSNR [dB]")] for _, figures in scores.rows)
    return after - before


def test_a_pet_ct_study_comes_back_in_its_own_units_and_geometry(tmp_path: Path) -> None:
    for folder in ("ct/train/acrin042_ct", "pet/train/acrin042_pet_ac"):
        take(folder, slice(30, 32), tmp_path / "study")
    out = run("pet_ct_study", tmp_path / "out", tmp_path / "study")
    for modality, folder in (("CT", "ct"), ("PT", "pet")):
        before = open_volume(tmp_path / "study", modality=modality).volume
        after = open_volume(out / folder).volume
        assert after.unit == before.unit
        assert [image.geometry for image in after.slices] == [image.geometry for image in before.slices]
        old, new = (np.stack([image.read() for image in volume.slices]).ravel() for volume in (before, after))
        assert not np.array_equal(old, new)
        assert np.corrcoef(old, new)[0, 1] > 0.95
        assert read_picture(out / f"{folder}.png").pixels.std() > 10


def test_a_low_dose_trial_gains_on_a_real_ct(tmp_path: Path) -> None:
    take("ct/train/acrin042_ct", slice(30, 31), tmp_path / "ct")
    out = run("low_dose_ct_trial", tmp_path / "out", tmp_path / "ct", quarter_dose={"dose": 0.1, "views": 90})
    assert gains(out / "scores.json") > 0


def test_an_mr_of_low_resolution_gains(tmp_path: Path) -> None:
    take("mri/train/ge_sag_t1", slice(1, 2), tmp_path / "mr")
    out = run("mr_super_resolution", tmp_path / "out", tmp_path / "mr")
    assert gains(out / "scores.json") > 0


def test_a_batch_of_real_scenes_becomes_stores_without_seams(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    cut(SHARED / "rs_scene/train/DeepForest_OSBS_029.tif", tmp_path / "scenes" / "forest.tif", 300)
    out = run(
        "satellite_batch",
        tmp_path / "out",
        tmp_path / "scenes",
        restored={"tile": 160, "halo": 32},
        seams={"tile": 160},
    )
    with rasterio.open(tmp_path / "scenes" / "forest.tif") as scene:
        bounds = scene.bounds
    import xarray as xr

    with xr.open_zarr(out / "forest.zarr") as store:
        assert store.rio.bounds() == pytest.approx(tuple(bounds))
    index = float((out / "seams.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[1])
    assert index == pytest.approx(1.0, abs=0.05)


def test_haze_over_a_real_scene_is_taken_away_in_part(tmp_path: Path) -> None:
    cut(SHARED / "rs_scene/train/DeepForest_australia.tif", tmp_path / "clear.tif")
    scaling = {"scaling": "uint8"}
    out = run("hazy_scene", tmp_path / "out", tmp_path / "clear.tif", hazy=scaling, restored=scaling)
    assert gains(out / "scores.json") > 1
    assert "<html" in (out / "report.html").read_text(encoding="utf-8")


def test_training_pairs_of_real_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    photo = sorted((SHARED / "natural_clean/train/bsds500").iterdir())[0]
    Image.open(photo).crop((0, 0, 160, 120)).save(tmp_path / "photos" / "photo.png")
    out = run("training_pairs", tmp_path / "out", tmp_path / "photos")
    clean = read_picture(out / "clean" / "photo.png").pixels
    np.testing.assert_array_equal(clean, read_picture(tmp_path / "photos" / "photo.png").pixels)
    for kind in ("rain", "shake", "low_resolution"):
        spoilt = read_picture(out / kind / "photo.png").pixels
        assert spoilt.shape == clean.shape
        assert not np.array_equal(spoilt, clean)
