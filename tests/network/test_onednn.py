"""What oneDNN makes when it is called by hand is what PyTorch makes, in every mode."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from datprl_toolkit.network.onednn import Convolution, can_be_called, convolve, product


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


@settings(deadline=None, max_examples=20)
@given(rows=st.integers(1, 9), given_=st.integers(1, 40), made=st.integers(1, 40))
def test_a_product_is_that_of_the_formula_whatever_the_sizes(rows: int, given_: int, made: int) -> None:
    pixels, weight = features(2, rows, given_), features(made, given_, seed=1)
    with torch.inference_mode():
        torch.testing.assert_close(product(pixels, weight), pixels @ weight.t(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "padding", "stride", "groups"), [(1, 0, 1, 1), (3, 1, 1, 1), (2, 0, 2, 1), (3, 1, 1, 16)]
)
def test_a_convolution_is_that_of_pytorch(kernel: int, padding: int, stride: int, groups: int) -> None:
    layer = Convolution(16, 32, kernel, stride=stride, padding=padding, groups=groups)
    image = features(2, 16, 10, 14)
    expected = functional.conv2d(image, layer.weight, layer.bias, stride, padding, groups=groups)
    with torch.inference_mode():
        assert can_be_called(image)
        torch.testing.assert_close(layer(image), expected.detach(), rtol=1e-4, atol=1e-5)


def test_strided_parts_of_an_image_are_convolved_as_they_are() -> None:
    image, weight = features(1, 8, 12, 12), features(8, 8, 3, 3, seed=2)
    part = image[:, :, 2:9]
    with torch.inference_mode():
        made = convolve(part, weight, padding=(0, 1))
        torch.testing.assert_close(made, functional.conv2d(part, weight, padding=(0, 1)), rtol=1e-4, atol=1e-5)


def test_under_autocast_the_result_is_in_its_type_and_near() -> None:
    image, layer = features(1, 16, 8, 8), Convolution(16, 16, 3, padding=1)
    with torch.inference_mode():
        exact = layer(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made, multiplied = layer(image), product(image.permute(0, 2, 3, 1), layer.weight[:, :, 1, 1])
    assert made.dtype == multiplied.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), exact, rtol=0.03, atol=0.03)


def test_a_processor_without_bfloat16_is_left_to_pytorch_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datprl_toolkit.network.onednn.knows_bfloat16", lambda: False)
    image, layer = features(1, 16, 8, 8), Convolution(16, 16, 3, padding=1)
    with torch.inference_mode():
        exact = layer(image)
        assert can_be_called(image)
        assert not can_be_called(image.bfloat16())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not can_be_called(image)
            made = layer(image)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), exact, rtol=0.03, atol=0.03)


def test_gradients_flow_where_they_are_wanted() -> None:
    image, layer = features(1, 4, 8, 8), Convolution(4, 4, 3, padding=1)
    assert not can_be_called(image)
    torch.autograd.backward(layer(image).square().sum())
    assert layer.weight.grad is not None
    assert float(layer.weight.grad.abs().sum()) > 0


def test_double_precision_is_left_to_pytorch() -> None:
    image = features(1, 4, 6, 6).double()
    weight = features(4, 4, 1, 1, seed=3).double()
    with torch.inference_mode():
        assert not can_be_called(image)
        assert convolve(image, weight).dtype == torch.float64
