"""Weights: a card that says all, files that are checked, nothing executed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from datprl_toolkit.errors import ErrorCode, OutputError, WeightsError
from datprl_toolkit.restoring.testing import tiny_network
from datprl_toolkit.weights import (
    FOLDER_VARIABLE,
    TaskCard,
    WeightsCard,
    find_weights,
    list_weights,
    load_weights,
    read_card,
    save_weights,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network = tiny_network()
    tasks = (TaskCard("ct_denoising", -160, 240, "HU", 8, 30.1, 33.2, 0.8, 0.9, "one patient"),)
    card = WeightsCard("tiny", network.config, tasks, "for tests", "CC-BY-NC-4.0", training={"steps": 3})
    path = tmp_path / "tiny.safetensors"
    save_weights(path, network, card)
    return path


def test_weights_come_back_with_their_card_and_checksum(saved: Path) -> None:
    network, card = load_weights(saved)
    original = tiny_network()
    for key, tensor in original.state_dict().items():
        assert torch.equal(network.state_dict()[key], tensor)
    assert card.sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert card.config == original.config
    assert card.task("ct_denoising") == TaskCard(
        "ct_denoising", -160, 240, "HU", 8, 30.1, 33.2, 0.8, 0.9, "one patient"
    )
    assert card.task("dehazing") is None
    assert card.domains == ("medical",)
    assert not network.training


def test_weights_in_half_precision_are_computed_in_single(saved: Path, tmp_path: Path) -> None:
    network, card = load_weights(saved)
    half = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    path = tmp_path / "half.safetensors"
    save_file(half, path, metadata=card.to_metadata())
    loaded, _ = load_weights(path)
    assert all(tensor.dtype == torch.float32 for tensor in loaded.state_dict().values())


def test_weights_written_in_half_precision_take_half_the_space_and_are_nearly_the_same(
    saved: Path, tmp_path: Path
) -> None:
    network, card = load_weights(saved)
    path = tmp_path / "half.safetensors"
    save_weights(path, network, card, half=True)
    assert path.stat().st_size < 0.6 * saved.stat().st_size
    loaded, _ = load_weights(path)
    for key, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[key], tensor, rtol=1e-3, atol=1e-6)


def test_existing_weights_are_not_replaced_unasked(saved: Path) -> None:
    before = saved.read_bytes()
    network, card = load_weights(saved)
    with pytest.raises(OutputError) as error:
        save_weights(saved, network, card)
    assert error.value.code == ErrorCode.EXISTS
    assert saved.read_bytes() == before


def test_a_card_of_another_network_is_refused(saved: Path, tmp_path: Path) -> None:
    network, card = load_weights(saved)
    other = replace(card, config=replace(card.config, width=2 * card.config.width))
    with pytest.raises(WeightsError, match="the configuration of another network"):
        save_weights(tmp_path / "other.safetensors", network, other)
    assert not (tmp_path / "other.safetensors").exists()


def test_a_name_is_found_in_the_users_folder_before_the_shipped(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(saved.parent))
    assert find_weights("tiny") == saved
    assert list_weights()["tiny"] == saved


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="E_WEIGHTS: there are no weights of this name") as error:
        find_weights("enormous")
    assert "Known names" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_safetensors_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as safetensors") as error:
        load_weights(path)
    assert "\n" not in str(error.value)


def test_a_truncated_file_is_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(WeightsError) as error:
        load_weights(saved)
    assert error.value.code == ErrorCode.WEIGHTS


def test_weights_without_a_card_are_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="datprl weights convert"):
        read_card(path)


def test_tensors_of_another_network_are_listed(saved: Path, tmp_path: Path) -> None:
    tensors, card = load_file(saved), read_card(saved)
    tensors["surplus"] = torch.zeros(2)
    del tensors["backbone.stem.bias"]
    path = tmp_path / "wrong.safetensors"
    save_file(tensors, path, metadata=card.to_metadata())
    with pytest.raises(WeightsError, match=r"1 missing \(backbone.stem.bias\); 1 left over \(surplus\)"):
        load_weights(path)


def test_values_that_are_not_finite_are_refused(saved: Path, tmp_path: Path) -> None:
    tensors, card = load_file(saved), read_card(saved)
    tensors["backbone.stem.bias"][0] = float("nan")
    path = tmp_path / "nan.safetensors"
    save_file(tensors, path, metadata=card.to_metadata())
    with pytest.raises(WeightsError, match="not finite"):
        load_weights(path)


def test_a_card_names_only_tasks_there_are() -> None:
    with pytest.raises(ValueError, match="unknown task 'colourising'"):
        TaskCard("colourising")


def test_a_cards_checksum_is_that_of_the_file_not_of_its_text() -> None:
    card = replace(WeightsCard("a", tiny_network().config), sha256="abc")
    assert "sha256" not in card.to_metadata()["card"]
