"""What a device can do is asked of the device."""

from __future__ import annotations

import pytest
import torch

from datprl_toolkit.restoring.device import computes_bfloat16


@pytest.mark.parametrize(
    ("wide", "tiles", "expected"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_processor_computes_bfloat16_where_it_has_one_of_the_instructions(
    monkeypatch: pytest.MonkeyPatch, wide: bool, tiles: bool, expected: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: wide)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert computes_bfloat16(torch.device("cpu")) is expected


def test_a_pytorch_that_cannot_tell_is_taken_for_one_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not computes_bfloat16(torch.device("cpu"))


def test_a_gpu_computes_bfloat16() -> None:
    assert computes_bfloat16(torch.device("cuda"))
    assert not computes_bfloat16(torch.device("mps"))
