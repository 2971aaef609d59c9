"""Variants of the training images: other scales and contrasts, units and formats kept."""

from __future__ import annotations

import numpy as np
import pytest

from datprl_toolkit.degradations import truncate_k_space
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.variants import (
    THICK_SLICES,
    VARIANTS,
    make_variants,
    reduced,
    resized,
    scaled,
    thick,
    varied_mr,
)

GENERATOR = np.random.default_rng(3)
PHOTOS = Source("photos", {"clean": [GENERATOR.integers(0, 256, (80, 120, 3)).astype(np.uint8) for _ in range(3)]})
MR = Source("mri", {"clean": [GENERATOR.integers(0, 65536, (48, 40)).astype(np.uint16) for _ in range(4)]})
CT = Source(
    "ct",
    {
        "clean": [np.full((40, 40), -100 + 50 * i, np.int16) for i in range(2)],
        "noise": [GENERATOR.normal(0, 20, (3, 2, 40, 40)).astype(np.float16) for _ in range(2)],
    },
)


def test_reduced_photos_are_pairs_of_smaller_images_in_multiples_of_four() -> None:
    made = reduced("photos_reduced", PHOTOS)
    assert [image.shape for image in made["clean"]] == [(64, 96, 3), (52, 80, 3), (40, 60, 3)]
    for clean, degraded in zip(made["clean"], made["degraded"], strict=True):
        assert clean.dtype == degraded.dtype == np.uint8
        assert clean.shape == degraded.shape
        # The degraded one has lost its detail and not its mean.
        assert np.diff(degraded.astype(float), axis=0).std() < 0.5 * np.diff(clean.astype(float), axis=0).std()
        assert degraded.mean() == pytest.approx(clean.mean(), abs=3)


def test_mr_variants_differ_in_size_and_contrast_and_are_truncated_anew() -> None:
    made = varied_mr("mri_varied", MR, seed=7)
    assert {image.shape for image in made["clean"]} == {(32, 32), (64, 56), (48, 40), (56, 48)}
    clean = made["clean"][0].astype(np.float64) / 65535
    np.testing.assert_allclose(made["degraded"][0] / 65535, truncate_k_space(clean).clip(0, 1), atol=2e-5)
    again = varied_mr("mri_varied", MR, seed=7)
    assert all((a == b).all() for a, b in zip(made["clean"], again["clean"], strict=True))


def test_scaled_slices_keep_their_unit_and_their_noise_keeps_its_axes() -> None:
    made = scaled("ct_scaled", CT, "noise", (0.5, 1.5))
    assert [image.shape for image in made["clean"]] == [(20, 20), (60, 60)]
    assert [noise.shape for noise in made["noise"]] == [(3, 2, 20, 20), (3, 2, 60, 60)]
    assert (made["clean"][0] == -100).all()
    assert (made["clean"][1] == -50).all()
    assert made["clean"][0].dtype == np.int16
    assert made["noise"][0].dtype == np.float16

    # Finer pixels: noise of one scanner becomes coarser when it is enlarged, so neighbours agree more.
    def agreement(noise: np.ndarray) -> float:
        return float(np.corrcoef(noise[..., 1:].ravel(), noise[..., :-1].ravel())[0, 1])

    assert agreement(made["noise"][1].astype(float)) > agreement(CT["noise"][1].astype(float)) + 0.2


def test_thick_slices_have_less_noise_of_their_own_and_that_of_one_slice_to_be_taken_away() -> None:
    noisy = [np.rint(GENERATOR.normal(40, 20, (64, 64))).astype(np.int16) for _ in range(9)]
    noise = [GENERATOR.normal(0, 20, (3, 2, 64, 64)).astype(np.float16) for _ in noisy]
    made = thick("ct_thick", Source("ct", {"clean": noisy, "noise": noise}))
    assert all(image.shape == (64, 64) and image.dtype == np.int16 for image in made["clean"])
    # Every third keeps the size, of the others the middle is enlarged; at the ends there are fewer neighbours.
    assert made["clean"][3].std() == pytest.approx(20 / 5**0.5, rel=0.1)
    assert made["clean"][6].std() == pytest.approx(20 / 3**0.5, rel=0.1)
    assert all((a == b).all() for a, b in zip(made["noise"], noise, strict=True))


def test_a_size_never_falls_to_nothing() -> None:
    assert resized(np.ones((6, 6)), 0.1).shape == (4, 4)


def test_only_sources_that_are_there_have_variants() -> None:
    made = {source.name for source in make_variants({"photos": PHOTOS, "ct": CT, "rain": PHOTOS}, seed=1)}
    assert made == {VARIANTS["photos"], VARIANTS["ct"], THICK_SLICES}
