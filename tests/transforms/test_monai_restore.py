"""RestoreVolume in a MONAI pipeline gives what ``datprl restore`` writes, whatever happened to the axes before."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, LoadImaged, Orientationd

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical import restore_dicom
from datprl_toolkit.medical.testing import CT_PADDING, Modality, write_synthetic_series
from datprl_toolkit.restoring.testing import tiny_restorer
from datprl_toolkit.transforms.monai import (
    RestoreVolume,
    RestoreVolumeD,
    RestoreVolumed,
    RestoreVolumeDict,
    SeriesReader,
)

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from datprl_toolkit.restoring import Restorer

Series = Callable[[Modality], Path]
WINDOW = (-160.0, 240.0)


def load(folder: Path, *more: Any) -> MetaTensor:
    pipeline = Compose([LoadImaged("image", reader=SeriesReader, ensure_channel_first=True), *more])
    image = pipeline({"image": str(folder)})["image"]
    assert isinstance(image, MetaTensor)
    return image


def written(folder: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the physical values that a restored series holds, (columns, rows, slices), and the slope of each slice."""
    images = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    slopes = np.array([float(image.get("RescaleSlope", 1)) for image in images])
    stored = np.stack([image.pixel_array for image in images])
    return (stored * slopes[:, None, None]).transpose(2, 1, 0), slopes


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("axes", ["LPS", "RAS", "SAR"])
def test_the_result_is_that_of_the_command_line_up_to_the_rounding_of_stored_values(
    modality: Modality, axes: str, series: Series, tmp_path: Path, tiny: Restorer
) -> None:
    restore_dicom(series(modality), tmp_path / "out", tiny)
    expected, slopes = written(tmp_path / "out")
    turn, back = (Orientationd("image", code, labels=None) for code in (axes, "LPS"))
    image = load(series(modality), turn, RestoreVolumed("image", weights=tiny), back)
    difference = np.abs(image.numpy()[0] - expected)
    # Both compute in single precision over the whole intensity window, in batches that processors sum in their own way.
    single = np.finfo(np.float32).eps * np.abs(expected).max()
    assert (difference <= 0.5001 * slopes + single).all()
    assert np.abs(expected - load(series(modality)).numpy()[0]).max() > 10


def test_the_axis_of_the_slices_can_be_named_where_the_affine_does_not_tell(tiny: Restorer) -> None:
    values = torch.rand(1, 16, 20, 24)
    cube = MetaTensor(values, affine=torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0])))
    by_last, by_first = (RestoreVolume(tiny, [0, 1], slice_axis=axis)(cube) for axis in (2, 0))
    torch.testing.assert_close(by_last, RestoreVolume(tiny, [0, 1])(cube), rtol=0, atol=0)
    assert np.abs(np.asarray(by_last) - np.asarray(by_first)).max() > 1e-3


def test_affine_metadata_and_kind_are_kept(series: Series, tiny: Restorer) -> None:
    image = load(series("CT"))
    restored = RestoreVolume(tiny)(image)
    assert isinstance(restored, MetaTensor)
    assert restored.dtype == torch.float32
    torch.testing.assert_close(restored.affine, image.affine)
    assert restored.meta["unit"] == "HU"
    assert restored.meta["filename_or_obj"] == image.meta["filename_or_obj"]
    assert restored.meta is not image.meta
    plain = RestoreVolume(tiny, "ct-soft-tissue", slice_axis=2)(image.numpy())
    assert isinstance(plain, np.ndarray)
    np.testing.assert_array_equal(plain, restored.numpy())


def test_values_outside_the_window_and_padding_are_not_touched(series: Series, tiny: Restorer) -> None:
    image = load(series("CT")).numpy()
    restored = RestoreVolume(tiny)(load(series("CT"))).numpy()  # type: ignore[union-attr]
    outside = (image <= WINDOW[0]) | (image >= WINDOW[1])
    assert (image[outside] == CT_PADDING).any()
    np.testing.assert_array_equal(restored[outside], image[outside])


def test_padding_inside_the_window_is_not_touched(tmp_path: Path, tiny: Restorer) -> None:
    def pad_with_zero(dataset: FileDataset, index: int) -> None:
        dataset.add_new("PixelPaddingValue", "SS", 0)
        stored = dataset.pixel_array.copy()
        stored[:10] = 0
        dataset.PixelData = stored.tobytes()

    write_synthetic_series(tmp_path / "in", "CT", 2, change=pad_with_zero)
    image = load(tmp_path / "in")
    restored = RestoreVolume(tiny)(image)
    np.testing.assert_array_equal(restored[image == 0], np.zeros(int((image == 0).sum())))


def test_strength_zero_returns_the_values(series: Series, tiny: Restorer) -> None:
    image = load(series("PT"))
    torch.testing.assert_close(RestoreVolume(tiny, strength=0)(image), image, rtol=0, atol=0)


def test_an_array_is_restored_with_a_profile_a_name_or_a_window(tiny: Restorer) -> None:
    values = np.random.default_rng(0).uniform(0, 300, (2, 16, 18, 5)).astype(np.float32)
    for profile in ("mr-percentile", "pet-suv", "pet-percentile", [0.0, 300.0], IntensityProfile("own", 0, 300, "1")):
        restored = RestoreVolume(tiny, profile)(values)
        assert restored.shape == values.shape
        assert np.abs(np.asarray(restored) - values).max() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"profile": "ct"}, ErrorCode.OPTION),
        ({"profile": [1.0, 0.0]}, ErrorCode.OPTION),
        ({"profile": [1.0]}, ErrorCode.OPTION),
        ({"strength": 2.0}, ErrorCode.OPTION),
    ],
)
def test_arguments_are_checked_when_the_pipeline_is_made(arguments: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(DatprlError) as caught:
        RestoreVolumed("image", **arguments)
    assert caught.value.code is code


def test_a_volume_of_unknown_modality_is_not_guessed_at(tiny: Restorer) -> None:
    with pytest.raises(DatprlError) as caught:
        RestoreVolume(tiny)(np.zeros((1, 8, 8, 8), dtype=np.float32))
    assert caught.value.code is ErrorCode.OPTION
    assert "ct-soft-tissue" in str(caught.value)


def test_weights_that_were_not_trained_for_the_modality_are_refused(series: Series) -> None:
    restorer = tiny_restorer()
    restorer.card = type(restorer.card)("test", restorer.network.config, restorer.card.tasks[:2])
    with pytest.raises(DatprlError) as caught:
        RestoreVolume(restorer)(load(series("CT")))
    assert caught.value.code is ErrorCode.WEIGHTS_TASK


@pytest.mark.parametrize("shape", [(8, 8, 8), (1, 8, 8), (1, 0, 8, 8)])
def test_another_shape_than_that_of_a_volume_is_refused(shape: tuple[int, ...], tiny: Restorer) -> None:
    with pytest.raises(DatprlError) as caught:
        RestoreVolume(tiny, [0, 1])(np.zeros(shape, dtype=np.float32))
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_a_pipeline_carries_the_name_of_its_weights_and_not_the_weights() -> None:
    pipeline = Compose([RestoreVolumed("image", weights="small", profile=[0, 1])])
    restore = pipeline.transforms[0].restore
    image = {"image": np.random.default_rng(0).random((1, 16, 16, 2)).astype(np.float32)}
    first = pipeline(image)["image"]
    assert restore.restorer.loaded
    copied = pickle.loads(pickle.dumps(pipeline))
    assert len(pickle.dumps(pipeline)) < 10_000
    assert not copied.transforms[0].restore.restorer.loaded
    np.testing.assert_array_equal(copied(image)["image"], first)


@pytest.mark.parametrize(("workers", "context"), [(2, "fork"), (1, "spawn")])
def test_workers_of_a_loader_give_the_same_as_the_process_itself(
    workers: int, context: str, series: Series, tiny: Restorer
) -> None:
    # The window is given: what is left to the worker is to load the weights, which travel by name.
    pipeline = Compose(
        [
            LoadImaged("image", reader="datprl_toolkit.transforms.monai.SeriesReader", ensure_channel_first=True),
            RestoreVolumed("image", weights="small"),
        ]
    )
    items = [{"image": str(series("CT"))}] * 2
    expected = pipeline(items[0])["image"]
    pipeline.transforms[1].restore.restorer._loaded = None
    loader = DataLoader(
        Dataset(items, pipeline), batch_size=2, num_workers=workers, multiprocessing_context=context, timeout=250
    )
    batch = next(iter(loader))["image"]
    assert batch.shape == (2, *expected.shape)
    for image in decollate_batch(batch):
        torch.testing.assert_close(image.as_tensor(), expected.as_tensor(), rtol=0, atol=1e-4)
        torch.testing.assert_close(image.affine, expected.affine)


def test_aliases_are_those_of_monai() -> None:
    assert RestoreVolumeD is RestoreVolumed
    assert RestoreVolumeDict is RestoreVolumed


def test_a_missing_key_is_an_error_unless_it_is_allowed(tiny: Restorer) -> None:
    with pytest.raises(KeyError):
        RestoreVolumed("image", weights=tiny, profile=[0, 1])({})
    assert RestoreVolumed("image", True, weights=tiny, profile=[0, 1])({}) == {}
