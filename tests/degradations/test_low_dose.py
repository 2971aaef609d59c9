"""Low dose and low counts: noise follows the law that it claims, and the mean stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from datprl_toolkit.degradations import ParallelBeam, low_count_pet, low_dose_ct, low_dose_ct_noise
from datprl_toolkit.degradations.low_dose import body_outline
from datprl_toolkit.errors import DatprlError

SIZE = 64
rows, columns = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
DISC = (rows**2 + columns**2 < 24**2).astype(np.float32)
WATER = 1000.0 * (DISC - 1.0)
INNER = rows**2 + columns**2 < 12**2


def noise(dose: float, *, count: int = 24, electronic: float = 0.0, photons: float = 2e4) -> npt.NDArray[np.float32]:
    generator = np.random.default_rng(5)
    return low_dose_ct_noise(
        WATER, [dose] * count, generator, pixel_mm=4.0, views=90, electronic=electronic, photons=photons
    )


def test_projection_of_a_disc_is_its_chord() -> None:
    beam = ParallelBeam(SIZE, 12, 0.4)
    sinogram = beam.project(DISC)
    offset = np.arange(beam.bins) - (beam.bins - 1) / 2
    chord = 2 * np.sqrt(np.maximum(24.0**2 - offset**2, 0.0)) * 0.4
    for view in sinogram:
        assert np.abs(view - chord)[np.abs(offset) < 20].max() < 0.06 * chord.max()
        assert view.sum() == pytest.approx(chord.sum(), rel=0.01)


def test_system_matrix_projects_like_the_loop_over_views() -> None:
    beam = ParallelBeam(SIZE, 12, 0.4)
    smooth = DISC * (1 + 0.5 * np.cos(rows / 8))
    matrix = beam.system_matrix()
    projected = (matrix @ smooth.ravel()).reshape(12, beam.bins)
    np.testing.assert_allclose(projected.sum(axis=1), beam.project(smooth).sum(axis=1), rtol=1e-4)
    assert np.abs(projected - beam.project(smooth)).mean() < 0.02 * projected.max()


@pytest.mark.parametrize("window", ["ramp", "shepp-logan", "cosine", "hann"])
def test_filtered_back_projection_gives_the_value_inside_and_zero_outside(window: str) -> None:
    beam = ParallelBeam(SIZE, 180, 0.4)
    image = beam.filtered_back_projection(beam.project(DISC), window)
    assert image[INNER].mean() == pytest.approx(1.0, abs=0.01)
    outside = (rows**2 + columns**2 > 28**2) & (rows**2 + columns**2 < 31**2)
    assert abs(image[outside].mean()) < 0.02


def test_several_sinograms_at_once_give_what_each_gives_alone() -> None:
    beam = ParallelBeam(16, 20)
    sinograms = np.random.default_rng(0).random((3, 20, beam.bins)).astype(np.float32)
    together = beam.filtered_back_projection(sinograms)
    alone = np.stack([beam.filtered_back_projection(one) for one in sinograms])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("dose", [0.1, 0.25, 0.5])
def test_variance_of_the_inserted_noise_is_that_of_the_missing_dose(dose: float) -> None:
    # The low-dose variance is 1/dose of the full one, of which one part is in the image already.
    reference = noise(0.5)[:, INNER].var()
    assert noise(dose)[:, INNER].var() / reference == pytest.approx((1 / dose - 1) / (1 / 0.5 - 1), rel=0.15)


def test_variance_is_inverse_to_the_number_of_photons() -> None:
    ratio = noise(0.25, photons=1e4)[:, INNER].var() / noise(0.25, photons=4e4)[:, INNER].var()
    assert ratio == pytest.approx(4.0, rel=0.15)


def test_variance_does_not_depend_on_the_number_of_views() -> None:
    few, many = (
        low_dose_ct_noise(WATER, [0.25] * 6, np.random.default_rng(1), pixel_mm=4.0, photons=2e4, views=v)
        for v in (60, 180)
    )
    assert few[:, INNER].var() == pytest.approx(many[:, INNER].var(), rel=0.15)


def test_noise_has_no_bias() -> None:
    made = noise(0.1)
    assert abs(made[:, INNER].mean()) < 3 * made[:, INNER].std() / np.sqrt(24 * 20)


def test_electronic_noise_adds_to_the_noise_of_the_photons() -> None:
    assert noise(0.1, electronic=40.0)[:, INNER].var() > 1.2 * noise(0.1)[:, INNER].var()


def test_full_dose_leaves_the_slice_as_it_is() -> None:
    same = low_dose_ct(WATER, 1.0, np.random.default_rng(0), pixel_mm=4.0, views=30)
    np.testing.assert_allclose(same, WATER, atol=1e-3)


def test_a_seed_gives_the_same_low_dose_slice_again() -> None:
    first, again = (low_dose_ct(WATER, 0.25, np.random.default_rng(3), pixel_mm=4.0, views=30) for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("dose", [0.0, -0.5, 1.5])
def test_a_dose_that_is_no_share_is_refused(dose: float) -> None:
    with pytest.raises(DatprlError):
        low_dose_ct(WATER, dose, np.random.default_rng(0), pixel_mm=4.0)


def pet(fraction: float, seeds: int = 4, counts: float = 400.0) -> npt.NDArray[np.float32]:
    activity = (DISC * 2.0).astype(np.float32)
    made = [
        low_count_pet(
            activity, fraction, np.random.default_rng(s), pixel_mm=4.0, counts_per_activity=counts, views=48, subsets=8
        )
        for s in range(seeds)
    ]
    return np.stack(made)


def test_pet_variance_is_inverse_to_the_counts() -> None:
    # Of the difference of realisations, so that what reconstruction alone changes does not count.
    def variance(fraction: float) -> float:
        made = pet(fraction, 6)
        return float((made - made.mean(axis=0))[:, INNER].var())

    assert variance(0.1) / variance(0.4) == pytest.approx(4.0, rel=0.35)


@pytest.mark.parametrize("fraction", [1.0, 0.1])
def test_pet_activity_stays_at_any_count(fraction: float) -> None:
    made = pet(fraction)
    assert made[:, INNER].mean() == pytest.approx(2.0, rel=0.03)
    assert made.min() >= 0


def test_a_slice_without_activity_stays_empty() -> None:
    empty = low_count_pet(
        np.zeros((16, 16), np.float32), 0.1, np.random.default_rng(0), pixel_mm=4.0, counts_per_activity=10.0
    )
    assert not empty.any()


def test_the_outline_of_a_body_holds_its_cold_middle() -> None:
    ring = DISC * (rows**2 + columns**2 > 15**2)
    inside = body_outline(ring)
    assert inside[INNER].all()
    assert not inside[0].any()


def test_subsets_that_do_not_divide_the_views_are_refused() -> None:
    with pytest.raises(DatprlError):
        low_count_pet(DISC, 0.5, np.random.default_rng(0), pixel_mm=4.0, counts_per_activity=9.0, views=10, subsets=7)
