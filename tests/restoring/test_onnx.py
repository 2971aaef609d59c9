"""ONNX: run by onnxruntime, the network gives what PyTorch gives, with a shared context and with its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.restoring import Restorer
from datprl_toolkit.restoring.onnx_engine import OnnxEngine
from datprl_toolkit.restoring.recipe import RestorerRecipe
from datprl_toolkit.restoring.testing import TINY
from datprl_toolkit.weights import WeightsCard
from datprl_toolkit.weights.onnx import export_onnx

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed; the extra 'onnx' brings it")
pytest.importorskip("onnxscript", reason="onnxscript is not installed; the extra 'onnx' brings it")

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def plain() -> Restorer:
    # Of few layers, since exporting takes its time for each.
    config = replace(TINY["nafnet"], encoder_blocks=(1,), decoder_blocks=(1,), task_pool=None)
    torch.manual_seed(0)
    network = DatprlNetwork(config).eval().requires_grad_(requires_grad=False)
    return Restorer(network, WeightsCard("tiny", config, sha256="1" * 64), device="cpu")


@pytest.fixture(scope="module")
def file(plain: Restorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(plain.network, plain.card, path)
    return path


@pytest.fixture
def restorer(plain: Restorer, file: Path) -> Restorer:
    return Restorer(plain.network, plain.card, engine=OnnxEngine.of_file(file, plain.card))


def noise(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (3, 1, 40, 57)])
def test_any_size_and_number_of_images_equals_pytorch(
    restorer: Restorer, plain: Restorer, shape: tuple[int, ...]
) -> None:
    images = noise(*shape)
    context = plain.context(images)
    assert np.abs(restorer.restore_batch(images, context) - plain.restore_batch(images, context)).max() <= TOLERANCE


@pytest.mark.parametrize("shared", [True, False])
def test_the_mean_over_mirror_images_equals_pytorch(restorer: Restorer, plain: Restorer, shared: bool) -> None:
    images = noise(2, 3, 40, 57)
    context = plain.context(images) if shared else None
    single, engine, torches = (
        each.restore_batch(images, context)
        for each in (plain, restorer.with_self_ensemble(True), plain.with_self_ensemble(True))
    )
    assert np.abs(engine - torches).max() <= TOLERANCE
    assert np.abs(engine - single).max() > 10 * TOLERANCE


def test_images_with_a_context_of_their_own_equal_pytorch(restorer: Restorer, plain: Restorer) -> None:
    images = noise(2, 3, 24, 24)
    assert np.abs(restorer.restore_batch(images) - plain.restore_batch(images)).max() <= TOLERANCE


def test_the_engine_travels_to_another_machine(restorer: Restorer) -> None:
    made = RestorerRecipe.of(restorer).make("cpu")
    assert made.describe().endswith("onnxruntime")
    images = noise(1, 3, 16, 16)
    assert np.array_equal(made.restore_batch(images), restorer.restore_batch(images))


def test_a_file_of_other_weights_is_refused(plain: Restorer, file: Path) -> None:
    other = Restorer.from_pretrained("small").card
    with pytest.raises(DatprlError, match="not made of the weights 'small'") as caught:
        OnnxEngine.of_file(file, other)
    assert caught.value.code == ErrorCode.WEIGHTS


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_what_is_no_onnx_file_is_refused(plain: Restorer, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatprlError, match=r"broken\.onnx") as caught:
        OnnxEngine.of_file(path, plain.card)
    assert caught.value.code == ErrorCode.WEIGHTS


def test_a_reduced_precision_is_refused(plain: Restorer, file: Path) -> None:
    with pytest.raises(DatprlError, match="float32"):
        Restorer(plain.network, plain.card, precision="bfloat16", engine=OnnxEngine.of_file(file, plain.card))
