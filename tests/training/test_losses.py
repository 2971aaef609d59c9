"""Each loss against a plain loop in float64, values and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from datprl_toolkit.network import DatprlNetwork, NetworkConfig, PromptPoolConfig
from datprl_toolkit.training.losses import (
    LossWeights,
    alignment_loss,
    anchor_loss,
    balance_loss,
    checkerboard_loss,
    contrastive_loss,
    diversity_loss,
    fourier_loss,
    pixel_loss,
    psnr_loss,
    training_loss,
)

Array = npt.NDArray[np.float64]
Plain = Callable[[Array], float]


def numerical_gradient(function: Plain, array: Array, step: float = 1e-6) -> Array:
    result = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        result[index] = (function(up) - function(down)) / (2 * step)
    return result


def gradient(tensor: torch.Tensor) -> Array:
    assert tensor.grad is not None
    return tensor.grad.numpy().astype(np.float64)


def check(loss: Callable[[torch.Tensor], torch.Tensor], plain: Plain, array: Array, tolerance: float = 1e-6) -> None:
    """Compare value and gradient of `loss` at `array` with those of the plain function."""
    tensor = torch.tensor(array, dtype=torch.float64, requires_grad=True)
    value = loss(tensor)
    torch.autograd.backward(value)
    assert value.item() == pytest.approx(plain(array), rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(gradient(tensor), numerical_gradient(plain, array), atol=tolerance)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def test_pixel_loss_is_the_mean_absolute_difference(generator: np.random.Generator) -> None:
    output, target = generator.random((2, 3, 4, 4)), generator.random((2, 3, 4, 4))

    def plain(x: Array) -> float:
        return float(sum(abs(x[i] - target[i]) for i in np.ndindex(x.shape)) / x.size)

    check(lambda x: pixel_loss(x, torch.tensor(target)), plain, output)


def test_pixel_loss_weights_each_image(generator: np.random.Generator) -> None:
    output, target = generator.random((2, 1, 3, 3)), generator.random((2, 1, 3, 3))
    weight = torch.tensor([3.0, 0.5], dtype=torch.float64)

    def plain(x: Array) -> float:
        means = [np.mean([abs(x[b, 0, i, j] - target[b, 0, i, j]) for i in range(3) for j in range(3)]) for b in (0, 1)]
        return float(3.0 * means[0] + 0.5 * means[1]) / 2

    check(lambda x: pixel_loss(x, torch.tensor(target), weight), plain, output)


def test_a_smooth_pixel_loss_is_the_distance_beyond_its_epsilon(generator: np.random.Generator) -> None:
    output, target = generator.random((1, 2, 3, 3)), generator.random((1, 2, 3, 3))

    def plain(x: Array) -> float:
        return float(np.mean([math.hypot(x[i] - target[i], 0.05) - 0.05 for i in np.ndindex(x.shape)]))

    check(lambda x: pixel_loss(x, torch.tensor(target), epsilon=0.05), plain, output)


def test_a_smooth_pixel_loss_forgives_small_differences_and_keeps_large_ones() -> None:
    target = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    small, large = torch.full_like(target, 0.001), torch.full_like(target, 0.8)
    assert float(pixel_loss(small, target, epsilon=0.05)) < 0.02 * float(pixel_loss(small, target))
    assert float(pixel_loss(large, target, epsilon=0.05)) > 0.9 * float(pixel_loss(large, target))


def test_psnr_loss_is_the_logarithm_of_each_images_squared_error(generator: np.random.Generator) -> None:
    output, target = generator.random((2, 1, 3, 3)), generator.random((2, 1, 3, 3))
    weight = torch.tensor([3.0, 0.5], dtype=torch.float64)

    def plain(x: Array) -> float:
        squared = [np.mean((x[b] - target[b]) ** 2) for b in (0, 1)]
        return (3.0 * math.log(squared[0] + 1e-4) + 0.5 * math.log(squared[1] + 1e-4)) / 2

    check(lambda x: psnr_loss(x, torch.tensor(target), weight), plain, output, tolerance=1e-5)


def test_psnr_loss_counts_by_which_factor_an_error_shrinks() -> None:
    target = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    gains = [
        float(psnr_loss(torch.full_like(target, 2 * error), target) - psnr_loss(torch.full_like(target, error), target))
        for error in (0.5, 0.05)
    ]
    assert gains[0] == pytest.approx(gains[1], rel=0.03)


def test_checkerboard_loss_compares_the_parities_of_each_window(generator: np.random.Generator) -> None:
    output, target = generator.random((2, 1, 36, 20)), generator.random((2, 1, 36, 20))
    weight = torch.tensor([3.0, 0.5], dtype=torch.float64)

    def plain(x: Array) -> float:
        total = 0.0
        for image, factor in ((0, 3.0), (1, 0.5)):
            error = (x - target)[image, :, :32, :16]
            variances = [
                np.var([error[0, top + i : top + 16 : 2, j:16:2].mean() for i in (0, 1) for j in (0, 1)], ddof=1)
                for top in (0, 16)
            ]
            independent = np.mean((output - target)[image, :, :32, :16] ** 2) / 64
            total += factor * math.log1p(float(np.mean(variances) / independent))
        return total / 2

    check(lambda x: checkerboard_loss(x, torch.tensor(target), weight), plain, output, tolerance=1e-3)


def test_checkerboard_loss_sees_a_pattern_that_squared_error_does_not() -> None:
    generator = torch.Generator().manual_seed(1)
    target = torch.zeros(1, 3, 64, 64)
    noise = 0.05 * torch.randn(target.shape, generator=generator)
    pattern = 0.01 * (2.0 * (torch.arange(64) % 2) - 1.0)
    noisy, patterned = noise, noise + pattern
    assert float(patterned.square().mean() / noisy.square().mean()) < 1.06
    alone, seen = (float(checkerboard_loss(image, target)) for image in (noisy, patterned))
    assert alone == pytest.approx(math.log(2), abs=0.15)  # errors that are independent
    assert seen > alone + 0.8


def test_fourier_loss_is_the_mean_over_real_and_imaginary_parts(generator: np.random.Generator) -> None:
    output, target = generator.random((1, 1, 4, 6)), generator.random((1, 1, 4, 6))

    def plain(x: Array) -> float:
        total, difference = 0.0, x[0, 0] - target[0, 0]
        for u in range(4):
            for v in range(6 // 2 + 1):
                wave = sum(
                    difference[i, j] * np.exp(-2j * math.pi * (u * i / 4 + v * j / 6))
                    for i in range(4)
                    for j in range(6)
                )
                total += abs(wave.real) + abs(wave.imag)
        return total / (4 * 4 * 2)

    tensor = torch.tensor(output, requires_grad=True)
    value = fourier_loss(tensor, torch.tensor(target))
    torch.autograd.backward(value)
    # The transform runs in float32 on purpose.
    assert value.item() == pytest.approx(plain(output), rel=1e-5)
    # Parts that are zero by symmetry have no derivative: the one-sided steps of the loop average to zero there too.
    np.testing.assert_allclose(gradient(tensor), numerical_gradient(plain, output), atol=0.26)


def test_fourier_loss_has_the_gradient_of_its_parts_where_none_is_zero(generator: np.random.Generator) -> None:
    target = torch.zeros(1, 1, 3, 5, dtype=torch.float64)
    output = torch.tensor(generator.random((1, 1, 3, 5)), requires_grad=True)
    torch.autograd.backward(fourier_loss(output, target))
    spectrum = np.fft.rfft2(output.detach().numpy()[0, 0])
    expected = np.zeros((3, 5))
    for u, v in np.ndindex(spectrum.shape):
        for i, j in np.ndindex(expected.shape):
            angle = 2 * math.pi * (u * i / 3 + v * j / 5)
            imaginary = 0.0 if (u, v) == (0, 0) else -math.sin(angle) * np.sign(spectrum[u, v].imag)
            expected[i, j] += math.cos(angle) * np.sign(spectrum[u, v].real) + imaginary
    np.testing.assert_allclose(gradient(output)[0, 0], expected / (2 * spectrum.size), atol=1e-5)


def test_alignment_loss_is_one_minus_the_cosine(generator: np.random.Generator) -> None:
    text = generator.standard_normal((3, 5))

    def plain(x: Array) -> float:
        cosines = []
        for b in range(3):
            vector = (x[b, 0] + x[b, 1]) / 2
            dot = sum(vector[i] * text[b, i] for i in range(5))
            norm = math.sqrt(sum(v * v for v in vector)) * math.sqrt(sum(v * v for v in text[b]))
            cosines.append(1 - dot / norm)
        return float(sum(cosines)) / 3

    check(lambda x: alignment_loss(x, torch.tensor(text)), plain, generator.standard_normal((3, 2, 5)))


def test_diversity_loss_penalises_pairs_of_values_above_the_threshold(generator: np.random.Generator) -> None:
    values = generator.standard_normal((4, 2, 3)) + 0.7

    def plain(x: Array) -> float:
        total = 0.0
        for i in range(4):
            for j in range(4):
                if i != j:
                    a, b = x[i].ravel(), x[j].ravel()
                    cosine = sum(p * q for p, q in zip(a, b, strict=True)) / math.sqrt((a @ a) * (b @ b))
                    total += max(0.0, cosine - 0.1)
        return float(total) / 12

    check(lambda x: diversity_loss(x, 0.1), plain, values)
    assert plain(values) > 0


def test_diversity_loss_of_orthogonal_values_is_zero() -> None:
    assert diversity_loss(torch.eye(4).reshape(4, 2, 2)).item() == 0.0


def test_balance_loss_is_the_distance_of_the_entropy_from_its_maximum(generator: np.random.Generator) -> None:
    def plain(x: Array) -> float:
        losses = []
        for row in x:
            total = sum(math.exp(s) for s in row)
            shares = [math.exp(s) / total for s in row]
            losses.append(math.log(len(row)) + sum(p * math.log(p) for p in shares))
        return sum(losses) / len(losses)

    check(balance_loss, plain, generator.uniform(-1, 1, (3, 6)))


def test_balance_loss_of_equal_similarities_is_zero() -> None:
    assert balance_loss(torch.full((2, 7), 0.3, dtype=torch.float64)).item() == pytest.approx(0.0, abs=1e-12)


def test_contrastive_loss_sets_each_selected_key_against_all_others(generator: np.random.Generator) -> None:
    selected = np.array([[4, 1], [0, 2]])

    def plain(x: Array) -> float:
        losses = []
        for row, chosen in zip(x, selected, strict=True):
            negatives = sum(math.exp(row[j] / 0.2) for j in range(5) if j not in chosen)
            losses += [-math.log(math.exp(row[j] / 0.2) / (math.exp(row[j] / 0.2) + negatives)) for j in chosen]
        return sum(losses) / len(losses)

    check(lambda x: contrastive_loss(x, torch.tensor(selected), 0.2), plain, generator.uniform(-1, 1, (2, 5)))


def test_contrastive_loss_of_a_pool_that_is_selected_whole_is_zero() -> None:
    similarity = torch.rand(2, 3)
    assert contrastive_loss(similarity, torch.tensor([[0, 1, 2], [2, 1, 0]])).item() == 0.0


def test_anchor_loss_is_the_cross_entropy_of_choosing_the_prompt_of_the_task(generator: np.random.Generator) -> None:
    anchors = [3, 0]

    def plain(x: Array) -> float:
        losses = [
            -math.log(math.exp(row[j] / 0.2) / sum(math.exp(s / 0.2) for s in row))
            for row, j in zip(x, anchors, strict=True)
        ]
        return sum(losses) / len(losses)

    check(lambda x: anchor_loss(x, torch.tensor(anchors), 0.2), plain, generator.uniform(-1, 1, (2, 5)))


def test_anchor_loss_leaves_out_images_without_an_anchor() -> None:
    similarity = torch.rand(3, 5)
    partly = anchor_loss(similarity, torch.tensor([2, -1, 4]))
    torch.testing.assert_close(partly, anchor_loss(similarity[[0, 2]], torch.tensor([2, 4])))
    assert anchor_loss(similarity, torch.tensor([-1, -1, -1])).item() == 0.0


@pytest.mark.parametrize("pools", ["both", "task", "domain", "none"])
def test_total_is_the_sum_of_the_terms_times_their_factors_over_the_pools_that_are_on(pools: str) -> None:
    torch.manual_seed(0)
    pool = PromptPoolConfig(size=5, top_k=2, dimension=16)
    config = NetworkConfig(
        backbone="nafnet",
        width=8,
        encoder_blocks=(1,),
        middle_blocks=1,
        decoder_blocks=(1,),
        refinement_blocks=0,
        heads=(),
        task_pool=pool if pools in ("both", "task") else None,
        domain_pool=pool if pools in ("both", "domain") else None,
    )
    network = DatprlNetwork(config)
    image, target = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    output, trace = network.trace(image)
    text = torch.rand(2, 16)
    weights = LossWeights(pixel=2.0, fourier=0.3, alignment=0.7, diversity=0.2, balance=0.4, contrastive=0.6)
    total, terms = training_loss(network, output, target, trace, weights, text=text)
    expected = 2.0 * pixel_loss(output, target) + 0.3 * fourier_loss(output, target)
    for choice, own in ((trace.task, network.task_pool), (trace.domain, network.domain_pool)):
        if choice is not None and own is not None:
            expected = expected + 0.2 * diversity_loss(own.values) + 0.4 * balance_loss(choice.similarity)
            expected = expected + 0.6 * contrastive_loss(choice.similarity, choice.selected)
    if trace.domain is not None:
        expected = expected + 0.7 * alignment_loss(trace.domain.representation, text)
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert ("alignment" in terms) == (pools in ("both", "domain"))
    assert ("diversity" in terms) == (pools != "none")
