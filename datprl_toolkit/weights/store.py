"""Weights by name or path: find, load, save, verify. Safetensors only; nothing from a file is executed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from datprl_toolkit.errors import ErrorCode, WeightsError
from datprl_toolkit.files import staged_file
from datprl_toolkit.network import DatprlNetwork
from datprl_toolkit.weights.card import WeightsCard

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Path(__file__).parent / "shipped"
FOLDER_VARIABLE = "DATPRL_WEIGHTS"
"""Environment variable that names a folder of more weights."""


def list_weights() -> dict[str, Path]:
    """Return the weights that are known by name: those in the folder of the environment variable, then shipped."""
    folders = [SHIPPED]
    if os.environ.get(FOLDER_VARIABLE):
        folders.insert(0, Path(os.environ[FOLDER_VARIABLE]))
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.safetensors")):
            found.setdefault(path.stem, path)
    return found


def find_weights(name_or_path: str | Path) -> Path:
    """Return the file of weights given by name or by path.

    Raises
    ------
    WeightsError
        ``E_WEIGHTS`` if there is none; the message lists the names there are.
    """
    known = list_weights()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise WeightsError(
        ErrorCode.WEIGHTS,
        "there are no weights of this name and no such file",
        where=name_or_path,
        remedy=f"Known names: {', '.join(known) or 'none'}; a folder of more is named by {FOLDER_VARIABLE}",
    )


def read_card(path: Path) -> WeightsCard:
    """Read the card of a file of weights, with the file's checksum.

    Raises
    ------
    WeightsError
        ``E_WEIGHTS`` if the file is not safetensors or holds no card.
    """
    return _card(path, _metadata(path))


def load_weights(name_or_path: str | Path, *, device: torch.device | str = "cpu") -> tuple[DatprlNetwork, WeightsCard]:
    """Load weights given by name or path into their network, in evaluation mode.

    Raises
    ------
    WeightsError
        ``E_WEIGHTS`` if there are none, the file is damaged, or its tensors are not those of its configuration.
    """
    path = find_weights(name_or_path)
    card = read_card(path)
    network = DatprlNetwork(card.config)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    problem = describe_mismatch(expected, {key: tuple(tensor.shape) for key, tensor in tensors.items()})
    if problem:
        raise WeightsError(
            ErrorCode.WEIGHTS, f"the tensors are not those of the network in the card: {problem}", where=path
        )
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise WeightsError(ErrorCode.WEIGHTS, "the weights hold values that are not finite", where=path)
    network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    network.eval().requires_grad_(requires_grad=False)
    return network.to(device).to(memory_format=torch.channels_last), card


def save_weights(
    path: Path, network: DatprlNetwork, card: WeightsCard, *, overwrite: bool = False, half: bool = False
) -> None:
    """Write a network's weights with their card; the file appears whole or not at all.

    Parameters
    ----------
    path
        The file, ``.safetensors``.
    network, card
        What is written.
    overwrite
        Whether a file that is there is replaced.
    half
        Whether numbers are stored as float16, in half the space. They are computed with as float32 all the same.

    Raises
    ------
    OutputError
        If the file exists and `overwrite` is false, or cannot be written.
    WeightsError
        ``E_WEIGHTS`` if the card has the configuration of another network, so that nobody could load the file.
    """
    if card.config != network.config:
        raise WeightsError(
            ErrorCode.WEIGHTS,
            "the card has the configuration of another network",
            where=path,
            remedy="Give the card that of the network: dataclasses.replace(card, config=network.config)",
        )
    network = copy.deepcopy(network).half() if half else network
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    with staged_file(path, overwrite=overwrite) as temporary:
        save_file(tensors, temporary, metadata=card.to_metadata())


def describe_mismatch(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], *, most: int = 4
) -> str:
    """Say which tensors are missing, left over or of another shape; empty if all fit."""
    wrong = sorted(key for key in expected.keys() & found.keys() if expected[key] != found[key])
    parts = [
        _some("missing", sorted(expected.keys() - found.keys()), most),
        _some("left over", sorted(found.keys() - expected.keys()), most),
        _some("of another shape", [f"{key} {found[key]} for {expected[key]}" for key in wrong], most),
    ]
    return "; ".join(part for part in parts if part)


def _some(what: str, names: list[str], most: int) -> str:
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {what} ({', '.join(names[:most])}{more})"


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except FileNotFoundError as error:
        raise WeightsError(ErrorCode.WEIGHTS, "there is no such file", where=path) from error
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _card(path: Path, metadata: dict[str, str]) -> WeightsCard:
    try:
        return WeightsCard.from_metadata(metadata, sha256=file_sha256(path))
    except (ValueError, TypeError, KeyError, json.JSONDecodeError) as error:
        raise WeightsError(
            ErrorCode.WEIGHTS,
            f"the file is no weights of this toolkit: {error}",
            where=path,
            remedy="A published checkpoint is made usable by: datprl weights convert IN.pth OUT.safetensors",
        ) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        ErrorCode.WEIGHTS,
        f"the file cannot be read as safetensors: {error}",
        where=path,
        remedy="If it is a published checkpoint, use: datprl weights convert IN.pth OUT.safetensors",
    )


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
