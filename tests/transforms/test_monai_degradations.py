"""Every simulator as a MONAI transform: seeded, repeatable, different in every worker, and the simulator itself."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, Lambdad, Randomizable

from datprl_toolkit import degradations
from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.transforms import monai as ours

if TYPE_CHECKING:
    from datprl_toolkit.transforms.monai.degradations import RandDegradation, RandDegradationd

SLICES = torch.diag(torch.tensor([-2.0, -2.0, 5.0, 1.0]))


def volume() -> MetaTensor:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    disc = ((y - 12) ** 2 + (x - 12) ** 2 < 81).astype(np.float32)
    values = np.stack([disc * (0.5 + 0.1 * index) for index in range(3)], axis=-1) + 0.01 * generator.random(
        (24, 24, 3)
    )
    return MetaTensor(torch.from_numpy(values.astype(np.float32).clip(0, 1))[None], affine=SLICES, meta={"unit": "1"})


def picture() -> MetaTensor:
    return MetaTensor(torch.from_numpy(np.random.default_rng(1).random((3, 40, 40)).astype(np.float32)))


FOR_VOLUMES: list[RandDegradation] = [
    ours.RandLowDoseCT(views=60, prob=1.0),
    ours.RandLowCountPET(prob=1.0),
    ours.RandKSpaceTruncation(factor=(2, 4), prob=1.0),
    ours.RandBicubicLowResolution(factor=(2, 4), prob=1.0),
]
FOR_PICTURES: list[RandDegradation] = [
    ours.RandCameraShake(prob=1.0),
    ours.RandRain(prob=1.0),
    ours.RandHaze(prob=1.0),
    ours.RandClouds(prob=1.0),
]
CASES = [(each, volume) for each in FOR_VOLUMES] + [(each, picture) for each in FOR_PICTURES]
EVERY = pytest.mark.parametrize(("transform", "make"), CASES, ids=lambda case: type(case).__name__)


@EVERY
def test_a_seed_repeats_the_result_and_another_one_does_not(transform: RandDegradation, make: Any) -> None:
    image = make()
    first, again = (transform.set_random_state(3)(image) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    # A factor is drawn from a few whole numbers, so that one other seed may draw the same.
    others = [np.asarray(transform.set_random_state(seed)(image)) for seed in range(4, 8)]
    assert any((np.asarray(first) != other).any() for other in others)
    assert (np.asarray(first) != np.asarray(image)).any()
    copied = pickle.loads(pickle.dumps(transform.set_random_state(3)))
    np.testing.assert_array_equal(copied(image), first)


@EVERY
def test_shape_affine_and_metadata_are_kept(transform: RandDegradation, make: Any) -> None:
    image = make()
    result = transform(image)
    assert isinstance(result, MetaTensor)
    assert result.shape == image.shape
    assert result.dtype == torch.float32
    torch.testing.assert_close(result.affine, image.affine)
    assert result.meta.get("unit") == image.meta.get("unit")


@EVERY
def test_the_dictionary_version_spoils_all_keys_alike(transform: RandDegradation, make: Any) -> None:
    versions: type[RandDegradationd] = getattr(ours, f"{type(transform).__name__}d")
    assert getattr(ours, f"{type(transform).__name__}D") is versions
    assert getattr(ours, f"{type(transform).__name__}Dict") is versions
    ranges = {"views": 60} if "views" in transform.ranges else {}
    spoil = versions(["a", "b"], prob=1.0, **ranges).set_random_state(5)
    result = spoil({"a": make(), "b": make(), "c": 1})
    np.testing.assert_array_equal(result["a"], result["b"])
    assert result["c"] == 1
    np.testing.assert_array_equal(versions("a", prob=0.0, **ranges)({"a": make()})["a"], make())


def test_the_noise_is_that_of_the_simulator_with_the_pixels_of_the_affine() -> None:
    image, transform = volume(), ours.RandLowDoseCT(dose=0.25, views=60, prob=1.0).set_random_state(0)
    result = np.asarray(transform(image))
    generator = np.random.default_rng(transform.seed)
    for index in range(3):
        expected = degradations.low_dose_ct(np.asarray(image)[0, ..., index].T, 0.25, generator, pixel_mm=2.0, views=60)
        np.testing.assert_array_equal(result[0, ..., index].T, expected)


def test_slices_that_are_not_square_are_projected_in_a_square_of_air() -> None:
    hounsfield = MetaTensor(torch.full((1, 16, 24, 2), -1000.0), affine=SLICES)
    hounsfield[:, 4:12, 6:18] = 40
    result = ours.RandLowDoseCT(dose=0.1, views=60, prob=1.0).set_random_state(0)(hounsfield)
    assert result.shape == hounsfield.shape
    assert 1 < float((result - hounsfield)[:, 4:12, 6:18].std()) < 100


def test_counts_go_by_uptake_whatever_the_unit() -> None:
    suv = volume()
    activity = MetaTensor(suv.as_tensor() * 5000, affine=SLICES, meta={"suv_factor": 1 / 5000})
    one, other = (ours.RandLowCountPET(prob=1.0).set_random_state(0)(image) for image in (suv, activity))
    np.testing.assert_allclose(np.asarray(other) / 5000, one, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("transform", "image", "code"),
    [
        (ours.RandRain(prob=1.0), volume(), ErrorCode.UNSUPPORTED),
        (ours.RandLowDoseCT(prob=1.0), picture(), ErrorCode.UNSUPPORTED),
        (ours.RandBicubicLowResolution(prob=1.0), volume() * 100, ErrorCode.UNSUPPORTED),
        (ours.RandKSpaceTruncation(prob=1.0), volume() - 1, ErrorCode.UNSUPPORTED),
        (
            ours.RandLowDoseCT(prob=1.0),
            MetaTensor(volume().as_tensor(), affine=torch.diag(torch.tensor([1.0, 2.0, 5.0, 1.0]))),
            ErrorCode.GEOMETRY,
        ),
    ],
)
def test_images_for_which_a_simulator_has_no_meaning_are_refused(
    transform: RandDegradation, image: MetaTensor, code: ErrorCode
) -> None:
    with pytest.raises(DatprlError) as caught:
        transform(image)
    assert caught.value.code is code


def test_ranges_are_checked_when_the_pipeline_is_made() -> None:
    with pytest.raises(DatprlError) as caught:
        ours.RandLowDoseCTd("image", dose=(0.5, 0.1))
    assert caught.value.code is ErrorCode.OPTION


def draws(workers: int, seed: int) -> list[float]:
    """Return one number of each of eight images that a loader spoils alike in all but their randomness."""
    pipeline = Compose([ours.RandHazed("image", prob=1.0), Lambdad("image", lambda image: image.mean())])
    pipeline.set_random_state(seed)
    torch.manual_seed(seed)
    loader = DataLoader(Dataset([{"image": picture()}] * 8, pipeline), num_workers=workers, batch_size=1)
    return [float(batch["image"]) for batch in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_of_every_worker_is_spoilt_differently_and_again_the_same(workers: int) -> None:
    first = draws(workers, 11)
    assert len(set(first)) == 8
    assert draws(workers, 11) == first
    assert not set(draws(workers, 12)) & set(first)


def test_all_are_randomizable_so_that_compose_seeds_them() -> None:
    assert all(isinstance(transform, Randomizable) for transform, _ in CASES)
