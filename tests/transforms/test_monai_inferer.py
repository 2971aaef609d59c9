"""One context for all slices of a volume, where MONAI's own slice inferer lets every slice have its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.inferers import SliceInferer
from monai.transforms import Compose, Invertd, LoadImaged, Orientationd

from datprl_toolkit.errors import DatprlError, ErrorCode
from datprl_toolkit.medical.testing import Modality
from datprl_toolkit.restoring.testing import tiny_network
from datprl_toolkit.transforms.monai import RestoreVolumed, ScaleIntensityProfiled, SeriesReader, VolumeInferer

if TYPE_CHECKING:
    from datprl_toolkit.restoring import Restorer

Series = Callable[[Modality], Path]


def flicker(volume: torch.Tensor) -> float:
    """Mean absolute difference between neighbouring slices."""
    return float((volume[..., 1:] - volume[..., :-1]).abs().mean())


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_scaled_inferred_and_inverted_is_what_restore_volume_gives(
    modality: Modality, series: Series, tiny: Restorer
) -> None:
    load = LoadImaged("image", reader=SeriesReader, ensure_channel_first=True)
    item = {"image": str(series(modality))}
    expected = Compose([load, RestoreVolumed("image", weights=tiny)])(item)["image"]
    pipeline = Compose([load, Orientationd("image", "RAS", labels=None), ScaleIntensityProfiled("image")])
    batch = next(iter(DataLoader(Dataset([item], pipeline), batch_size=1)))
    inferer = VolumeInferer(task="mri_super_resolution" if modality == "MR" else None, weights=tiny.card)
    answer = inferer(batch["image"], tiny.network)
    assert isinstance(answer, MetaTensor)
    assert answer.shape == batch["image"].shape
    given = pipeline(item)
    given["answer"] = answer[0]
    restored = Invertd("answer", pipeline, orig_keys="image", nearest_interp=False)(given)["answer"]
    torch.testing.assert_close(restored.as_tensor(), expected.as_tensor(), rtol=0, atol=0)


def test_a_task_needs_weights_that_have_a_prompt_for_it(tiny: Restorer) -> None:
    for weights in (None, tiny.card):
        with pytest.raises(DatprlError, match="no prompt is known to stand for this task") as raised:
            VolumeInferer(task="dehazing", weights=weights)
        assert raised.value.code is ErrorCode.OPTION
    assert VolumeInferer(task="mri_super_resolution", weights="small").card is not None


def test_equal_slices_get_equal_answers_whatever_lies_beside_them() -> None:
    generator = np.random.default_rng(0)
    image, other = generator.random((2, 24, 24)).astype(np.float32)
    volume = torch.from_numpy(np.stack([image, other, image, image * 0.2, image], axis=-1))[None, None]
    network = tiny_network()
    answer = VolumeInferer()(volume, network)
    torch.testing.assert_close(answer[..., 0], answer[..., 4], rtol=0, atol=1e-6)
    torch.testing.assert_close(answer, VolumeInferer(batch_size=1)(volume, network), rtol=0, atol=1e-5)


def test_slices_flicker_less_than_with_monais_slice_inferer() -> None:
    generator = np.random.default_rng(0)
    image = generator.random((24, 24)).astype(np.float32)
    levels = generator.uniform(0.3, 1.0, 8).astype(np.float32)
    volume = torch.from_numpy(image[..., None] * levels)[None, None]
    network = tiny_network()
    one_context = VolumeInferer()(volume, network) - volume
    theirs = SliceInferer(roi_size=(24, 24), spatial_dim=2, sw_batch_size=8)
    answer = theirs(volume, lambda images: network(images.expand(-1, 3, -1, -1)).mean(1, keepdim=True))
    assert isinstance(answer, torch.Tensor)
    assert flicker(one_context) < flicker(answer - volume)


def test_a_batch_of_volumes_and_channels_is_restored_one_by_one() -> None:
    volumes = torch.rand(2, 2, 16, 20, 3)
    network = tiny_network()
    together = VolumeInferer()(volumes, network)
    for index in range(2):
        for channel in range(2):
            alone = VolumeInferer()(volumes[index : index + 1, channel : channel + 1], network)
            torch.testing.assert_close(together[index, channel], alone[0, 0], rtol=0, atol=1e-6)


def test_a_network_without_context_and_a_volume_without_batch_are_refused() -> None:
    for inputs, network in ((torch.rand(1, 1, 8, 8, 2), torch.nn.Identity()), (torch.rand(1, 8, 8, 2), tiny_network())):
        with pytest.raises(DatprlError) as caught:
            VolumeInferer()(inputs, network)
        assert caught.value.code is ErrorCode.OPTION
