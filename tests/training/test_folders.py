"""Training on folders as they are: the section ``folders:``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from datprl_toolkit.datasets import Place, read_place
from datprl_toolkit.degradations import bicubic_low_resolution
from datprl_toolkit.errors import DatprlError
from datprl_toolkit.training import Trainer, override
from datprl_toolkit.training.adapters import DATASETS
from datprl_toolkit.training.batches import BalancedBatches
from datprl_toolkit.training.file_images import FileImages, ImageCache, SimulatedLowResolution
from datprl_toolkit.training.folders import describe_folders, folder_makers, folder_tasks, load_folders
from datprl_toolkit.training.makers import task_makers
from datprl_toolkit.training.prepared import Source

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.training import TrainingConfig


def save(folder: Path, *images: npt.NDArray[Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    clean = [generator.integers(40, 216, (40, 36, 3), dtype=np.uint8) for _ in range(6)]
    save(tmp_path / "clean", *clean)
    save(tmp_path / "hazy", *((image // 2 + 100).astype(np.uint8) for image in clean))
    return tmp_path


ENTRY = {"name": "mine", "task": "dehazing", "degraded": "hazy", "clean": "clean", "validation": 2}


def test_pairs_from_folders_are_the_pixels_of_the_files_at_one_place(pairs: Path) -> None:
    data = load_folders([ENTRY], pairs)
    assert folder_tasks(data) == ("dehazing",)
    assert len(data.sources["mine"]) == 4
    assert len(data.validation["dehazing"]) == 2
    ((_, maker),) = folder_makers(data)["dehazing"]
    pair = maker.make(1, 16, np.random.default_rng(0))
    assert pair.key == "mine/0001"
    assert pair.clean.shape == (16, 16, 3)
    clean = np.rint(pair.clean * 255).astype(int)
    assert np.array_equal(np.rint(pair.degraded * 255).astype(int), clean // 2 + 100)
    whole = np.asarray(Image.open(pairs / "clean" / "2.png")).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 16, 3))
    assert (windows == clean).all(axis=(-3, -2, -1)).any()


def test_a_run_on_folders_ends_and_a_changed_file_is_another_data_set(
    pairs: Path, tmp_path: Path, config: TrainingConfig
) -> None:
    data = load_folders([ENTRY], pairs)
    settings = override(config, {"tasks": folder_tasks(data), "steps": 4, "batch_size": 3, "log_every": 2})
    assert Trainer(settings, data, tmp_path / "run", report=lambda _: None).run()
    assert load_folders([ENTRY], pairs).fingerprint == data.fingerprint
    Image.fromarray(np.zeros((40, 36, 3), np.uint8)).save(pairs / "clean" / "2.png")
    assert load_folders([ENTRY], pairs).fingerprint != data.fingerprint


def test_several_sources_of_one_task_are_drawn_equally_often(pairs: Path) -> None:
    other = {**ENTRY, "name": "other", "validation": 4}
    batches = BalancedBatches(task_makers(load_folders([ENTRY, other], pairs), ("dehazing",)), 8)
    keys = [key.split("/")[0] for _ in range(25) for key in batches.next(8).keys]
    assert 70 < keys.count("mine") < 130


@pytest.mark.parametrize(
    ("task", "simulate"),
    [
        ("natural_super_resolution", "super_resolution"),
        ("natural_deraining", "rain"),
        ("natural_deblurring", "shake"),
        ("mri_super_resolution", "k_space"),
        ("cloud_removal", "clouds"),
        ("dehazing", "haze"),
    ],
)
def test_clean_images_are_degraded_by_what_the_task_says(pairs: Path, task: str, simulate: str) -> None:
    data = load_folders([{"task": task, "clean": "clean", "validation": 2}], pairs)
    assert data.manifest["folders"][task]["simulate"] == simulate
    ((_, maker),) = folder_makers(data)[task]
    pair = maker.make(0, 16, np.random.default_rng(1))
    assert pair.clean.shape == pair.degraded.shape
    assert np.abs(pair.clean - pair.degraded).mean() > 1e-3
    held = data.validation[task]
    assert np.abs(held.inputs[0] - held.targets[0]).mean() > 1e-3
    again = load_folders([{"task": task, "clean": "clean", "validation": 2}], pairs).validation[task]
    assert np.array_equal(held.inputs[1], again.inputs[1])


def test_a_crop_of_low_resolution_is_that_of_the_whole_image(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 173, 3), dtype=np.uint8)
    save(tmp_path, image)
    images = FileImages([Place(tmp_path / "0.png")], ImageCache(), "rgb")
    maker = SimulatedLowResolution(Source("x", {"clean": images}))
    clean = image[:148, :172].astype(np.float32) / 255
    whole = bicubic_low_resolution(clean)
    for seed in range(6):
        pair = maker.make(0, 24, np.random.default_rng(seed))
        windows = np.lib.stride_tricks.sliding_window_view(clean, (24, 24, 3))[:, :, 0]
        (row, column), *_ = np.argwhere((np.abs(windows - pair.clean) < 1e-6).all(axis=(-3, -2, -1)))
        assert np.array_equal(pair.degraded, whole[row : row + 24, column : column + 24])


def test_images_smaller_than_a_crop_are_continued_by_mirroring(tmp_path: Path) -> None:
    save(tmp_path / "clean", *(np.full((20, 12, 3), 90, np.uint8) for _ in range(2)))
    for task in ("natural_super_resolution", "mri_super_resolution", "natural_deraining"):
        data = load_folders([{"task": task, "clean": "clean", "validation": 0}], tmp_path)
        ((_, maker),) = folder_makers(data)[task]
        assert maker.make(0, 32, np.random.default_rng(0)).degraded.shape[:2] == (32, 32)


def test_the_cache_forgets_the_oldest_image_first(tmp_path: Path) -> None:
    save(tmp_path, *(np.full((10, 10, 3), value, np.uint8) for value in range(3)))
    cache = ImageCache(limit=650)
    places = [Place(tmp_path / f"{i}.png") for i in range(3)]
    for place in (places[0], places[1], places[0], places[2]):
        cache.read(place, "rgb")
    assert cache.size == 600
    assert [place.path.stem for place, _ in cache._images] == ["0", "2"]


def test_red_cnn_arrays_and_plain_arrays_are_read_in_their_range(tmp_path: Path) -> None:
    hu = np.array([[-160.0, 40.0], [240.0, 1000.0]])
    np.save(tmp_path / "hu.npy", (hu + 1024) / 4096)
    place = Place(tmp_path / "hu.npy", None, 4096.0, -1024.0, (-160.0, 240.0))
    assert np.allclose(read_place(place), np.array([[0, 0.5], [1, 1]]), atol=1e-6)
    np.save(tmp_path / "wide.npy", hu)
    with pytest.raises(DatprlError, match="E_QUANTITY"):
        read_place(Place(tmp_path / "wide.npy"))
    np.save(tmp_path / "pickled.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(DatprlError, match="E_CORRUPT"):
        read_place(Place(tmp_path / "pickled.npy"))


def test_ct_slices_are_read_in_the_published_window(tmp_path: Path) -> None:
    import pydicom

    from datprl_toolkit.medical.testing import write_synthetic_series

    (path,) = write_synthetic_series(tmp_path, "CT", 1)
    dataset = pydicom.dcmread(path)
    hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    assert np.allclose(read_place(Place(path)), np.clip((hu + 160) / 400, 0, 1), atol=1e-6)


def test_a_published_set_is_counted_beside_the_paper(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    for folder in ("train/cloud", "train/label", "test/cloud", "test/label"):
        save(tmp_path / folder, image, image)
    data = load_folders([{"dataset": "cuhk_cr1", "path": "."}], tmp_path)
    (line,) = describe_folders(data)
    assert "2 training and 2 test images" in line
    assert "the paper has 534 and 134" in line
    assert DATASETS["cuhk_cr1"].task in data.validation


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "list of entries"),
        ([5], "entry 1"),
        ([{"dataset": "rice1"}], "say where it is"),
        ([{"dataset": "rice1", "path": ".", "task": "dehazing"}], "leave out task"),
        ([{"task": "dehazing"}], "clean missing"),
        ([{"task": "cooking", "clean": "clean"}], "there is no task"),
        ([{**ENTRY, "degraded": "nowhere"}], "E_MISSING"),
        ([{**ENTRY, "simulate": "haze"}], "pairs are not simulated"),
        ([{"task": "ct_denoising", "clean": "clean"}], "no simulation from pictures"),
        ([{"task": "dehazing", "clean": "clean", "simulate": "fog"}], "no simulation 'fog'"),
        ([{**ENTRY, "validation": "two"}], "wrong kind"),
        ([{**ENTRY, "validation": -1}], "0 or more"),
        ([{**ENTRY, "cleaan": "x"}], "unknown: cleaan"),
        ([ENTRY, ENTRY], "same name"),
    ],
)
def test_an_entry_that_does_not_fit_is_one_line(pairs: Path, entries: object, message: str) -> None:
    with pytest.raises(DatprlError) as raised:
        load_folders(entries, pairs)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_pair_of_other_sizes_is_found_before_training(pairs: Path) -> None:
    Image.fromarray(np.zeros((10, 36, 3), np.uint8)).save(pairs / "hazy" / "3.png")
    with pytest.raises(DatprlError, match="mine: 3") as raised:
        load_folders([ENTRY], pairs)
    assert "36x40" in str(raised.value)
