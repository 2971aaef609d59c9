"""Products and convolutions that oneDNN makes on a processor, called by hand.

PyTorch leaves matrix products in single precision to another library, and with a single thread most convolutions too.
That library does not use the widest registers of every maker's processors; oneDNN does, and is as fast elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence


def runs_eagerly_on_cpu(features: Tensor) -> bool:
    """Tell whether results are made one after the other on a processor, and none is needed for gradients."""
    return features.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def can_be_called(features: Tensor) -> bool:
    """Tell whether oneDNN is there for these features and may be called by hand."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (available and runs_eagerly_on_cpu(features) and features.dtype in (torch.float32, torch.bfloat16)):
        return False
    return computed_in(features) is not torch.bfloat16 or knows_bfloat16()


def knows_bfloat16() -> bool:
    """Tell whether oneDNN computes in bfloat16 on this processor; it refuses to where PyTorch emulates it."""
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def computed_in(features: Tensor) -> torch.dtype:
    """Return the type in which convolutions of features are computed."""
    device = features.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype


def product(pixels: Tensor, weight: Tensor) -> Tensor:
    """Multiply the last axis of pixels (..., channels in) with a matrix (channels out, channels in)."""
    if not can_be_called(pixels):
        return functional.linear(pixels, weight)
    dtype = computed_in(pixels)
    made: Tensor = torch.ops.mkldnn._linear_pointwise(pixels.to(dtype), weight.to(dtype), None, "none", [], "")
    return made


def convolve(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    padding: Sequence[int] = (0, 0),
    stride: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Convolve features (images, channels, H, W), zeros around them."""
    if not can_be_called(features):
        return functional.conv2d(features, weight, bias, stride, padding, groups=groups)
    dtype = computed_in(features)
    bias = None if bias is None else bias.to(dtype)
    made: Tensor = torch.ops.mkldnn._convolution_pointwise(
        features.to(dtype), weight.to(dtype), bias, padding, stride, (1, 1), groups, "none", [], "none"
    )
    return made


class Convolution(nn.Conv2d):
    """A convolution with zeros around the features, made by :func:`convolve`."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve features (images, channels, H, W)."""
        padding = cast("tuple[int, int]", self.padding)
        return convolve(input, self.weight, self.bias, padding=padding, stride=self.stride, groups=self.groups)
