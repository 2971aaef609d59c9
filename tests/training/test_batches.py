"""Batches: even over tasks, reproducible, resumable, in range."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datprl_toolkit.errors import InputError
from datprl_toolkit.training import TASKS
from datprl_toolkit.training.batches import BalancedBatches, EndlessOrder, balanced_draw
from datprl_toolkit.training.crops import (
    CtNoise,
    PetCounts,
    SimulatedRain,
    StoredPairs,
    TiledPairs,
    transmission_of,
    with_alternating_noise,
)
from datprl_toolkit.training.makers import Variety, task_makers
from datprl_toolkit.training.preparation import from_integers
from datprl_toolkit.training.prepared import Source
from datprl_toolkit.training.weather_crops import (
    DenseClouds,
    SimulatedClouds,
    SimulatedHaze,
)

if TYPE_CHECKING:
    from datprl_toolkit.training import PreparedData
    from datprl_toolkit.training.batches import Batch


@given(tasks=st.integers(1, 12), batch=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_batch_is_as_even_over_the_tasks_as_it_can_be(tasks: int, batch: int, seed: int) -> None:
    names = [f"task {i}" for i in range(tasks)]
    counts = Counter(balanced_draw(names, batch, np.random.default_rng(seed)))
    assert counts.total() == batch
    numbers = [counts[name] for name in names]
    assert min(numbers) == batch // tasks
    assert max(numbers) == -(-batch // tasks)


def test_the_remainder_is_drawn_from_all_tasks_over_time() -> None:
    generator = np.random.default_rng(0)
    seen = Counter(name for _ in range(300) for name in balanced_draw(["a", "b", "c"], 4, generator))
    assert min(seen.values()) > 350


@given(shares=st.lists(st.floats(0.1, 5.0), min_size=1, max_size=9), batch=st.integers(1, 20), seed=st.integers(0, 99))
def test_a_task_has_images_in_proportion_to_its_share_rounded_down_or_up(
    shares: list[float], batch: int, seed: int
) -> None:
    names = [f"task {i}" for i in range(len(shares))]
    drawn = balanced_draw(names, batch, np.random.default_rng(seed), dict(zip(names, shares, strict=True)))
    counts = Counter(drawn)
    assert counts.total() == batch
    assert drawn == sorted(drawn, key=names.index)
    for name, share in zip(names, shares, strict=True):
        exact = batch * share / sum(shares)
        assert int(exact - 1e-9) <= counts[name] <= int(exact + 1e-9) + 1


def test_over_time_each_task_has_its_share_of_the_images() -> None:
    generator = np.random.default_rng(1)
    shares = {"a": 1.4, "b": 0.2}
    seen = Counter(name for _ in range(2000) for name in balanced_draw(["a", "b", "c"], 2, generator, shares))
    assert seen["a"] / seen["c"] == pytest.approx(1.4, rel=0.08)
    assert seen["b"] / seen["c"] == pytest.approx(0.2, rel=0.15)


@given(length=st.integers(1, 20), passes=st.integers(1, 4))
def test_each_pass_of_an_order_uses_every_index_once(length: int, passes: int) -> None:
    order = EndlessOrder(length, [1, 2])
    for _ in range(passes):
        assert sorted(order.next() for _ in range(length)) == list(range(length))


def test_passes_differ_and_an_order_continues_from_its_count() -> None:
    order = EndlessOrder(10, [3])
    drawn = [order.next() for _ in range(25)]
    assert drawn[:10] != drawn[10:20]
    later = EndlessOrder(10, [3])
    later.count = 17
    assert [later.next() for _ in range(8)] == drawn[17:]


def test_of_several_candidates_the_most_degraded_crop_is_taken(data: PreparedData) -> None:
    task = "natural_super_resolution"
    makers = task_makers(data, (task,))

    def change(candidates: int) -> float:
        batch = BalancedBatches(makers, 30, identity=0.0, candidates={task: candidates}).next(8)
        return float((batch.degraded - batch.clean).abs().mean())

    assert change(6) > 1.05 * change(1)


@pytest.mark.parametrize("size", [8, 16, 24])
def test_every_task_gives_crops_of_the_asked_size_in_range(data: PreparedData, size: int) -> None:
    batch = BalancedBatches(task_makers(data, TASKS), 27).next(size)
    assert batch.degraded.shape == batch.clean.shape == (27, 3, size, size)
    for images in (batch.degraded, batch.clean):
        assert images.dtype == torch.float32
        assert float(images.min()) >= 0
        assert float(images.max()) <= 1
    assert Counter(batch.tasks) == dict.fromkeys(TASKS, 3)
    assert len(batch.keys) == 27


@pytest.mark.parametrize("task", ["mri_super_resolution", "ct_denoising", "pet_synthesis"])
def test_grey_images_have_three_equal_channels(data: PreparedData, task: str) -> None:
    batch = BalancedBatches(task_makers(data, [task]), 4).next(16)
    assert torch.equal(batch.clean[:, 0], batch.clean[:, 2])
    assert torch.equal(batch.degraded[:, 0], batch.degraded[:, 1])


def same(first: Batch, second: Batch) -> bool:
    images = torch.equal(first.degraded, second.degraded) and torch.equal(first.clean, second.clean)
    return images and first.tasks == second.tasks and first.keys == second.keys


def test_batches_continue_exactly_from_their_state(data: PreparedData) -> None:
    makers = task_makers(data, TASKS)
    whole = BalancedBatches(makers, 10)
    for _ in range(3):
        whole.next(16)
    continued = BalancedBatches(makers, 10)
    continued.state = whole.state
    assert all(same(whole.next(16), continued.next(16)) for _ in range(4))


def test_another_seed_gives_other_batches(data: PreparedData) -> None:
    makers = task_makers(data, TASKS)
    assert not same(BalancedBatches(makers, 10, seed=1).next(16), BalancedBatches(makers, 10, seed=2).next(16))


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_the_asked_share_of_the_inputs_is_clean(data: PreparedData, share: float, expected: float) -> None:
    batches = BalancedBatches(task_makers(data, ["dehazing"]), 40, identity=share)
    clean = [
        torch.equal(d, c) for b in (batches.next(8) for _ in range(5)) for d, c in zip(b.degraded, b.clean, strict=True)
    ]
    assert np.mean(clean) == pytest.approx(expected, abs=0.08)


def test_a_task_can_have_a_share_of_clean_inputs_of_its_own(data: PreparedData) -> None:
    makers = task_makers(data, ["dehazing", "cloud_removal"])
    batch = BalancedBatches(makers, 40, identity=0.0, identities={"cloud_removal": 1.0}).next(8)
    clean = [torch.equal(d, c) for d, c in zip(batch.degraded, batch.clean, strict=True)]
    assert clean == [task == "cloud_removal" for task in batch.tasks]


def test_a_crop_larger_than_its_image_is_mirrored(data: PreparedData) -> None:
    source = data.sources["remote_tiles"]
    pair = StoredPairs(source).make(0, 16, np.random.default_rng(0))
    np.testing.assert_array_equal(pair.clean[:12, :12], from_integers(source["clean"][0]))
    np.testing.assert_array_equal(pair.clean[12:16], pair.clean[8:12][::-1])


def test_a_crop_larger_than_its_tile_is_filled_with_others(data: PreparedData) -> None:
    source = data.sources["remote_tiles"]
    maker, generator = TiledPairs(source), np.random.default_rng(1)
    tiles = [from_integers(image) for image in source["clean"]]
    pairs = [maker.make(1, 30, generator) for _ in range(6)]
    seen = set()
    for pair in pairs:
        np.testing.assert_array_equal(pair.clean[:12, :12], tiles[1])
        fits = [bool((pair.clean[12:24, 12:24] == tile).all()) for tile in tiles]
        assert sum(fits) == 1
        seen.add(fits.index(True))
        index = fits.index(True)
        np.testing.assert_array_equal(pair.degraded[12:24, 12:24], from_integers(source["degraded"][index]))
    assert seen == {0, 1}


def test_tinting_multiplies_the_colours_of_input_and_target_alike(data: PreparedData) -> None:
    makers = task_makers(data, ["dehazing"])
    plain = BalancedBatches(makers, 12, identity=1.0).next(8)
    tinted = BalancedBatches(makers, 12, identity=1.0, tinted=1.0).next(8)
    assert torch.equal(tinted.degraded, tinted.clean)
    assert not torch.equal(tinted.clean, plain.clean)
    means = tinted.clean.mean(dim=(0, 2, 3)) / plain.clean.mean(dim=(0, 2, 3))
    assert 0.5 < float(means.min()) <= float(means.max()) < 1.35


def test_grey_images_have_no_tint(data: PreparedData) -> None:
    batch = BalancedBatches(task_makers(data, ["ct_denoising"]), 4, tinted=1.0).next(16)
    assert torch.equal(batch.clean[:, 0], batch.clean[:, 2])


def test_a_share_of_the_colour_images_is_grey_in_input_and_target(data: PreparedData) -> None:
    makers = task_makers(data, ["dehazing"])
    for grey in (0.0, 1.0):
        batch = BalancedBatches(makers, 12, grey=grey).next(8)
        for images in (batch.degraded, batch.clean):
            assert torch.equal(images[:, 0], images[:, 2]) == bool(grey)


def test_sources_can_be_left_out(data: PreparedData) -> None:
    makers = task_makers(data.without(["rain"]), ["natural_deraining"])["natural_deraining"]
    assert [maker.source.name for _, maker in makers if len(maker)] == ["photos", "photos"]
    with pytest.raises(InputError, match="ct_denoising"):
        task_makers(data.without(["ct"]), ["ct_denoising"])


def test_data_that_lack_a_task_are_refused(data: PreparedData) -> None:
    without = replace(data, sources={name: s for name, s in data.sources.items() if name != "ct"})
    with pytest.raises(InputError, match="ct_denoising"):
        task_makers(without, TASKS)


def test_mixed_ct_noise_keeps_the_variance_of_its_dose(data: PreparedData) -> None:
    # Noise of 20 HU whose strength varies by 2**(-0.6..0.6), of which the mean square is about 1.12.
    makers = task_makers(data, ["ct_denoising"])["ct_denoising"]
    generator = np.random.default_rng(0)
    pairs = [makers[0][1].make(i % 2, 32, generator) for i in range(200)]
    inside = [(p.clean > 0.2) & (p.clean < 0.8) for p in pairs]
    differences = np.concatenate([(p.degraded - p.clean)[i] for p, i in zip(pairs, inside, strict=True)])
    assert differences.std() * 400 == pytest.approx(20 * 1.12**0.5, rel=0.1)


@pytest.mark.parametrize(("maker", "name"), [(CtNoise, "ct"), (PetCounts, "pet")])
def test_faint_noise_is_a_part_of_the_noise(data: PreparedData, maker: type[CtNoise | PetCounts], name: str) -> None:
    source = data.sources[name]
    parts = []
    for number in range(24):
        full, faint = (
            maker(source, other_windows=0.0, faint=share).make(number % len(source), 16, np.random.default_rng(number))
            for share in (0.0, 1.0)
        )
        assert np.array_equal(faint.clean, full.clean)
        unclipped = np.all([(image > 0) & (image < 1) for image in (full.degraded, faint.degraded, full.clean)], axis=0)
        noise, left = ((pair.degraded - pair.clean)[unclipped] for pair in (full, faint))
        parts.append(float(left @ noise / (noise @ noise)))
        assert np.allclose(left, parts[-1] * noise, atol=1e-5)
    assert 0.2 <= min(parts) < 0.4
    assert 0.8 < max(parts) <= 1.0


def test_alternating_noise_has_a_period_of_two_pixels_along_one_axis_or_both(data: PreparedData) -> None:
    source, frequencies = data.sources["pet"], {(0.0, 0.5), (0.5, 0.0), (0.5, 0.5)}
    found = set()
    for number in range(24):
        generator = np.random.default_rng(number)
        clean = np.full((64, 64), 2.0, np.float32)
        noisy = clean + generator.normal(0, 0.2, clean.shape).astype(np.float32)
        added = with_alternating_noise(noisy, clean, 1.0, generator) - noisy
        power = np.abs(np.fft.fft2(added)) ** 2
        row, column = (abs(np.fft.fftfreq(64)[i]) for i in np.unravel_index(power.argmax(), power.shape))
        nearest = min(frequencies, key=lambda each: np.hypot(row - each[0], column - each[1]))
        assert np.hypot(row - nearest[0], column - nearest[1]) < 0.25
        assert 0.1 < added.std() / 0.2 < 1.6, "about as much as the noise that there is"
        found.add(nearest)
        plain, varied = (
            PetCounts(source, alternating=share).make(0, 16, np.random.default_rng(number)) for share in (0.0, 1.0)
        )
        assert plain.degraded.shape == varied.degraded.shape
        assert not np.array_equal(plain.degraded, varied.degraded)
    assert found == frequencies


def test_measured_haze_is_thinned_by_any_part_of_it(data: PreparedData) -> None:
    source = data.sources["rice1"]
    for index in range(len(source)):
        full = StoredPairs(source).make(index, 16, np.random.default_rng(index))
        thin = StoredPairs(source, thinned=1.0).make(index, 16, np.random.default_rng(index))
        assert np.array_equal(thin.clean, full.clean)
        haze = full.degraded - full.clean
        part = float((thin.degraded - thin.clean).ravel() @ haze.ravel() / (haze.ravel() @ haze.ravel()))
        assert 0.2 <= part <= 1.0
        assert np.allclose(thin.degraded, full.clean + part * haze, atol=1e-5)


def test_under_measured_haze_the_ground_is_made_bright_and_the_haze_stays_as_it_is() -> None:
    generator = np.random.default_rng(0)
    ground = generator.uniform(0.05, 0.5, (24, 24, 3)).astype(np.float32)
    hazy = 0.4 * ground + np.float32(0.6 * 0.5)
    source = Source("rice1", {"clean": [ground], "degraded": [hazy]})
    for _ in range(8):
        pair = StoredPairs(source, brightened=1.0).make(0, 24, generator)
        assert pair.clean.mean() > ground.mean()
        assert np.allclose(pair.degraded, 0.4 * pair.clean + 0.6 * 0.5, atol=1e-5)
    flat = np.full((24, 24, 3), 0.3, np.float32)
    assert transmission_of(flat, flat) == 1, "nothing tells how much of a plain surface is haze"


def test_over_other_ground_simulated_weather_keeps_its_share(data: PreparedData) -> None:
    for task, simulated in (("dehazing", SimulatedHaze), ("natural_deraining", SimulatedRain)):
        plain, other = (task_makers(data, [task], Variety(other_ground=share))[task] for share in (0.0, 0.4))
        shares = [sum(share for share, maker in each if isinstance(maker, simulated)) for each in (plain, other)]
        assert shares[0] == pytest.approx(shares[1])
        if task == "dehazing":
            photos = sum(share for share, maker in other if maker.source.name == "photos")
            assert photos == pytest.approx(shares[0] * 0.8 * 0.4 / 2), (
                "a fifth lies over RICE2, half over smaller photos"
            )


def test_a_share_of_the_simulated_clouds_lies_over_rice2(data: PreparedData) -> None:
    def of_each(share: float) -> dict[bool, float]:
        makers = task_makers(data, ["cloud_removal"], Variety(rice2_ground=share, dense_clouds=0.1))["cloud_removal"]
        simulated = [each for each in makers if isinstance(each[1], SimulatedClouds | DenseClouds)]
        return {
            over: sum(part for part, maker in simulated if maker.source.name.startswith("rice2") == over)
            for over in (False, True)
        }

    assert of_each(0.4) == pytest.approx({False: 0.6 * of_each(0.0)[False], True: 0.4 * of_each(0.0)[False]})


@pytest.mark.parametrize(
    ("settings", "tasks"),
    [
        ({"varied_haze": 0.4}, {"dehazing", "cloud_removal"}),
        ({"bright_ground": 0.4}, {"dehazing"}),
        ({"dense_clouds": 0.4}, {"cloud_removal"}),
        ({"faint_noise": {"ct_denoising": 0.4}}, {"ct_denoising"}),
        ({"faint_noise": {"pet_synthesis": 0.4}}, {"pet_synthesis"}),
        ({"other_ground": 0.4}, {"dehazing", "cloud_removal", "natural_deraining"}),
        ({"measured_weather": 0.2}, {"dehazing", "cloud_removal"}),
        ({"thick_slices": 0.4}, {"ct_denoising"}),
        ({"visible_clouds": 0.4}, {"cloud_removal"}),
        ({"white_ground": 0.4}, {"dehazing", "cloud_removal"}),
        ({"even_haze": 0.4}, {"dehazing"}),
        ({"phantoms": 0.4}, {"pet_synthesis"}),
        ({"sparse_clouds": 0.4}, {"cloud_removal"}),
        ({"snow": 0.4}, {"dehazing", "cloud_removal"}),
        ({"wide_skies": 0.4}, {"dehazing", "cloud_removal"}),
        ({"deserts": 0.4}, {"dehazing", "cloud_removal"}),
        ({"dark_deserts": 0.4}, {"dehazing", "cloud_removal"}),
        ({"thick_haze": 0.4}, {"dehazing"}),
        ({"plain_ground": 0.4}, {"dehazing", "cloud_removal"}),
        ({"untouched_haze": 0.4}, {"dehazing"}),
        ({"untouched_clouds": 0.4}, {"cloud_removal"}),
        ({"rice2_ground": 0.4}, {"cloud_removal"}),
        ({"other_seasons": 0.0}, {"cloud_removal"}),
        ({"alternating_noise": 0.4}, {"pet_synthesis"}),
    ],
)
def test_what_varies_pairs_reaches_those_of_its_tasks_alone(
    data: PreparedData, settings: dict[str, Any], tasks: set[str]
) -> None:
    plain, varied = task_makers(data, TASKS), task_makers(data, TASKS, Variety(**settings))
    assert {task for task in TASKS if plain[task] != varied[task]} == tasks
