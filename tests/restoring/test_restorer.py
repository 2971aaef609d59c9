"""The Restorer: any size, any batch, tiles without a seam, memory that runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from datprl_toolkit.errors import ErrorCode, InputError, OptionError, ResourceError
from datprl_toolkit.restoring import Progress, Restorer
from datprl_toolkit.restoring.resize import enlarge
from datprl_toolkit.restoring.testing import identity_restorer, tiny_restorer
from datprl_toolkit.weights import save_weights

if TYPE_CHECKING:
    from pathlib import Path

    from datprl_toolkit.network import DatprlNetwork
    from datprl_toolkit.network.configuration import Backbone

FloatArray = NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (13, 1), (17, 23), (64, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_comes_back_in_its_size_and_range(shape: tuple[int, int], channels: int) -> None:
    restored = tiny_restorer().restore_batch(noise(2, channels, *shape))
    assert restored.shape == (2, channels, *shape)
    assert restored.dtype == np.float32
    assert restored.min() >= 0.0
    assert restored.max() <= 1.0


@pytest.mark.parametrize("backbone", ["nafnet", "restormer"])
def test_the_result_does_not_depend_on_the_batch_size(backbone: Backbone) -> None:
    images = noise(5, 1, 40, 48)
    one, many = tiny_restorer(backbone=backbone, batch_size=1), tiny_restorer(backbone=backbone, batch_size=4)
    context = one.context(images)
    assert np.abs(one.restore_batch(images, context) - many.restore_batch(images, context)).max() <= 1e-5
    assert np.abs(one.restore_batch(images) - many.restore_batch(images)).max() <= 1e-5


@pytest.mark.parametrize("offset", [(0, 0), (8, 0), (24, 40)])
@pytest.mark.parametrize("backbone", ["nafnet", "restormer"])
def test_with_a_context_tiles_equal_the_whole_wherever_the_grid_lies(
    backbone: Backbone, offset: tuple[int, int]
) -> None:
    restorer = tiny_restorer(backbone=backbone)
    image = noise(3, 240, 272)
    context = restorer.context(image[None])
    whole = restorer.restore_batch(image[None], context)[0]
    top, left = offset
    # A window that starts elsewhere moves every tile; what lies before it serves as halo alone.
    tiled = restorer.restore_tiled(image, context, tile=64, halo=112, margins=(top, 0, left, 0))
    assert np.abs(tiled - whole[:, top:, left:]).max() <= 1e-4


def test_without_a_shared_context_tiles_do_not_equal_the_whole() -> None:
    restorer = tiny_restorer(backbone="restormer")
    image = noise(3, 128, 128)
    image[:, :, :64] *= 0.1
    whole = restorer.restore_batch(image[None])[0]
    tile = restorer.restore_batch(image[None, :, :, 64:])[0]
    assert np.abs(tile[:, :, 40:] - whole[:, :, 104:]).max() > 1e-4


def test_margins_off_the_grid_are_refused() -> None:
    restorer = tiny_restorer()
    image = noise(3, 64, 64)
    with pytest.raises(OptionError, match="grid"):
        restorer.restore_tiled(image, restorer.context(image[None]), margins=(3, 0, 0, 0))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(31, 45), (31, 45, 3)])
def test_an_identity_network_changes_no_pixel_of_any_type(dtype: type, shape: tuple[int, ...]) -> None:
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1.0
    image: NDArray[np.generic] = (noise(*shape) * scale).astype(dtype)
    restored = identity_restorer().restore(image)
    assert restored.dtype == dtype
    assert np.allclose(restored, image, rtol=0, atol=0 if np.issubdtype(dtype, np.integer) else 1e-6)


def test_strength_zero_is_the_input_and_a_half_is_half_way() -> None:
    restorer, image = tiny_restorer(), noise(32, 32)
    none, half, full = (restorer.restore(image, strength=s).astype(np.float64) for s in (0.0, 0.5, 1.0))
    assert np.array_equal(none, image)
    assert np.allclose(half, (none + full) / 2, atol=1e-6)


def test_a_large_image_is_restored_in_tiles_and_tells_its_progress() -> None:
    told: list[Progress] = []
    image = noise(100, 230, 3)
    restored = tiny_restorer().restore(image, tile=64, halo=32, progress=told.append)
    assert restored.shape == image.shape
    assert told[-1].done == told[-1].total == 8


def test_an_exception_from_progress_cancels() -> None:
    def cancel(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_restorer().restore(noise(100, 230, 3), tile=64, halo=32, progress=cancel)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (3, 4, 4), (0, 3), (2, 2, 2, 2)])
def test_arrays_that_are_no_image_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="E_UNSUPPORTED"):
        tiny_restorer().restore(np.zeros(shape, dtype=np.uint8))


def test_a_type_without_a_known_range_is_refused() -> None:
    with pytest.raises(InputError, match="int32"):
        tiny_restorer().restore(np.zeros((8, 8), dtype=np.int32))


class Limited:
    """Makes a network run out of memory above a number of images."""

    def __init__(self, network: DatprlNetwork, limit: int) -> None:
        self.calls: list[int] = []
        original = network.forward

        def forward(image: torch.Tensor, context: object = None) -> torch.Tensor:
            self.calls.append(len(image))
            if len(image) > limit:
                message = "CUDA out of memory. Tried to allocate 2.00 GiB"
                raise torch.cuda.OutOfMemoryError(message)
            return original(image, context)  # type: ignore[arg-type]

        network.forward = forward  # type: ignore[method-assign]


def test_when_memory_runs_out_the_batch_is_halved_and_nothing_is_lost() -> None:
    restorer, free = tiny_restorer(batch_size=8), tiny_restorer(batch_size=8)
    limited = Limited(restorer.network, limit=2)
    images = noise(9, 1, 16, 16)
    assert np.abs(restorer.restore_batch(images) - free.restore_batch(images)).max() <= 1e-5
    assert limited.calls == [8, 4, 2, 2, 2, 2, 1]


def test_when_not_even_one_image_fits_it_is_said() -> None:
    restorer = tiny_restorer()
    Limited(restorer.network, limit=0)
    with pytest.raises(ResourceError) as error:
        restorer.restore_batch(noise(1, 1, 16, 16))
    assert error.value.code == ErrorCode.MEMORY


@pytest.mark.parametrize(("device", "code"), [("cuda:63", ErrorCode.DEVICE), ("abacus", ErrorCode.OPTION)])
def test_a_device_that_is_not_there_is_said(device: str, code: ErrorCode) -> None:
    restorer = tiny_restorer()
    with pytest.raises((ResourceError, OptionError)) as error:
        Restorer(restorer.network, restorer.card, device=device)
    assert getattr(error.value, "code", None) == code


def test_a_precision_the_device_has_not_is_refused() -> None:
    restorer = tiny_restorer()
    for precision in ("float16", "float8"):
        with pytest.raises(OptionError, match="precision"):
            Restorer(restorer.network, restorer.card, device="cpu", precision=precision)


def test_reduced_precision_stays_close() -> None:
    exact = tiny_restorer()
    reduced = Restorer(tiny_restorer().network, exact.card, device="cpu", precision="bfloat16")
    images = noise(1, 3, 32, 32)
    assert np.abs(reduced.restore_batch(images) - exact.restore_batch(images)).max() < 0.05


def test_weights_from_a_file_restore_as_those_in_memory(tmp_path: Path) -> None:
    restorer = tiny_restorer()
    path = tmp_path / "tiny.safetensors"
    save_weights(path, restorer.network, restorer.card)
    loaded = Restorer.from_pretrained(path, device="cpu")
    image = noise(20, 20, 3)
    assert np.array_equal(loaded.restore(image), restorer.restore(image))
    assert loaded.describe().startswith("weights test, CPU")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarging_keeps_the_mean_and_the_place(scale: int) -> None:
    row = np.linspace(0, 1, 16, dtype=np.float32)
    image = np.broadcast_to(row, (1, 16, 16))
    larger = enlarge(image, scale)
    assert larger.shape == (1, 16 * scale, 16 * scale)
    # Half-pixel centres: the mean of each block of new pixels is the old pixel, away from the borders.
    blocks = larger.reshape(1, 16, scale, 16, scale).mean(axis=(2, 4))
    assert np.abs(blocks - image)[:, :, 2:-2].max() < 1e-5


@pytest.mark.parametrize("scale", [0, 9])
def test_absurd_factors_are_refused(scale: int) -> None:
    with pytest.raises(OptionError, match="enlarged by 1 to 8"):
        enlarge(noise(1, 4, 4), scale)
