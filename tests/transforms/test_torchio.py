"""TorchIO: the same results, and a history that gives them again."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
import torchio
from monai.transforms import Compose, LoadImaged

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical.testing import Modality
from datprl_toolkit.transforms.monai import RestoreVolumed, SeriesReader
from datprl_toolkit.transforms.torchio import (
    Degradation,
    RandomBicubicLowResolution,
    RandomKSpaceTruncation,
    RandomLowCountPET,
    RandomLowDoseCT,
    Restore,
    load_series,
)

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer

Series = Callable[[Modality], Path]
AFFINE = np.diag([-2.0, -2.0, 5.0, 1.0])


def subject() -> torchio.Subject:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    disc = ((y - 12) ** 2 + (x - 12) ** 2 < 81).astype(np.float32)
    noise = 0.01 * generator.random((24, 24, 3))
    values = np.stack([disc * (0.5 + 0.1 * index) for index in range(3)], axis=-1) + noise
    tensor = torch.from_numpy(values.astype(np.float32).clip(0, 1))[None]
    return torchio.Subject(
        image=torchio.ScalarImage(tensor=tensor, affine=AFFINE),
        other=torchio.ScalarImage(tensor=tensor * 0.5, affine=AFFINE),
        label=torchio.LabelMap(tensor=(tensor > 0.4).to(torch.uint8), affine=AFFINE),
    )


def data(transformed: torchio.Subject, name: str) -> torch.Tensor:
    image = transformed[name]
    assert isinstance(image, torchio.Image)
    return image.data


def replayed(transformed: torchio.Subject) -> torchio.Subject:
    """Apply the history of a subject to the untouched one."""
    return transformed.get_composed_history()(subject())


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_the_result_is_that_of_the_monai_transform(modality: Modality, series: Series, tiny: Restorer) -> None:
    load = LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)
    expected = Compose([load, RestoreVolumed("image", weights=tiny)])({"image": str(series(modality))})["image"]
    image = load_series(series(modality))
    restored = Restore(tiny)(image)
    assert isinstance(restored, torchio.ScalarImage)
    assert restored["modality"] == modality
    np.testing.assert_array_equal(restored.affine, image.affine)
    torch.testing.assert_close(restored.data, expected.as_tensor(), rtol=0, atol=0)


def test_canonical_axes_change_nothing_but_the_axes(series: Series, tiny: Restorer) -> None:
    image = load_series(series("CT"))
    straight, turned = Restore(tiny)(image), Restore(tiny)(torchio.ToCanonical()(image))
    torch.testing.assert_close(torchio.ToCanonical()(straight).data, turned.data, rtol=0, atol=0)


def test_only_intensity_images_that_are_included_are_restored(tiny: Restorer) -> None:
    before, after = subject(), Restore(tiny, (0, 1), include=["image"])(subject())
    assert (data(after, "image") != data(before, "image")).any()
    assert torch.equal(data(after, "other"), data(before, "other"))
    assert torch.equal(data(after, "label"), data(before, "label"))


def test_the_history_restores_again_by_the_name_of_the_weights() -> None:
    restored = Restore("small", (0.0, 1.0), strength=0.5)(subject())
    ((name, arguments),) = restored.applied_transforms
    assert name == "Restore"
    assert arguments["weights"] == "small"
    assert len(pickle.dumps(restored.applied_transforms)) < 1000
    again = replayed(restored)
    for key in ("image", "other", "label"):
        assert torch.equal(data(again, key), data(restored, key))


@pytest.mark.parametrize(
    "transform",
    [
        RandomLowDoseCT(views=60),
        RandomLowCountPET(),
        RandomKSpaceTruncation((2, 8)),
        RandomBicubicLowResolution((2, 8)),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_the_history_repeats_what_was_drawn(transform: torchio.Transform) -> None:
    torch.manual_seed(0)
    spoilt = transform(subject())
    ((name, arguments),) = spoilt.applied_transforms
    assert name == "Degradation"
    assert isinstance(arguments["seed"], dict)
    assert set(arguments["seed"]) == {"image", "other"}
    assert (data(spoilt, "image") != data(subject(), "image")).any()
    assert torch.equal(data(spoilt, "label"), data(subject(), "label"))
    again = replayed(spoilt)
    for key in ("image", "other"):
        assert torch.equal(data(again, key), data(spoilt, key))


def test_the_generator_of_pytorch_decides_what_is_drawn() -> None:
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(data(RandomLowDoseCT(views=60)(subject()), "image"))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_a_pipeline_of_both_is_replayed_and_pickled() -> None:
    pipeline = torchio.Compose(
        [RandomLowDoseCT(views=60, p=1), Restore("small", (0.0, 1.0)), torchio.RandomFlip(flip_probability=1, p=1)]
    )
    pipeline = pickle.loads(pickle.dumps(pipeline))
    transformed = pipeline(subject())
    assert [type(each).__name__ for each in transformed.history] == ["Degradation", "Restore", "Flip"]
    again = replayed(transformed)
    assert torch.equal(data(again, "image"), data(transformed, "image"))


def test_a_pet_series_keeps_its_slopes_where_torchios_own_reader_overflows(series: Series) -> None:
    image = load_series(series("PT"))
    theirs = torchio.ScalarImage(series("PT"))
    assert image["unit"] == "Bq/ml"
    assert float(image.data.max()) > 40_000
    assert float(theirs.data.max()) < 32_768


def test_a_simulator_that_there_is_not_is_refused() -> None:
    with pytest.raises(DatprlError) as caught:
        Degradation("snow", {}, {})
    assert caught.value.code is ErrorCode.OPTION
