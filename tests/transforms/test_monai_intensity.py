"""To [0, 1] and back with MONAI's ``Invertd``: what was not changed comes back bit by bit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch
from monai.transforms import Compose, Invertd, LoadImaged, Orientationd, SpatialPadd

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.intensity import IntensityProfile
from datprl_toolkit.medical.testing import Modality
from datprl_toolkit.transforms.monai import ScaleIntensityProfile, ScaleIntensityProfiled, SeriesReader

Series = Callable[[Modality], Path]
WINDOW = IntensityProfile("test", -160, 240, "HU", taper_low=20, taper_high=20)


def before(*more: Any, strength: float = 1.0) -> Compose:
    load = LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)
    return Compose([load, *more, ScaleIntensityProfiled("image", strength=strength)])


def answered(answer: torch.Tensor, unit: MetaTensor) -> MetaTensor:
    """Return an answer with the trace of what was asked."""
    image = MetaTensor(answer)
    image.copy_meta_from(unit)
    return image


def after(pipeline: Compose) -> Invertd:
    return Invertd("answer", pipeline, orig_keys="image", nearest_interp=False)


@given(
    values=arrays.arrays(
        np.float32, (1, 3, 4, 2), elements=st.floats(-3000, 3000, width=32, allow_nan=False, allow_subnormal=False)
    )
)
def test_values_come_back_bit_by_bit_wherever_they_lie(values: np.ndarray) -> None:
    scale = ScaleIntensityProfile(WINDOW)
    unit = scale(MetaTensor(torch.from_numpy(values)))
    assert isinstance(unit, MetaTensor)
    assert float(unit.min()) >= 0
    assert float(unit.max()) <= 1
    np.testing.assert_array_equal(scale.inverse(unit).numpy(), values)


@given(change=arrays.arrays(np.float32, (1, 3, 4, 2), elements=st.floats(-1, 1, width=32)), strength=st.floats(0, 1))
def test_a_change_comes_back_as_the_profile_says(change: np.ndarray, strength: float) -> None:
    values = np.linspace(-300, 400, 24, dtype=np.float32).reshape(1, 3, 4, 2)
    scale = ScaleIntensityProfile(WINDOW, strength)
    unit = scale(MetaTensor(torch.from_numpy(values)))
    assert isinstance(unit, MetaTensor)
    answer = np.clip(np.asarray(unit) + change, 0, 1)
    restored = scale.inverse(answered(torch.from_numpy(answer), unit))
    expected = WINDOW.apply(values, WINDOW.to_unit(values), answer, strength=strength)
    np.testing.assert_array_equal(restored.numpy(), expected.astype(np.float32))


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_invertd_returns_the_series_through_the_spatial_transforms_around_it(
    modality: Modality, series: Series
) -> None:
    around = (Orientationd("image", "RAS", labels=None), SpatialPadd("image", (50, 50, 8)))
    pipeline = Compose([*before(around[0]).transforms, around[1]])
    item = pipeline({"image": str(series(modality))})
    assert item["image"].shape == (1, 50, 50, 8)
    item["answer"] = item["image"].clone()
    original = LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)({"image": str(series(modality))})
    returned = after(pipeline)(item)["answer"]
    torch.testing.assert_close(returned.as_tensor(), original["image"].as_tensor(), rtol=0, atol=0)
    torch.testing.assert_close(returned.affine, original["image"].affine)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_trace_travels_through_a_loader(workers: int, series: Series) -> None:
    pipeline = before()
    items = [{"image": str(series(modality))} for modality in ("CT", "PT")]
    originals = [LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)(item)["image"] for item in items]
    batch = next(iter(DataLoader(Dataset(items, pipeline), batch_size=2, num_workers=workers)))
    batch["answer"] = batch["image"].clone()
    for item, original in zip(decollate_batch(batch), originals, strict=True):
        returned = after(pipeline)(item)["answer"]
        torch.testing.assert_close(returned.as_tensor(), original.as_tensor(), rtol=0, atol=0)


def test_a_copy_in_another_process_knows_the_trace_of_its_original() -> None:
    scale = ScaleIntensityProfile(WINDOW)
    unit = scale(MetaTensor(torch.arange(8.0).reshape(1, 2, 2, 2)))
    assert isinstance(unit, MetaTensor)
    copied = pickle.loads(pickle.dumps(scale))
    np.testing.assert_array_equal(copied.inverse(unit).numpy(), np.arange(8.0).reshape(1, 2, 2, 2))
    assert unit.applied_operations == []


def test_the_strength_of_the_inverse_is_that_of_the_transform(series: Series) -> None:
    pipeline = before(strength=0.0)
    item = pipeline({"image": str(series("CT"))})
    item["answer"] = item["image"] * 0.5
    original = LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)({"image": str(series("CT"))})
    torch.testing.assert_close(
        after(pipeline)(item)["answer"].as_tensor(), original["image"].as_tensor(), rtol=0, atol=0
    )


def test_an_answer_of_another_shape_is_refused() -> None:
    scale = ScaleIntensityProfile(WINDOW)
    unit = scale(MetaTensor(torch.zeros(1, 2, 2, 2)))
    assert isinstance(unit, MetaTensor)
    with pytest.raises(DatprlError) as caught:
        scale.inverse(answered(torch.zeros(1, 2, 2, 4), unit))
    assert caught.value.code is ErrorCode.UNSUPPORTED
