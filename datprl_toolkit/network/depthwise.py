"""3x3 depthwise convolutions, and the gate after two of them, which one call can make with the second."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from datprl_toolkit.network.onednn import can_be_called, convolve


def depthwise(features: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """Convolve each channel with its own 3x3 kernel."""
    return convolve(features, weight, padding=padding, groups=len(weight))


def gated_depthwise(
    gate: Tensor, value: Tensor, gate_weight: Tensor, value_weight: Tensor, padding: tuple[int, int]
) -> Tensor:
    """Return GELU(convolved gate) * convolved value.

    oneDNN applies the GELU and the product to each result of a convolution before it leaves the registers, which
    saves two ways to memory and back. PyTorch calls it so when it compiles a model; here it is called by hand.
    """
    if not can_be_called(gate):
        return functional.gelu(depthwise(gate, gate_weight, padding)) * depthwise(value, value_weight, padding)
    onednn = torch.ops.mkldnn._convolution_pointwise
    channels, once = len(gate_weight), (1, 1)
    gate_weight, value_weight = gate_weight.to(gate.dtype), value_weight.to(gate.dtype)
    opened = onednn(gate, gate_weight, None, padding, once, once, channels, "gelu", [], "none")
    gated: Tensor = onednn.binary(
        value, opened, value_weight, None, padding, once, once, channels, "mul", None, None, [], None
    )
    return gated
